"""A value and a number that several processes share."""

from __future__ import annotations

from typing import Optional

from .. import _lockkeeper as native
from .._lockkeeper import Versioned
from .._values import Data, as_bytes
from .changes import Changes
from .connection import Port


class SharedValue:
    """Bytes at a path, replaced as a whole, from :meth:`Client.shared_value`.

        state = await shared.get()
        await shared.try_set(state, b"new")     # raises Changed if somebody was faster

    What Curator calls ``SharedValue``. States are ordered by their ``revision``, never by their
    ``version``, which starts again when the znode is made anew.
    """

    def __init__(self, value: native.SharedValue, port: Port) -> None:
        self._native = value
        self._port = port

    async def get(self) -> Optional[Versioned[bytes]]:
        """The value as this client's server has it, which may lag; ``None`` if there is none."""
        return await self._port.run(self._native.get())

    async def set(self, value: Data) -> Versioned[bytes]:
        """Replaces the value, whatever it is, or makes it.

        After an error with ``maybe_applied`` it may be the new one. It is not sent again: that
        could undo what others wrote since.
        """
        return await self._port.run(self._native.set(as_bytes(value)))

    async def try_set(self, previous: Optional[Versioned[bytes]], value: Data) -> Versioned[bytes]:
        """Replaces the value if it is still ``previous``, ``None`` meaning that there is none yet.

        Raises :class:`Changed` if it is not.
        """
        return await self._port.run(self._native.try_set(previous, as_bytes(value)))

    def changes(self) -> Changes[Optional[Versioned[bytes]]]:
        """The states from now on, the present one first; ``None`` while there is none.

        The latest one counts, those in between may be left out.
        """
        return Changes(self._native.changes(), self._port)


class SharedCount:
    """A number at a path, from :meth:`Client.shared_count`: as :class:`SharedValue`.

    From -2,147,483,648 to 2,147,483,647: four bytes, the highest first, as Curator's
    ``SharedCount`` writes it. Anything else at the path raises :class:`Conflict`.
    """

    def __init__(self, count: native.SharedCount, port: Port) -> None:
        self._native = count
        self._port = port

    async def get(self) -> Optional[Versioned[int]]:
        """The number as this client's server has it, which may lag; ``None`` if there is none."""
        return await self._port.run(self._native.get())

    async def set(self, number: int) -> Versioned[int]:
        """Replaces the number, whatever it is, or makes it. As :meth:`SharedValue.set`."""
        return await self._port.run(self._native.set(number))

    async def try_set(self, previous: Optional[Versioned[int]], number: int) -> Versioned[int]:
        """Replaces the number if it is still ``previous``, ``None`` meaning that there is none yet.

        Raises :class:`Changed` if it is not.
        """
        return await self._port.run(self._native.try_set(previous, number))

    def changes(self) -> Changes[Optional[Versioned[int]]]:
        """The states from now on, the present one first; ``None`` while there is none.

        Raises :class:`Conflict` for one that is no number, and goes on behind it.
        """
        return Changes(self._native.changes(), self._port)
