"""Group membership: who is there."""

from __future__ import annotations

from typing import List, Optional, Union

from .. import _lockkeeper as native
from .._lockkeeper import Joined, Left, Member
from .._values import Data, as_bytes
from .changes import Changes
from .connection import Entering, Port, entering
from .kept import Kept


class Group:
    """A group at a path, to be joined and to be watched, from :meth:`Client.group`.

        async with client.group("/workers").join("worker-1", b"10.0.0.7:4000"):
            await work()

        async for event in client.group("/workers").view():
            print("came" if isinstance(event, Joined) else "went", event.member.id)

    Everybody who watches the group is told of each change: let only those watch who need to.
    """

    def __init__(self, group: native.Group, port: Port) -> None:
        self._native = group
        self._port = port

    def join(
        self, id: str, data: Data = b"", timeout: Optional[float] = None
    ) -> Entering[Membership]:
        """Joins, for as long as the membership is kept.

        Waits while another session is there under the same id, for at most ``timeout`` seconds:
        after a restart that is the process's former self, until its session expires.

        Raises :class:`Conflict` if the id cannot stand in a path, if this client is a member under
        it already, or if the layout has no room for data; :class:`OperationTimeout`, and what ends
        a session.
        """
        pending = self._native.join(id, as_bytes(data), timeout)
        return entering(self._port.take(pending, Membership))

    async def members(self) -> List[Member]:
        """The members as the ensemble has them now, those who joined first in front."""
        return await self._port.run(self._native.members())

    def view(self) -> Changes[Union[Joined, Left]]:
        """The joins and leaves from now on; those who are there already join first.

        Of several changes at once leaves come before joins. Not shown: a member that came and went
        between two looks.
        """
        return Changes(self._native.view(), self._port)


class Membership(Kept):
    """Being a member, until it leaves, is lost or forgotten.

    If somebody else deletes the znode, it is made again, so that ``LOST`` may be followed by
    ``HELD``; the end of the session ends it for good.
    """

    _noun = "membership"
    _native: native.Membership

    async def update(self, data: Data) -> None:
        """Changes what the member says about itself. Views do not report it.

        Raises :class:`Conflict` if the layout has no room for data.
        """
        await self._port.run(self._native.update(as_bytes(data)))

    async def leave(self) -> None:
        """Leaves, and waits until the znode is gone; the second time does nothing."""
        await self._port.run(self._native.release())

    async def _give_back(self) -> None:
        await self.leave()
