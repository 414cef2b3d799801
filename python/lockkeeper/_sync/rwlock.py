# Made from ../_async/rwlock.py by tools/sync_face.py: change that, and run this.
"""A lock for one writer or many readers."""

from __future__ import annotations

from typing import Optional

from .. import _lockkeeper as native
from .connection import Port, entering
from .lock import Guard


class RwLock:
    """A lock for one writer or many readers, from :meth:`Client.rwlock`.

        with client.rwlock("/catalogue").write(timeout=10) as guard:
            change(fence=guard.fence)

    Both kinds stand in one queue, so nobody starves. Every call is a contender of its own: one that
    holds a read lock and waits for a write lock waits for itself; see :meth:`ReadGuard.upgrade`.

    A writer's fence is larger than those of all holders before it. Readers hold together, so a
    resource compares a reader's fence with the largest writer's only.
    """

    def __init__(self, lock: native.RwLock, port: Port) -> None:
        self._native = lock
        self._port = port

    def read(self, timeout: Optional[float] = None) -> ReadGuard:
        """Waits until no writer is ahead, for at most ``timeout`` seconds.

        Raises as :meth:`Lock.acquire`.
        """
        return entering(self._port.take(self._native.read(timeout), ReadGuard))

    def try_read(self) -> Optional[ReadGuard]:
        """Reads if no writer is in the queue; else ``None``. To find one costs a read."""
        hold = self._port.run(self._native.try_read())
        return None if hold is None else ReadGuard(hold, self._port)

    def write(self, timeout: Optional[float] = None) -> WriteGuard:
        """Waits until nobody is ahead, for at most ``timeout`` seconds.

        Raises as :meth:`Lock.acquire`.
        """
        return entering(self._port.take(self._native.write(timeout), WriteGuard))

    def try_write(self) -> Optional[WriteGuard]:
        """Writes if nobody is in the queue; else ``None``. To find somebody costs a read."""
        hold = self._port.run(self._native.try_write())
        return None if hold is None else WriteGuard(hold, self._port)

    def queue_position(self) -> int:
        """How many a new writer would find ahead of it; 0 if the lock is free."""
        return self._port.submit(self._native.queue_position())


class ReadGuard(Guard):
    """The right to read, beside other readers."""

    def upgrade(self, timeout: Optional[float] = None) -> WriteGuard:
        """Gets the right to write in addition, as soon as the other readers have gone.

        What was read under this guard still holds then. This guard stays, and may be released once
        the other is there.

        Raises :class:`UpgradeConflict` at once if a writer stands in the queue already,
        :class:`LockLost` if this guard is lost, and as :meth:`Lock.acquire`.
        """
        return entering(self._port.take(self._native.upgrade(timeout), WriteGuard))


class WriteGuard(Guard):
    """The right to write, without anybody else."""

    def downgrade(self) -> ReadGuard:
        """Becomes a reader with no writer in between; readers behind come in.

        This guard is released by it, whatever happens. Raises :class:`LockLost` if it was lost, and
        as :meth:`Lock.acquire`.
        """
        return self._port.take(self._native.downgrade(), ReadGuard)
