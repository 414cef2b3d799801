"""What every story needs: settings, an ensemble to play on, and a server if there is none.

Without --connect a story starts a server of its own: the program that the environment variable
LOCKKEEPER_SERVER names, or else `cargo run -p lockkeeper-server` in this repository.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterator

ROOT = Path(__file__).parents[2]


def play(about: str, settings: Dict[str, int], story: Callable[..., None]) -> None:
    """Tells a story, which takes a connect string and the settings by their names."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--connect", metavar="HOST:PORT", help="an ensemble that runs already")
    for name, number in settings.items():
        parser.add_argument("--" + name, type=int, default=number)
    options = vars(parser.parse_args())
    connect = options.pop("connect")
    with contextlib.ExitStack() as stack:
        story(connect or stack.enter_context(own_server()), **options)


@contextlib.contextmanager
def own_server() -> Iterator[str]:
    """Runs a server on a free port with data that goes with it; gives its connect string."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "zoo.cfg")
        config.write_text(
            "dataDir=%s/data\nclientPort=%d\nclientPortAddress=127.0.0.1\n" % (folder, port)
        )
        Path(folder, "data").mkdir()
        program = os.environ.get("LOCKKEEPER_SERVER")
        cargo = ["cargo", "run", "--quiet", "-p", "lockkeeper-server", "--"]
        command = [program] if program else cargo
        server = subprocess.Popen([*command, str(config)], cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            yield "127.0.0.1:%d" % port
        finally:
            server.terminate()
            server.wait()
