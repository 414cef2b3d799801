"""One leader among candidates that stand in line."""

from __future__ import annotations

from types import TracebackType
from typing import (
    AsyncIterator,
    Awaitable,
    Callable,
    List,
    Optional,
    Type,
    TypeVar,
)

from .. import _lockkeeper as native
from .._base import warn_unclosed
from .._lockkeeper import KnownLeader, Participant
from .._values import CandidateState, Fares
from ..errors import ClosedError, LockkeeperError, LockLost
from .changes import Changes
from .connection import Entering, Port, entering
from .lock import Guard

T = TypeVar("T")
Self = TypeVar("Self", bound="Candidate")


class Election:
    """An election on a path, from :meth:`Client.election`.

        async def work(leader: Leader) -> None:
            await schedule(fence=leader.fence)

        await client.election("/jobs/scheduler", "host-7").run(work)

    Every call that asks for leadership is a candidate of its own. Candidates lead in the order in
    which they queued, and the end of a term wakes one of them.

    Not promised: that a leader stops acting when its term is over. Its fence lets a resource refuse
    what comes late. Nobody stands again under another session without being asked to.
    """

    def __init__(self, election: native.Election, port: Port) -> None:
        self._native = election
        self._port = port

    def lead(self, timeout: Optional[float] = None) -> Entering[Leader]:
        """Waits for leadership, for at most ``timeout`` seconds.

        Raises :class:`LockTimeout`, :class:`LayoutConflict`, and what ends a session.
        """
        return entering(self._port.take(self._native.lead(timeout), Leader))

    async def try_lead(self) -> Optional[Leader]:
        """Leads if nobody else stands; else ``None``. To find somebody costs a read."""
        hold = await self._port.run(self._native.try_lead())
        return None if hold is None else Leader(hold, self._port)

    async def run(self, body: Callable[[Leader], Awaitable[T]]) -> T:
        """Runs ``body`` as leader, resigns, and returns what it returned.

        A body whose leadership is lost is to end by raising :class:`LockLost`, as
        :meth:`Leader.raise_if_lost` does; in an event loop it is cancelled, and waited for. Then
        its candidate joins again at the tail, to run ``body`` anew in its next term.

        Raises what ``body`` raises; :class:`LockLost` if it returned in a term that was over, since
        others may have led while it worked; and what ends a session.
        """
        while True:
            leader = await self.lead()
            try:
                result = await self._port.under(leader, lambda: body(leader))
            except BaseException as error:
                # Not waited for: it goes in the background.
                leader._native.release()
                if isinstance(error, LockLost) and error.path == leader.path:
                    continue
                raise
            await leader.release()
            return result

    def join(self) -> Candidate:
        """A candidate that goes on standing, term after term, until it is closed."""
        return Candidate(self._native.join(), self._port)

    async def candidates(self) -> List[Participant]:
        """Everybody who stands, the leader first."""
        return await self._port.run(self._native.candidates())

    def observe(self) -> Changes[KnownLeader]:
        """The leaders one after the other, for who does not stand.

        There are only those that publish themselves: see :meth:`Client.election`. Each is told of
        at most once, in the order of fences, and once more if it could not be confirmed before.
        That a leader is gone is not told.
        """
        return Changes(self._native.observe(), self._port)


class Leader(Guard):
    """A term of leadership, until it is resigned, lost or forgotten."""

    _noun = "leadership"

    @property
    def is_leading(self) -> bool:
        """Whether to act as leader now, by the election's policy."""
        return self._native.stands

    @property
    def is_valid(self) -> bool:
        """The same."""
        return self.is_leading

    def raise_if_lost(self) -> None:
        """Raises :class:`LockLost` unless it leads."""
        super().raise_if_lost()
        if not self.is_leading:
            raise LockLost("leadership is suspended: the link is down", path=self.path)


class Candidate:
    """A participant that stands for leadership, term after term, until it is closed or forgotten.

        async with election.join() as candidate:
            async with candidate.lead() as leader:
                await work(leader.fence)

    The end of its session ends it; a term that is resigned or lost otherwise is followed by another
    place at the tail.
    """

    def __init__(self, candidate: native.Candidate, port: Port) -> None:
        self._native = candidate
        self._port = port

    @property
    def state(self) -> CandidateState:
        """How it fares now."""
        return CandidateState.of(self._native.state)

    def states(self) -> CandidateStates:
        """The states, the present one first; the latest counts, others may be left out."""
        return CandidateStates(self._native.states(), self._port)

    def lead(self, timeout: Optional[float] = None) -> Entering[Leader]:
        """Waits until it leads, for at most ``timeout`` seconds: at once if it does.

        Raises :class:`LockTimeout`, and what ended it.
        """
        return entering(self._port.take(self._native.lead(timeout), Leader))

    async def resign(self) -> None:
        """Steps down and queues again at the tail. One that does not lead stays where it is."""
        await self._port.run(self._native.resign())

    async def close(self) -> None:
        """Leaves, and waits until its znode is gone; the second time does nothing."""
        await self._port.run(self._native.close())

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            await self.close()
        except LockkeeperError:
            if error is None:
                raise

    def __repr__(self) -> str:
        return "<lockkeeper.Candidate %s>" % self.state.status.value

    def __del__(self) -> None:
        try:
            is_over = self.state.is_final
        except (AttributeError, ClosedError):
            # It never stood, or belongs to another process.
            return
        if not is_over:
            # It leaves in the background.
            warn_unclosed("candidate was not closed: use it in a with block", self)


class CandidateStates(AsyncIterator[CandidateState]):
    """The states of a :class:`Candidate`, to the final one."""

    def __init__(self, states: native.Changes[Optional[Fares]], port: Port) -> None:
        self._native = states
        self._port = port

    async def next(self, timeout: Optional[float] = None) -> Optional[CandidateState]:
        """Waits for the next one, for at most ``timeout`` seconds; ``None`` behind the final one.

        Raises :class:`OperationTimeout`.
        """
        fares = await self._port.run(self._native.next(timeout))
        return None if fares is None else CandidateState.of(fares)

    async def __anext__(self) -> CandidateState:
        state = await self.next()
        if state is None:
            raise StopAsyncIteration
        return state
