"""The blocking face says what the asyncio one says."""

from __future__ import annotations

import subprocess
import sys

import lockkeeper
from lockkeeper import aio

from conftest import ROOT


def test_the_blocking_face_is_made_from_the_other() -> None:
    tool = ROOT / "python" / "tools" / "sync_face.py"
    subprocess.run([sys.executable, str(tool), "--verify"], check=True)


def test_both_faces_have_the_same_classes() -> None:
    for name in aio.__all__:
        assert name in lockkeeper.__all__
        mine, theirs = getattr(aio, name), getattr(lockkeeper, name)
        methods = {word for word in dir(mine) if not word.startswith("_")}
        assert methods == {word for word in dir(theirs) if not word.startswith("_")}
