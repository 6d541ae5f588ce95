#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Nodes are killed while people write; what was acknowledged is there once, on every node.

Four nodes in a ring, a writer at each. A message counts as acknowledged when `convene` says that
the node has accepted it, or when it has left the outbox of a writer who had to try again; then its
id goes into a ledger on disk, and the writer's own copy is thrown away: from then on it is the node
that must not lose it. Now and then only the relay is killed, which its parent starts again.

    test_kill.py [--kills N] [--seed N]
"""
import argparse
import collections
import hashlib
import json
import os
import random
import re
import sys
import threading
import time

sys.dont_write_bytecode = True

from harness import (CommandFailure, Failure, Forum, REFUSED, UNREACHABLE,  # noqa: E402
                     in_parallel, poll, ring, tap_run)

NAMES = ["a.example", "b.example", "c.example", "d.example"]
KILL_PAUSE = 0.6   # seconds between kills, on average
DOWN_MAX = 0.8     # seconds that a killed node stays down
RELAY_ONLY = 0.1   # how often the parent survives
DRAIN = 60


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Writer(threading.Thread):
    """Writes until told to stop, then sends what is left in the outbox."""

    def __init__(self, person, topic, seed):
        super().__init__()
        self.person, self.topic = person, topic
        self.rng = random.Random(seed)
        self.stopping = threading.Event()
        self.error = None
        self.written = {}  # id: digest of the text, of everything that was signed
        self.retries = 0
        self.path = person.home / "ledger"
        self.ledger = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def acknowledge(self, identifier):
        os.write(self.ledger, identifier.encode() + b"\n")
        os.fsync(self.ledger)
        self.forget()

    def forget(self):
        """Empty the outbox as convene does it: the highest number used is written down first."""
        paths = list(self.person.home.glob("outbox/*.message"))
        if not paths:
            return
        state = self.person.home / "outbox/state"
        used = max(int(path.stem) for path in paths)
        state.write_text(re.sub(r"(?m)^sequence: .*$", "sequence: %d" % used, state.read_text()))
        for path in paths:
            path.unlink()

    def ledger_read(self):
        return self.path.read_text().split()

    def text(self):
        size = 120000 if self.rng.random() < 0.03 else self.rng.randrange(10, 3000)
        words = ["%x" % self.rng.getrandbits(32) for _ in range(size // 9 + 1)]
        return " ".join(words)

    def temporary(self, failure):
        if failure.code not in (REFUSED, UNREACHABLE):
            raise failure
        self.retries += 1

    def drain(self, identifier, seconds):
        """Send the outbox until the message is no longer in it."""
        def sent():
            try:
                left = self.person.outbox()
            except CommandFailure as failure:
                self.temporary(failure)
                return False
            states = {message["id"]: message["state"] for message in left}
            if "refused" in states.values():
                raise Failure("refused for good: %s" % states)
            return identifier not in states if identifier else not states
        poll("%s's outbox does not get empty" % self.person.node, seconds, sent, 0.15)

    def write(self):
        text = self.text()
        try:
            identifier = self.person.post(self.topic, "Message %d" % len(self.written), text)
            self.written[identifier] = digest(text)
        except CommandFailure as failure:
            self.temporary(failure)
            identifier = json.loads(failure.out or "{}").get("id")
            if not identifier:
                time.sleep(0.1)
                return
            self.written[identifier] = digest(text)
            self.drain(identifier, DRAIN)
        self.acknowledge(identifier)

    def run(self):
        try:
            while not self.stopping.is_set():
                self.write()
            self.drain(None, DRAIN)
        except Exception as error:  # told by the main thread
            self.error = error


def kill_some(tap, forum, writers, kills, rng):
    """Kill nodes at random moments, and start each again a little later."""
    due = {}
    done = collections.Counter()
    while sum(done.values()) < kills:
        until = time.monotonic() + rng.uniform(0.1, 2 * KILL_PAUSE - 0.1)
        while time.monotonic() < until:
            for node in [node for node, when in due.items() if when <= time.monotonic()]:
                del due[node]
                node.start(wait=False)
            time.sleep(0.02)
        if any(writer.error for writer in writers):
            break
        node = rng.choice([node for node in forum if node not in due])
        if not node.running():
            raise Failure("%s ended by itself" % node)
        if rng.random() < RELAY_ONLY:
            done["relay"] += node.kill_relay()
            continue
        node.kill()
        done["node"] += 1
        due[node] = time.monotonic() + rng.uniform(0, DOWN_MAX)
        if done["node"] % 25 == 0:
            tap.say("%d nodes killed, %d messages written" %
                    (done["node"], sum(len(writer.written) for writer in writers)))
    for node in forum:
        if not node.running():
            node.start(wait=False)
    tap.say("killed: %s" % dict(done))


def posts_shown(person, count):
    """(id, digest of the text) of the first `count` posts that this node shows, as they arrived."""
    follower = person.follow(0)
    guard = threading.Timer(20, follower.process.kill)
    guard.start()
    posts = []
    try:
        for item in follower.items():
            if item["kind"] == "post":
                if item["content_state"] == "large":
                    item = person.read(item["id"])[0]
                posts.append((item["id"], digest(item.get("content", {}).get("text", ""))))
            if len(posts) == count:
                break
    finally:
        guard.cancel()
        follower.stop()
    return posts


def check(tap, forum, people, writers, kills):
    errors = [writer.error for writer in writers if writer.error]
    tap.ok(not errors, "every writer's outbox got empty", *errors)
    forum.settle(60)
    statuses = forum.statuses()
    written = {i: d for writer in writers for i, d in writer.written.items()}
    acknowledged = [i for writer in writers for i in writer.ledger_read()]
    tap.say("%d messages, %d of them acknowledged, %d retries" %
            (len(written), len(acknowledged), sum(writer.retries for writer in writers)))
    tap.ok(len(acknowledged) >= kills and len(set(acknowledged)) == len(acknowledged) and
           set(acknowledged) == set(written), "every message was acknowledged once",
           "%d in the ledgers, %d written" % (len(acknowledged), len(written)))
    for person, posts in zip(people, in_parallel(
            lambda person: posts_shown(person, len(written)), people, 2)):
        times = collections.Counter(i for i, _ in posts)
        wrong = [i for i, d in posts if written.get(i) != d]
        lost = [i for i in acknowledged if times[i] != 1]
        tap.ok(not lost, "%s shows every acknowledged message once" % person.node,
               "%d are missing or there several times: %s" % (len(lost), lost[:5]))
        tap.ok(not wrong and len(posts) == len(written),
               "%s shows every text as it was written" % person.node,
               "%d posts, %d wrong: %s" % (len(posts), len(wrong), wrong[:5]))
    # A credential for each log, an enrolment for each writer, and the topic.
    wanted = len(forum) + len(people) + 1 + len(written)
    sizes = [sum(log["size"] for log in status["logs"]) for status in statuses]
    tap.equal(sizes, [wanted] * len(forum), "the logs hold each message once, and nothing else")
    tap.equal(len({status["frontier"] for status in statuses}), 1, "one frontier")
    tap.equal(len({node.dump_hash() for node in forum}), 1, "the same shown everywhere")
    tap.equal({status["sealing"] for status in statuses}, {"on"}, "every node seals")
    tap.equal({log["state"] for status in statuses for log in status["logs"]}, {"live"},
              "no log is suspected")


def main(tap, kills, seed):
    tap.say("seed %d (replay: --kills %d --seed %d)" % (seed, kills, seed))
    rng = random.Random(seed)
    with Forum(NAMES, ring(len(NAMES))) as forum:
        forum.start()
        people = [node.enrol("writer") for node in forum]
        topic = people[0].topic("Under way")
        forum.settle()
        writers = [Writer(person, topic, rng.random()) for person in people]
        for writer in writers:
            writer.start()
        try:
            kill_some(tap, forum, writers, kills, rng)
        finally:
            for writer in writers:
                writer.stopping.set()
        for writer in writers:
            writer.join()
        check(tap, forum, people, writers, kills)
        forum.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill nodes while people write.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    tap_run(main, options.kills, options.seed)
