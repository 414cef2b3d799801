"""The blocking face says what the asyncio one says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lockkeeper
from lockkeeper import aio

from conftest import ROOT


def test_the_blocking_face_is_made_from_the_other() -> None:
    tool = ROOT / "python" / "tools" / "sync_face.py"
    subprocess.run([sys.executable, str(tool), "--verify"], check=True)


def test_the_stub_says_what_the_native_half_has(tmp_path: Path) -> None:
    # All of a native module is exported, and a stub need not say so.
    allowed = tmp_path / "allowed"
    allowed.write_text("lockkeeper._lockkeeper.__all__")
    command = [sys.executable, "-m", "mypy.stubtest", "lockkeeper._lockkeeper"]
    command += ["--allowlist", str(allowed)]
    # Not where the package lies in source, which has no native half.
    subprocess.run(command, cwd=ROOT / "python" / "tests", check=True)


def test_both_faces_have_the_same_classes() -> None:
    for name in aio.__all__:
        assert name in lockkeeper.__all__
        mine, theirs = getattr(aio, name), getattr(lockkeeper, name)
        methods = {word for word in dir(mine) if not word.startswith("_")}
        assert methods == {word for word in dir(theirs) if not word.startswith("_")}
