# Made from ../_async/barrier.py by tools/sync_face.py: change that, and run this.
"""Places to wait for others: barrier, double barrier, countdown latch, rendezvous."""

from __future__ import annotations

from types import TracebackType
from typing import List, Optional, Type

from .. import _lockkeeper as native
from .._lockkeeper import Filled
from .._values import Data, as_bytes
from .connection import Port, entering
from .kept import Kept
from .lock import Guard


class Barrier:
    """A gate that holds everybody until somebody opens it, from :meth:`Client.barrier`.

        client.barrier("/deploy/gate").close()    # one process
        client.barrier("/deploy/gate").wait()     # many others

    The same znode as that of Curator's ``DistributedBarrier`` and kazoo's ``Barrier``. It outlives
    whoever closed it. A barrier that is opened and closed again at once may hold somebody who
    waited: give each round a path of its own.
    """

    def __init__(self, barrier: native.Barrier, port: Port) -> None:
        self._native = barrier
        self._port = port

    def close(self) -> bool:
        """Closes the barrier; whether it was open. Missing ancestors become containers."""
        return self._port.run(self._native.close())

    def open(self) -> bool:
        """Opens the barrier and wakes everybody; whether it was closed.

        Raises :class:`Conflict` if the znode has children.
        """
        return self._port.run(self._native.open())

    def is_closed(self) -> bool:
        """Whether the barrier is closed, as the ensemble has it now."""
        return self._port.run(self._native.is_closed())

    def wait(self, timeout: Optional[float] = None) -> None:
        """Waits until the barrier is open, for at most ``timeout`` seconds.

        Raises :class:`OperationTimeout`, and what ends a session.
        """
        self._port.run(self._native.wait(timeout))


class DoubleBarrier:
    """A place where so many parties wait for each other, at the start of their work and at its end.

        barrier = client.double_barrier("/jobs/reduce", 5)
        with barrier.round(3).enter(timeout=60) as party:
            work()

    From :meth:`Client.double_barrier`. A path is good for one meeting; :meth:`round` gives each a
    path of its own. The znodes are those of Curator's ``DistributedDoubleBarrier``, but not of
    kazoo's ``DoubleBarrier``, with which no path can be shared.
    """

    def __init__(self, barrier: native.DoubleBarrier, port: Port) -> None:
        self._native = barrier
        self._port = port

    def round(self, number: int) -> DoubleBarrier:
        """The meeting with this number, from 0: the same barrier below a path of its own."""
        return DoubleBarrier(self._native.round(number), self._port)

    def enter(self, timeout: Optional[float] = None) -> Party:
        """Waits until all parties are there, for at most ``timeout`` seconds.

        Raises :class:`Conflict` if the meeting has begun without this party, :class:`LockLost` if
        somebody deleted its znode, :class:`OperationTimeout`, and what ends a session. After each
        of them, and given up, this party is not there any more.
        """
        return entering(self._port.take(self._native.enter(timeout), Party))


class Party(Kept):
    """One who has gone in, until it leaves, is lost or forgotten.

    Leaving the block waits for the others to leave, unless an exception is on its way out.
    """

    _noun = "place in the barrier"
    _native: native.Party

    @property
    def members(self) -> Optional[List[str]]:
        """Names of the znodes that were counted in, in order; ``None`` if Curator did it."""
        return self._native.members

    def leave(self, timeout: Optional[float] = None) -> None:
        """Leaves, and waits until all who went in have left or are gone; once.

        Raises :class:`OperationTimeout` after ``timeout`` seconds: this party has left all the
        same.
        """
        self._port.run(self._native.release(timeout))

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if error is None:
            self.leave()
        else:
            # Not waited for, so that it only goes.
            self._native.release()


class CountdownLatch:
    """A latch that opens for good after so many arrivals, from :meth:`Client.countdown_latch`.

        client.countdown_latch("/boot/ready", 3).count_down("web-1")  # three processes
        client.countdown_latch("/boot/ready", 3).wait(timeout=60)     # anybody

    Arrivals are persistent: one who arrived and died has arrived. An arrival that is sent twice,
    because a reply was lost, counts once.
    """

    def __init__(self, latch: native.CountdownLatch, port: Port) -> None:
        self._native = latch
        self._port = port

    def count_down(self, id: Optional[str] = None) -> int:
        """Arrives; how many are missing now. The same ``id`` counts once, whoever sends it.

        Raises :class:`Conflict` if the path holds another count, or no latch. Given up, the arrival
        may count or not.
        """
        return self._port.run(self._native.count_down(id))

    def remaining(self) -> int:
        """How many arrivals are missing; 0 once the latch is open."""
        return self._port.run(self._native.remaining())

    def wait(self, timeout: Optional[float] = None) -> None:
        """Waits until the latch is open, for at most ``timeout`` seconds.

        Raises :class:`OperationTimeout`, :class:`Conflict`, and what ends a session.
        """
        self._port.run(self._native.wait(timeout))

    def reset(self) -> None:
        """Closes the latch again with nobody arrived.

        Of several resets at once one wins, and the others raise :class:`Conflict`.
        """
        self._port.run(self._native.reset())


class Rendezvous:
    """A path that is handed out before anybody knows what will stand there.

        client.rendezvous("/run-7/master").fill(b"10.0.0.7:4000")     # who knows it
        met = client.rendezvous("/run-7/master").filled(timeout=60)   # all others

    From :meth:`Client.rendezvous`. A znode without data counts as not filled.
    """

    def __init__(self, rendezvous: native.Rendezvous, port: Port) -> None:
        self._native = rendezvous
        self._port = port

    def fill(self, data: Data) -> None:
        """Leaves data for all who wait and all who come. Of several the last one counts.

        Raises :class:`Conflict` if ``data`` is empty. After :class:`ConnectionLoss` it is safe to
        fill again.
        """
        self._port.run(self._native.fill(as_bytes(data)))

    def occupy(self, data: Data, timeout: Optional[float] = None) -> Guard:
        """Leaves data for as long as the guard is kept; those who met notice its end.

        Waits while another session's data is there, for at most ``timeout`` seconds. Raises
        :class:`Conflict` if ``data`` is empty or the znode is there and persistent,
        :class:`OperationTimeout`, and what ends a session.
        """
        return entering(self._port.take(self._native.occupy(as_bytes(data), timeout), Guard))

    def filled(self, timeout: Optional[float] = None) -> Filled:
        """What stands here, as soon as there is something.

        Raises :class:`OperationTimeout` after ``timeout`` seconds, and what ends a session.
        """
        return self._port.run(self._native.filled(timeout))

    def vacated(self, met: Filled, timeout: Optional[float] = None) -> None:
        """Waits until the znode that gave ``met`` is gone, also if another has taken its place.

        Raises :class:`OperationTimeout` after ``timeout`` seconds, and what ends a session.
        """
        self._port.run(self._native.vacated(met, timeout))
