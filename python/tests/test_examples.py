"""The examples, run as their users run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT


def told(name: str, *arguments: str, **environment: str) -> str:
    """The output of a story."""
    return subprocess.run(
        [sys.executable, str(ROOT / "examples/python" / name), *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_the_lock_goes_round(hosts: str) -> None:
    lines = told("lock.py", "--connect", hosts, "--contenders", "3", "--rounds", "4").splitlines()
    fences = [int(line.split()[2]) for line in lines[:-1]]
    assert len(fences) == 12 and fences == sorted(fences)
    assert {line.split()[0] for line in lines[:-1]} == {"contender-%d" % i for i in (1, 2, 3)}
    assert lines[-1].startswith("11 hand-offs, median ")


def test_the_lock_with_a_server_of_its_own(server_binary: Path) -> None:
    output = told("lock.py", "--rounds", "2", LOCKKEEPER_SERVER=str(server_binary))
    assert "7 hand-offs" in output


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("barrier.py", ["in before all had come: 0"]),
        ("config.py", ["rejected: soft 2 is above hard 1", "refused: the publisher has lost"]),
        ("election.py", ["each fence larger than the one before", "lost", "resigned"]),
    ],
)
def test_stories_are_told_to_their_end(hosts: str, name: str, words: "list[str]") -> None:
    # Twice, because an ensemble remembers the first time.
    for _ in range(2):
        output = told(name, "--connect", hosts)
        for word in words:
            assert word in output
