# Made from ../_async/semaphore.py by tools/sync_face.py: change that, and run this.
"""So many at once."""

from __future__ import annotations

from typing import List, Optional

from .. import _lockkeeper as native
from .lock import Acquiring, Guard


class Semaphore(Acquiring):
    """So many leases at once, from :meth:`Client.semaphore`.

        with client.semaphore("/downloads", 3, timeout=60):
            download()

    Whoever asks first is admitted first. Each lease is a :class:`Guard`. Several stand at once, so
    a resource cannot tell by their fences alone which of them are over.

    Not for a path that kazoo's ``Semaphore`` uses, which takes every child for a lease.
    """

    _native: native.Semaphore

    def acquire_many(self, leases: int, timeout: Optional[float] = None) -> List[Guard]:
        """Waits for so many leases at once, for at most ``timeout`` seconds.

        They may be released one by one. Nobody else is admitted before all of them are there, so
        two that ask for many never wait for each other.

        Raises :class:`Conflict` if there are never so many, and as :meth:`acquire`.
        """
        holds = self._port.run(self._native.acquire_many(leases, timeout))
        return [Guard(hold, self._port) for hold in holds]

    def held(self) -> int:
        """How many leases there are now, those included that wait to be admitted."""
        return self._port.submit(self._native.held())
