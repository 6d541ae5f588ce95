# SPDX-License-Identifier: BSD-2-Clause
"""The program drive as an object, and forums with what a load needs raised openly.

    with forum_of(1) as forum, Driver(frame, forum) as drive:
        drive("people", forum[0].name, 200)
        result = drive("post", 1)
"""
import contextlib
import json
import subprocess
import time

from harness import Failure, Forum, chain

# Over what convened.conf(5) has by default: one address and 200 people are all the clients there are,
# and in a minute they post more than people do in a year. Nothing else is changed.
RAISED = {"posts_per_hour": "1000000", "clients_per_address": "10000", "inbox": "100000", "search": "no"}
SETTLE_SECONDS = 300


def forum_of(count, **options):
    """Nodes in a chain, not yet started."""
    return Forum(["node%d.example" % i for i in range(count)], chain(count), limits=RAISED, **options)


class Driver:
    def __init__(self, frame, forum):
        self.process = subprocess.Popen([frame.program("drive")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        forum.keep_process(self.process)
        for node in forum:
            self("node", node.name, node.folder / "data/convened.sock", *addresses_of(node))

    def __call__(self, *words):
        """Say one of drive.c's commands; its answer."""
        try:
            self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.process.stdout.readline()
        if not line:
            raise Failure("drive ended at: %s" % " ".join(str(word) for word in words))
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        if kind is None and code != 0:
            raise Failure("drive ended with code %d" % code)
        return False


def addresses_of(node):
    return getattr(node, "addresses", [node.address])


def settle(forum):
    """Seconds until all is sealed, everywhere, and in the views."""
    began = time.monotonic()
    forum.settle(SETTLE_SECONDS)
    return time.monotonic() - began


def people(drive, node, count):
    """So many participants at a node, and a topic."""
    drive("people", node.name, count)
    drive("topic", node.name)


def shown_all(ran):
    """Each post once, with its text, to all who subscribed."""
    if ran["shown"]["count"] != ran["posts"] or ran["bare"] or ran["repeated"] or ran.get("lost"):
        raise Failure("not shown once to each: %r" % ran)
    return ran


def less_feeder(count, seconds, feeder_cpu, cores):
    """The rate, had the feeder's CPU been another machine's: to be told beside the plain one."""
    return count / (seconds - feeder_cpu / cores)
