"""What comes one after the other."""

from __future__ import annotations

from typing import AsyncIterator, Generic, Optional, TypeVar

from .. import _lockkeeper as native
from .connection import Port

T = TypeVar("T")


class Changes(AsyncIterator[T], Generic[T]):
    """Things of one kind, in their order, for ``async for``.

    It does not end by itself: it raises what ends the session, :class:`ClosedError` when the client
    is closed. A wait that is given up loses nothing.
    """

    def __init__(self, changes: native.Changes[T], port: Port) -> None:
        self._native = changes
        self._port = port

    async def next(self, timeout: Optional[float] = None) -> T:
        """Waits for the next one, for at most ``timeout`` seconds.

        Raises :class:`OperationTimeout`, and what ends a session.
        """
        return await self._port.run(self._native.next(timeout))

    async def __anext__(self) -> T:
        return await self.next()
