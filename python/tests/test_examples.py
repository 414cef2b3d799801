"""The examples, run as their users run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import ROOT


def run_lock(*arguments: str, **environment: str) -> str:
    """The output of the lock's example."""
    return subprocess.run(
        [sys.executable, str(ROOT / "examples/python/lock.py"), *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_the_lock_goes_round(hosts: str) -> None:
    lines = run_lock("--connect", hosts, "--contenders", "3", "--rounds", "4").splitlines()
    fences = [int(line.split()[2]) for line in lines[:-1]]
    assert len(fences) == 12 and fences == sorted(fences)
    assert {line.split()[0] for line in lines[:-1]} == {"contender-%d" % i for i in (1, 2, 3)}
    assert lines[-1].startswith("11 hand-offs, median ")


def test_the_lock_with_a_server_of_its_own(server_binary: Path) -> None:
    output = run_lock("--rounds", "2", LOCKKEEPER_SERVER=str(server_binary))
    assert "7 hand-offs" in output
