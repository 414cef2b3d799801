"""A connected client in one call."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

from .._values import Acl, Auth
from .client import Client


def connect(
    hosts: str,
    timeout: float = 10.0,
    auth: Optional[Auth] = None,
    *,
    connect_timeout: Optional[float] = 30.0,
    call_timeout: Optional[float] = None,
    read_only: bool = False,
    default_acl: Optional[Sequence[Acl]] = None,
    resume: Optional[Tuple[int, bytes]] = None,
) -> Client:
    """A connected :class:`Client` with these settings."""
    return Client(
        hosts,
        timeout,
        auth,
        connect_timeout=connect_timeout,
        call_timeout=call_timeout,
        read_only=read_only,
        default_acl=default_acl,
        resume=resume,
    ).connect()
