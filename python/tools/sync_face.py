"""Makes the blocking face, ``lockkeeper/_sync``, from the asyncio one, ``lockkeeper/_async``.

    python tools/sync_face.py [--verify]

The two say the same and differ by the words for waiting. ``--verify`` compares instead of writing.
``connection.py`` is not made: it is what waiting means.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Dict

PACKAGE = Path(__file__).parents[1] / "lockkeeper"
BY_HAND = {"__init__.py", "connection.py"}

WORDS = [
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\bAsync(Iterator|ContextManager)\b", r"\1"),
    (r"\blockkeeper\.aio\b", "lockkeeper"),
    # Only what can be awaited has one.
    (r"    def __await__\(.*\n(?:        .*\n)+\n", ""),
    (r"^import asyncio\n", ""),
    # Names that are imported for asyncio's sake.
    (r"^    (?:Awaitable),\n", ""),
    (r"^(from .*\bimport .*)\b(?:Entering|Generator), ", r"\1"),
    (r"^(from .*\bimport .*), Entering\b", r"\1"),
]
# Types of what is awaited: the blocking call returns what they stand for.
AWAITED = re.compile(r"\b(?:asyncio\.Future|Awaitable|Entering)\[")


def unwrapped(text: str) -> str:
    """The text with the types of what is awaited replaced by those of the results."""
    while True:
        found = AWAITED.search(text)
        if found is None:
            return text
        depth, end = 1, found.end()
        while depth:
            depth += {"[": 1, "]": -1}.get(text[end], 0)
            end += 1
        text = text[: found.start()] + text[found.end() : end - 1] + text[end:]


def blocking(name: str, text: str) -> str:
    """One file of the blocking face."""
    for pattern, words in WORDS:
        text = re.sub(pattern, words, text, flags=re.MULTILINE)
    note = "# Made from ../_async/%s by tools/sync_face.py: change that, and run this.\n" % name
    return note + unwrapped(text)


def faces() -> Dict[Path, str]:
    """Every file that is made, and what is to be in it."""
    sources = sorted(PACKAGE.joinpath("_async").glob("*.py"))
    return {
        PACKAGE / "_sync" / source.name: blocking(source.name, source.read_text())
        for source in sources
        if source.name not in BY_HAND
    }


def stale() -> Dict[Path, str]:
    """Those that are not as they are to be."""
    return {
        path: text
        for path, text in faces().items()
        if not path.exists() or path.read_text() != text
    }


def main() -> None:
    files = stale()
    if "--verify" in sys.argv[1:]:
        if files:
            names = ", ".join(path.name for path in files)
            raise SystemExit("not as _async says: %s; run python/tools/sync_face.py" % names)
        return
    for path, text in files.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
