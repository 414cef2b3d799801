"""Takes part in kazoo's recipes on behalf of a test.

Arguments: connect string, name. One command per line on standard input, one answer per line on
standard output:

    (start)                ready
    set PATH               done                a barrier
    remove PATH            done
    wait PATH MILLISECONDS done | timeout
    join PATH ID           done                a party
    leave PATH             done
    members PATH           members ID...       in text order
    quit                   (exits)
"""

import sys

import line_peer
from kazoo.client import KazooClient
from kazoo.recipe.barrier import Barrier
from kazoo.recipe.party import Party


def serve(client):
    """Answers commands until the end of the input."""
    parties = {}
    line_peer.say("ready")
    for line in sys.stdin:
        words = line.split()
        if words[0] == "quit":
            break
        path = words[1]
        if words[0] == "set":
            Barrier(client, path).create()
        elif words[0] == "remove":
            Barrier(client, path).remove()
        elif words[0] == "wait":
            if not Barrier(client, path).wait(int(words[2]) / 1000):
                line_peer.say("timeout")
                continue
        elif words[0] == "join":
            parties[path] = Party(client, path, words[2])
            parties[path].join()
        elif words[0] == "leave":
            parties.pop(path).leave()
        elif words[0] == "members":
            line_peer.say(" ".join(["members"] + sorted(Party(client, path))))
            continue
        else:
            raise ValueError("unknown command: " + line)
        line_peer.say("done")


def main():
    connect, _name = sys.argv[1:3]
    client = KazooClient(hosts=connect, timeout=10)
    client.start(timeout=15)
    serve(client)
    client.stop()
    client.close()
    return 0


line_peer.run(main)
