# Made from ../_async/kept.py by tools/sync_face.py: change that, and run this.
"""What is handed out to be kept, until it is given back or lost."""

from __future__ import annotations

from types import TracebackType
from typing import Callable, Optional, Type, TypeVar

from .._base import BaseKept, NativeKept, call_back
from .._values import GuardState
from ..errors import LockkeeperError
from .connection import Port

Self = TypeVar("Self", bound="Kept")


class Kept(BaseKept):
    """Something that stands in the ensemble for as long as this process wants and lives."""

    def __init__(self, native: NativeKept, port: Port) -> None:
        self._native = native
        self._port = port

    def lost(self) -> Optional[GuardState]:
        """Waits until it must not be relied on, and says how; ``None`` once it was given back.

        Meant to run beside the work that depends on it. Does not keep it.
        """
        word = self._port.run(self._native.lost())
        return None if word is None else GuardState(word)

    def on_lost(self, callback: Callable[[GuardState], object]) -> None:
        """Calls ``callback`` once when it must not be relied on any more.

        It gets :attr:`GuardState.POSSIBLY_LOST` or :attr:`GuardState.LOST`, and runs in the event
        loop, or where there is none on a thread named ``lockkeeper-events``. What it raises goes
        to :func:`sys.unraisablehook`. Once it was given back it is not called.
        """

        def step(word: Optional[str]) -> None:
            if word is not None:
                call_back(callback, GuardState(word))

        self._port.follow(self._native.lost(), step)

    def _give_back(self) -> None:
        raise NotImplementedError

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            self._give_back()
        except LockkeeperError:
            if error is None:
                raise
