# Made from ../_async/changes.py by tools/sync_face.py: change that, and run this.
"""What comes one after the other."""

from __future__ import annotations

from typing import Iterator, Generic, Optional, TypeVar

from .. import _lockkeeper as native
from .connection import Port

T = TypeVar("T")


class Changes(Iterator[T], Generic[T]):
    """Things of one kind, in their order, for ``for``.

    It does not end by itself: it raises what ends the session, :class:`ClosedError` when the client
    is closed. A wait that is given up loses nothing.
    """

    def __init__(self, changes: native.Changes[T], port: Port) -> None:
        self._native = changes
        self._port = port

    def next(self, timeout: Optional[float] = None) -> T:
        """Waits for the next one, for at most ``timeout`` seconds.

        Raises :class:`OperationTimeout`, and what ends a session.
        """
        return self._port.run(self._native.next(timeout))

    def __next__(self) -> T:
        return self.next()
