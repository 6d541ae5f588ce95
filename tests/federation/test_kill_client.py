#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Client or node are killed while somebody posts, from the outbox too, and amends.

What a command reported as signed must be there once, in the order in which it was written, with the
last text that it was amended to. A command that was killed before it reported may have signed or
not; then either is right, but never twice, and never half.

    test_kill_client.py [--kills N] [--seed N]
"""
import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True

from harness import CONVENE, Failure, Forum, pair, poll, tap_run  # noqa: E402

DOWN_MAX = 0.3       # seconds that a killed node stays away
AWAY, THERE = 0.02, 0.25  # seconds that a command takes without the node, and with it
NODE_SHARE = 0.25    # how often it is the node that is killed
REPORTED = (0, 2, 3)  # done, refused for now, or kept: the answer has an id
NOT_FOUND = 5


class Post:
    def __init__(self, number, text):
        self.number, self.id = number, None
        self.sure, self.maybe = text, []  # the text reported last, and those that may have followed


class Writer:
    """One person at several commands, of which many are killed."""

    def __init__(self, tap, node, person, topic, seed):
        self.tap, self.node, self.person, self.topic = tap, node, person, topic
        self.rng = random.Random(seed)
        self.posts, self.unsure = [], {}  # reported ones in order; text: Post of the others
        self.count = 0
        self.kills = collections.Counter()
        self.up_at = None
        self.amended = set()
        self.drafted = set()  # texts that were drafts, each to be there once

    def start(self, words, text):
        process = subprocess.Popen(
            [str(CONVENE), *words, "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, LC_ALL="C.UTF-8", CONVENE_HOME=str(self.person.home)))
        process.stdin.write(text.encode())
        process.stdin.close()
        return process

    def run(self, words, text="", kill=True):
        """The answer, or None when the command was killed before it gave one."""
        if self.up_at is not None and time.monotonic() >= self.up_at:
            self.node.start(wait=False)
            self.up_at = None
            if self.rng.random() < 0.5:
                self.node.wait_sealing()
        there = self.up_at is None and "--offline" not in words
        process = self.start(words, text)
        if kill and self.rng.random() < 0.85:
            node = self.rng.random() < NODE_SHARE and self.up_at is None
            try:
                process.wait(self.rng.uniform(0, THERE if there else AWAY))
            except subprocess.TimeoutExpired:
                pass
            if node:
                self.node.kill()
                self.up_at = time.monotonic() + self.rng.uniform(0, DOWN_MAX)
                self.kills["node"] += 1
            elif process.poll() is None:
                process.send_signal(signal.SIGKILL)
                self.kills["client"] += 1
        guard = threading.Timer(60, process.kill)
        guard.start()
        out = process.stdout.read().decode()
        err = process.stderr.read().decode()
        code = process.wait()
        guard.cancel()
        process.stdout.close()
        process.stderr.close()
        if code == -signal.SIGKILL:
            return None
        if code not in REPORTED and (code != NOT_FOUND or "drafts" not in words):
            raise Failure("%s: exit code %d: %s" % (words, code, err or out))
        return json.loads(out) if out.strip() else None

    def offline(self):
        return ["--offline"] if self.rng.random() < 0.4 else []

    def post(self):
        self.count += 1
        post = Post(self.count, "Post %d: %x" % (self.count, self.rng.getrandbits(64)))
        parent = self.rng.choice(self.posts) if self.posts and self.rng.random() < 0.4 else None
        if parent:
            words = ["reply", parent.id]
        else:
            words = ["post", self.topic, "--subject", "Thread %d" % self.count]
        answer = self.run(self.offline() + words + ["--file", "-"], post.sure)
        if answer and "id" in answer:
            post.id = answer["id"]
            self.posts.append(post)
        elif answer is None:
            self.unsure[post.sure] = post
        else:
            self.count -= 1  # it said that nothing was signed

    def amend(self):
        post = self.rng.choice(self.posts)
        text = "%s, amended: %x" % (post.sure.partition(",")[0], self.rng.getrandbits(64))
        answer = self.run(self.offline() + ["amend", post.id, "--file", "-"], text)
        if answer and "id" in answer:
            post.sure, post.maybe = text, []
            self.amended.add(text)
        elif answer is None:
            post.maybe.append(text)

    def draft(self):
        """Written as a draft, and sent at several attempts, if need be."""
        text = "Draft: %x" % self.rng.getrandbits(64)
        answer = self.run(["post", self.topic, "--subject", "A draft", "--draft"], text, kill=False)
        self.drafted.add(text)
        for _ in range(2):
            self.run(self.offline() + ["drafts", "send", str(answer["draft"])])

    def work(self, kills):
        while sum(self.kills.values()) < kills:
            dice = self.rng.random()
            if dice < 0.5 or not self.posts:
                self.post()
            elif dice < 0.75:
                self.amend()
            elif dice < 0.9:
                self.draft()
            else:
                self.run(["outbox"])
        if self.up_at is not None:
            self.node.start(wait=False)
            self.up_at = None
        self.node.wait_sealing()

    def drain(self):
        for draft in self.run(["drafts"], kill=False)["drafts"]:
            self.run(["drafts", "send", str(draft["number"])], kill=False)
        poll("the outbox gets empty", 30, lambda: not self.run(["outbox"], kill=False)["messages"])


def shown(person, wanted):
    """Items in the order of arrival, up to the message with the id `wanted`."""
    follower = person.follow(0)
    guard = threading.Timer(20, follower.process.kill)
    guard.start()
    items = []
    try:
        for item in follower.items():
            items.append(item)
            if item["id"] == wanted:
                break
    finally:
        guard.cancel()
        follower.stop()
    return items


def check(tap, forum, writer, reader):
    last = writer.person.post(writer.topic, "The end", "The last of all.")
    forum.settle()
    items = shown(reader, last)
    mine = [i for i in items if i["kind"] == "post" and i["id"] != last]
    amends = [i for i in items if i["kind"] == "amend"]
    times = collections.Counter(i["id"] for i in mine)
    tap.say("%d posts reported, %d not; %d shown; %d amendments reported, %d in the log" %
            (len(writer.posts), len(writer.unsure), len(mine), len(writer.amended), len(amends)))
    lost = [p.number for p in writer.posts if times[p.id] != 1]
    tap.ok(not lost, "every post that was reported is there once", lost)
    order = [i["id"] for i in mine]
    wanted = [p.id for p in writer.posts]
    tap.equal([i for i in order if i in set(wanted)], wanted, "in the order of writing")
    tap.equal([i["index"] for i in mine], sorted(i["index"] for i in mine), "in the log as well")
    known = {p.id: p for p in writer.posts}
    wrong, strange = [], []
    for item in mine:
        text = item.get("content", {}).get("text")
        if item["id"] in known:
            post = known[item["id"]]
            if text != post.sure and text not in post.maybe:
                wrong.append((post.number, text, post.sure, post.maybe))
        elif text not in writer.unsure and text not in writer.drafted:
            strange.append(text)
    tap.ok(not wrong, "every post has the last text that it was given", *wrong[:5])
    tap.ok(not strange, "what was not reported is whole, or not there", *strange[:5])
    texts = collections.Counter(i.get("content", {}).get("text") for i in mine)
    tap.equal([t for t, n in texts.items() if n != 1], [], "no post is there twice")
    tap.equal([t for t in writer.drafted if texts[t] != 1], [], "and every draft is there once")
    tap.equal([i["sequence"] for i in mine], sorted(i["sequence"] for i in mine),
              "signed in the order of the log")
    changes = collections.Counter(
        i.get("content", {}).get("text") for i in amends if i["content_state"] == "present")
    tap.ok(all(n == 1 for n in changes.values()) and writer.amended <= set(changes),
           "every amendment that was reported is there once",
           writer.amended - set(changes), [t for t, n in changes.items() if n != 1])
    tap.equal(len({node.dump_hash() for node in forum}), 1, "the same shown at both nodes")
    left = list((writer.person.home / "outbox").glob("*.message"))
    tap.ok(not left, "nothing is left in the outbox", left)
    done = writer.run(["drafts"], kill=False)
    tap.equal(done["drafts"], [], "no draft is left of what was sent")


def main(tap, kills, seed):
    tap.say("seed %d (replay: --kills %d --seed %d)" % (seed, kills, seed))
    with Forum(["a.example", "b.example"], pair()) as forum:
        forum.start()
        alice, bob = forum[0].enrol("alice"), forum[1].enrol("bob")
        topic = alice.topic("Under way")
        alice.convene("sync", topic)
        writer = Writer(tap, forum[0], alice, topic, seed)
        writer.work(kills)
        tap.say("killed: %s" % dict(writer.kills))
        writer.drain()
        tap.ok(writer.posts and writer.amended and writer.drafted,
               "something was written, amended, and sent from drafts")
        check(tap, forum, writer, bob)
        forum.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill client and node while somebody writes.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    tap_run(main, options.kills, options.seed)
