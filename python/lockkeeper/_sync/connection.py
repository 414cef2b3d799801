"""How the blocking face waits, and how its client connects."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Callable, Optional, Type, TypeVar

from .._base import BaseClient
from .._lockkeeper import Pending
from ..errors import LockkeeperError

T = TypeVar("T")
G = TypeVar("G")


class Port:
    """Waits on the caller's own thread."""

    def run(self, pending: Pending[T]) -> T:
        """Blocks until the operation is over; an exception that interrupts it takes it back."""
        return pending.wait()

    submit = run

    def take(self, pending: Pending[T], make: Callable[[T, Port], G]) -> G:
        """Blocks until the operation is over and makes something of its result."""
        return make(pending.wait(), self)

    def under(self, right: object, body: Callable[[], T]) -> T:
        """Runs a body, which no other thread could end: it is to look itself."""
        return body()

    def follow(
        self,
        pending: Pending[T],
        step: Callable[[T], Optional[Pending[T]]],
        end: Callable[[LockkeeperError], object] = lambda error: None,
    ) -> None:
        """Calls ``step`` on a thread with the result, and again with that of what it returns."""

        def run() -> None:
            following: Optional[Pending[T]] = pending
            try:
                while following is not None:
                    following = step(following.wait())
            except LockkeeperError as error:
                end(error)

        threading.Thread(target=run, name="lockkeeper-events", daemon=True).start()

    def caller(self) -> object:
        """Who calls: the thread."""
        return threading.get_ident()


_PORT = Port()


def entering(managed: T) -> T:
    """What is entered by ``with`` is what the call returned."""
    return managed


Self = TypeVar("Self", bound="Connection")


class Connection(BaseClient):
    """A client's session."""

    def connect(self: Self) -> Self:
        """Connects and returns the client. Does nothing if it is connected.

        Raises :class:`Unreachable`, :class:`AuthFailed`, :class:`SessionExpired` or, for settings
        that cannot be, :class:`InvalidArgument`.
        """
        if self._session is None:
            self._session = self._opening().wait()
        return self

    def close(self) -> None:
        """Ends the session: its ephemerals and locks go. Calls made before are carried out."""
        if self._session is not None:
            self._session.close().wait()

    def __enter__(self: Self) -> Self:
        return self.connect()

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            self.close()
        except LockkeeperError:
            if error is None:
                raise

    def _running(self) -> Port:
        return _PORT

    def _submit(self, pending: Pending[T]) -> T:
        return pending.wait()
