"""What the Python peers share: answering lines and reporting to the oracle."""

import socket
import sys
import threading
import traceback


def say(line):
    """Prints one line of the protocol, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run(main):
    """Runs a peer; a failure becomes a line for the harness and exit status 1."""
    try:
        code = main()
    except Exception as error:
        traceback.print_exc()
        say("failed %r" % (error,))
        code = 1
    sys.exit(code)


def run_sessions(name, sessions, run_session):
    """Calls `run_session` with a name for each session, all at once; raises the first failure."""
    failures = []

    def body(who):
        try:
            run_session(who)
        except Exception as error:
            failures.append(error)

    names = ["%s-%d" % (name, i) for i in range(sessions)]
    threads = [threading.Thread(target=body, args=(who,)) for who in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class OracleLink:
    """One contender's connection to the exclusion oracle of the harness."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("r", encoding="utf-8", newline="\n")

    def enter(self, who, fence, sequence):
        """Reports that the section was entered; raises if the oracle objects."""
        self._ask("enter %s %d %d" % (who, fence, sequence))

    def exit(self, who):
        """Reports that the section is about to be left."""
        self._ask("exit %s" % who)

    def close(self):
        self._answers.close()
        self._socket.close()

    def _ask(self, line):
        self._socket.sendall((line + "\n").encode())
        answer = self._answers.readline().rstrip("\n")
        if answer != "ok":
            raise RuntimeError("%s answered with %r" % (line, answer))
