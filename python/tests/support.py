"""What several test files need."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, List, Sequence

import lockkeeper

PATIENCE_S = 20.0


def wait_until(true: Callable[[], object], what: str) -> None:
    """Looks again and again; a test that waits for too long fails with ``what``."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "still not: " + what
        time.sleep(0.01)


def left(client: lockkeeper.Client, path: str) -> List[str]:
    """Children of what may be a container, which the server may have removed."""
    try:
        return client.children(path)
    except lockkeeper.NoNode:
        return []


def wait_for_empty(client: lockkeeper.Client, path: str) -> None:
    """Waits until all contenders of a lock are gone."""
    wait_until(lambda: left(client, path) == [], "no children of " + path)


def kill_session(client: lockkeeper.Client, hosts: str) -> None:
    """Ends a client's session behind its back: takes it over and closes it."""
    lockkeeper.connect(hosts, resume=client.credentials).close()


# A process that a shell has put into the background ignores Ctrl-C, and so do its children.
CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Runs a script in an interpreter of its own, with its output as text."""
    return subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", "-c", CTRL_C + script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the script is looked for first there must be no package of this name in source.
        cwd=Path(__file__).parent,
    )


def finish(process: subprocess.Popen[str]) -> Sequence[str]:
    """Waits for a script, which must succeed and print nothing to standard error."""
    output, complaints = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, complaints) == (0, "")
    return output.split()
