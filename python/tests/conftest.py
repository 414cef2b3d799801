"""A server for all tests, and a path of its own for each.

The server is a child of this process and ends with it: it reads the end of its input.
"""

from __future__ import annotations

import os
import subprocess
from itertools import count
from pathlib import Path
from typing import Iterator

import pytest

import lockkeeper

ROOT = Path(__file__).parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
SERVER = os.environ.get("LOCKKEEPER_TEST_SERVER", "ours")

_numbers = count()


@pytest.fixture(scope="session")
def server_binary() -> Path:
    """Our server's program."""
    cargo = ["cargo", "build", "--quiet", "--locked", "-p", "lockkeeper-server"]
    subprocess.run([*cargo, "-p", "lockkeeper-e2e"], cwd=ROOT, check=True)
    return TARGET / "debug" / "lockkeeper-server"


@pytest.fixture(scope="session")
def hosts(server_binary: Path) -> Iterator[str]:
    """The connect string of a running server."""
    server = subprocess.Popen(
        [server_binary.with_name("lockkeeper-peers"), "serve", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "LOCKKEEPER_SERVER": str(server_binary)},
    )
    with server:
        assert server.stdin and server.stdout
        connect = server.stdout.readline().decode().strip()
        assert connect, "the server did not start"
        yield connect
        server.stdin.close()


@pytest.fixture
def client(hosts: str) -> Iterator[lockkeeper.Client]:
    """A connected client."""
    with lockkeeper.connect(hosts) as client:
        yield client


@pytest.fixture
def other(hosts: str) -> Iterator[lockkeeper.Client]:
    """Another one, with a session of its own."""
    with lockkeeper.connect(hosts) as client:
        yield client


@pytest.fixture
def path(client: lockkeeper.Client) -> str:
    """A znode that no other test uses."""
    return client.create("/test-%d-%d" % (os.getpid(), next(_numbers)))
