#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Nodes that were put back to an earlier state: none of them writes history twice.

Three nodes know each other. One is put back to backups 1, 10 and 1,000 entries old, to a snapshot of
the whole machine, loses its lock file and its disk, and goes on each time where it was, with what it
had accepted meanwhile behind what came back; with a peer that does not answer it accepts, does not
seal, and says who is missing. Then it is killed at every point between accepting, locking, signing,
storing and publishing.

    test_recover.py [--points N]     of each kind of call; 0: all
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True

from harness import (CommandFailure, Failure, Forum, Participant, REFUSED, UNREACHABLE,  # noqa: E402
                     mesh, poll, run, tap_run)

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ["a.example", "b.example", "c.example"]
MAILS = 991
RELAY = "convened-relay,store,inbox,verify"


def mbox(path, count):
    with open(path, "w", encoding="ascii") as out:
        for number in range(count):
            out.write("From someone@list.example Mon Mar 31 14:00:00 2014\n"
                      "From: Someone <someone@list.example>\n"
                      "Date: Mon, 31 Mar 2014 14:%02d:%02d +0000\n"
                      "Message-ID: <mail-%d@list.example>\n"
                      "Subject: Mail %d\n\nText of mail %d.\n\n" %
                      (number // 60 % 60, number % 60, number, number, number))


def own_size(status, name=NAMES[0]):
    return next(log["size"] for log in status["logs"] if log["organisation"] == name)


class Story:
    def __init__(self, tap, forum):
        self.tap, self.forum = tap, forum
        self.a, self.b, self.c = forum
        self.data = self.a.folder / "data"
        self.expected = set()
        self.twice = 0

    # ---- people ----

    def post(self, person, text):
        """Post where nothing may be sealed; the id, or None where it stays a draft."""
        try:
            identifier = person.post(self.topic, text, text)
        except CommandFailure as failure:
            if failure.code not in (REFUSED, UNREACHABLE):
                raise
            identifier = json.loads(failure.out or "{}").get("id")
        if identifier:
            self.expected.add(identifier)
        return identifier

    def shown(self):
        lines = (json.loads(line) for line in self.a.ctl("export", "ndjson").splitlines())
        posts = [(line["id"], line["index"]) for line in lines if line["type"] == "post"]
        self.indices = dict(posts)
        return [identifier for identifier, _ in posts]

    # ---- machines ----

    def backup(self, name):
        path = self.forum.folder / name
        self.a.ctl("backup", path)
        written = path.read_bytes()
        try:
            self.a.ctl("backup", path)
            failure = None
        except CommandFailure as error:
            failure = error
        self.tap.ok(failure and failure.code == REFUSED and path.read_bytes() == written,
                    "a backup replaces no file")
        return path, own_size(self.a.status())

    def restore(self, path):
        """The store of a backup, and whatever the disk has of locks."""
        for old in self.data.glob("convene.db*"):
            old.unlink()
        shutil.copy(path, self.data / "convene.db")

    def sealing(self):
        return self.a.status()["sealing"]

    def waits_for(self, names, seconds=20):
        def check():
            recovery = self.a.status()["recovery"]
            return recovery and sorted(p["name"] for p in recovery["missing"]) == sorted(names)
        poll(lambda: "it does not wait for %s: %s" % (names, self.sealing()), seconds, check)

    def check_whole(self, what, least):
        """The node seals, everybody holds the same, all of it is there once, and no fork is seen."""
        self.a.wait_sealing()
        self.forum.settle(40)
        statuses = self.forum.statuses()
        states = {log["state"] for status in statuses for log in status["logs"]}
        size = own_size(statuses[0])
        shown = self.shown()
        hashes = {node.dump_hash() for node in self.forum}
        self.tap.ok(states == {"live"} and size >= least and statuses[0]["recovery"] is None and
                    len(shown) == len(set(shown)) and self.expected <= set(shown) and
                    len(hashes) == 1 and not (self.data / "recover").exists(),
                    what, states, "%d entries of at least %d" % (size, least),
                    "%d shown, %d missing" % (len(shown), len(self.expected - set(shown))),
                    hashes, statuses[0]["sealing"])

    # ---- the stories ----

    def prepare(self):
        self.alice = self.a.enrol("alice")
        archivist = self.a.enrol("archivist")
        self.topic = self.alice.topic("Recovery")
        self.post(self.alice, "The first")
        self.forum.settle()
        self.thousand = self.backup("thousand")
        archive = self.forum.folder / "archive.mbox"
        mbox(archive, MAILS)
        self.a.ctl("import", "mbox", "--topic", "Recovery", "--home", archivist.home, archive)
        self.forum.settle(60)
        self.ten = self.backup("ten")
        self.bob = self.a.enrol("bob")
        for number in range(8):
            self.post(self.bob if number % 2 else self.alice, "Late %d" % number)
        self.one = self.backup("one")
        self.post(self.bob, "The last")
        self.forum.settle()
        self.expected = set(self.shown())
        self.tap.ok(len(self.expected) >= MAILS + 10, "everything was there once",
                    len(self.expected))

    def found_by_itself(self):
        """One entry behind, and nobody says so: the lock file does."""
        path, size = self.one
        before = own_size(self.a.status())
        self.a.stop()
        self.restore(path)
        self.a.start()
        self.check_whole("a backup %d entry old, noticed by the lock file" % (before - size), before)
        self.tap.ok(any("the lock file says" in line for line in self.a.log_lines()),
                    "and it says how it knew")

    def one_too_few(self):
        path, size = self.ten
        before = own_size(self.a.status())
        self.c.stop()
        self.a.stop()
        self.restore(path)
        text = self.a.ctl("recover", "restored")
        self.tap.ok("No daemon runs" in text and "c.example" in text,
                    "recover restored is said before the start", text)
        self.a.start()
        self.waits_for(["c.example"])
        poll("what the other peer has does not come", 20,
             lambda: own_size(self.a.status()) == before)
        poll("it does not come into the views", 20,
             lambda: self.a.status()["logs"][0]["folded"] == before)
        time.sleep(2)
        # Who was enrolled, and what was written, in the part that came back, is known.
        posts = [self.post(self.bob, "While c is away"), self.post(self.alice, "Likewise")]
        self.refused_for_now()
        self.a.kill()
        self.a.start()
        self.waits_for(["c.example"])
        time.sleep(3)
        status = self.a.status()
        self.tap.ok(own_size(status) == before and status["inbox"] == 2 and
                    "c.example (not connected)" in status["sealing"],
                    "%d entries old, one peer too few: it accepts, does not seal, says who is "
                    "missing, also after a kill" % (before - size), status["sealing"],
                    status["inbox"], own_size(status))
        self.tap.ok("c.example (not connected)" in self.a.ctl("status") and
                    "told: " in self.a.ctl("status"), "and tells its operator")
        self.c.start()
        self.check_whole("with every peer it goes on, and what waited comes behind", before + 2)
        self.tap.ok(all(self.indices[post] >= before for post in posts), "and nothing before it",
                    [self.indices[post] for post in posts], before)

    def refused_for_now(self):
        """The node can't say what it may not know yet."""
        try:
            self.a.enrol("dora")
            failure = None
        except CommandFailure as error:
            failure = error
        self.tap.ok(failure and failure.code == REFUSED and "try again later" in failure.err.lower(),
                    "an enrolment is to come again later", failure)

    def thousand_old(self):
        path, size = self.thousand
        before = own_size(self.a.status())
        self.a.stop()
        self.restore(path)
        self.a.ctl("recover", "restored")
        self.a.start()
        self.check_whole("a backup %d entries old" % (before - size), before)

    def without(self):
        path, size = self.ten
        before = own_size(self.a.status())
        self.c.stop()
        self.a.stop()
        self.restore(path)
        self.a.start()
        self.waits_for(["c.example"])
        try:
            self.a.ctl("recover", "restored", "--without", "nobody.example")
            failure = None
        except CommandFailure as error:
            failure = error
        self.tap.ok(failure and "nobody.example" in failure.err, "an unknown peer is no answer")
        self.a.ctl("recover", "restored", "--without", "c.example")
        self.a.wait_sealing()
        self.post(self.alice, "Without c")
        self.tap.ok(own_size(self.a.status()) >= before,
                    "the operator decides not to wait for a peer, by name")
        self.c.start()
        self.check_whole("which finds all of one history when it comes", before + 1)

    def snapshot(self):
        """Store and lock file of one moment: nothing of it can be seen from inside."""
        a, copy, outbox = self.a, self.forum.folder / "snapshot", self.forum.folder / "carol"
        carol = a.enrol("carol")
        self.forum.settle()
        self.alice.convene("sync", self.topic)  # so that she can write without the node
        a.stop()
        shutil.copytree(self.data, copy)
        # What is sent in both lives, and what takes a sequence that was used in the first.
        again = self.post(self.alice, "Sent twice")
        shutil.copytree(self.alice.home, self.forum.folder / "alice")
        shutil.copytree(carol.home, outbox)
        a.start()
        a.wait_sealing()
        self.alice.outbox()
        mine = self.post(carol, "In the first life")
        self.post(self.bob, "Only in the first life")
        self.forum.settle()
        before = own_size(a.status())
        for node in self.forum:
            node.stop()
        shutil.rmtree(self.data)
        shutil.copytree(copy, self.data)
        a.ctl("recover", "restored")
        a.start()
        self.waits_for(["b.example", "c.example"])
        twin = Participant(a, "alice", self.forum.folder / "alice")
        left = [message["state"] for message in twin.outbox()]
        other = Participant(a, "carol", outbox)
        lost = self.post(other, "The same sequence")
        self.expected.discard(lost)
        self.tap.ok(a.status()["inbox"] == 2, "alone it accepts", left, a.status()["inbox"])
        poll("time stands still", 20, lambda: a.status()["uptime_s"] > 11)
        self.tap.ok("b.example (not connected), c.example (not connected)" in self.sealing(),
                    "and seals nothing, also after ten seconds", self.sealing())
        self.b.start(wait=False)
        self.c.start(wait=False)
        self.check_whole("a snapshot of store and lock file: it goes on after the first life", before)
        status = a.status()
        self.tap.ok(own_size(status) == before and {again, mine} <= set(self.shown()),
                    "what was sent in both lives is there once", own_size(status), before)
        aside = list((self.data / "left-out").glob("*"))
        self.tap.ok(status["left_out"] == 1 and [p.name for p in aside] == [lost] and
                    b"The same sequence" in aside[0].read_bytes(),
                    "what can't follow any more is put aside, and named", status["left_out"], aside)
        with contextlib.suppress(CommandFailure):
            other.outbox()
        self.post(self.alice, "After the snapshot")
        self.check_whole("and goes on", before + 1)

    def no_store(self):
        """One that is damaged is said to be, with what to do."""
        store = self.data / "convene.db"
        self.a.stop()
        good = store.read_bytes()
        store.write_bytes(os.urandom(8192))
        for words in (("backup", self.forum.folder / "damaged"), ("prove-fork", "a.example")):
            try:
                self.a.ctl(*words)
                failure = None
            except CommandFailure as error:
                failure = error
            said = " ".join(failure.err.split()) if failure else ""
            self.tap.ok("not a database" in said and "RECOVERY" in said,
                        "%s says what is wrong with a store, and what helps" % words[0], said)
        for left in self.data.glob("convene.db-*"):
            left.unlink()
        store.write_bytes(good)
        self.a.start()
        self.a.wait_sealing()

    def no_lock(self):
        before = own_size(self.a.status())
        self.a.stop()
        (self.data / "signer.lock").unlink()
        self.a.start()
        self.a.wait_sealing()
        self.post(self.alice, "With a new lock file")
        self.check_whole("without its lock file it learns what it has signed", before + 1)

    def running(self):
        before = own_size(self.a.status())
        report = self.a.ctl_json("recover", "restored")["recovery"]
        self.tap.ok(report and len(report["missing"]) == 2, "a running daemon asks anew", report)
        self.post(self.alice, "Said while it runs")
        self.check_whole("and goes on when all have told", before + 1)

    def lost_disk(self):
        before = own_size(self.a.status())
        self.a.stop()
        shutil.rmtree(self.data)
        self.a.ctl("recover", "log")
        self.a.start()
        self.a.wait_sealing(60)
        self.post(self.bob, "On a new disk")
        self.check_whole("the disk lost, the keys there: the log comes from peers", before + 1)
        held = self.a.status()["cosigning"]
        self.a.stop()
        self.a.start()
        self.a.wait_sealing()
        self.tap.ok(held and held == self.a.status()["cosigning"],
                    "what it has cosigned is not known: it cosigns nothing, and says so", held)
        self.a.ctl("credential", "--new-key", "cosigner")
        self.tap.ok("restart" in self.a.status()["cosigning"], "a new cosigner key: status says",
                    self.a.status()["cosigning"])
        self.a.stop()
        self.a.start()
        self.a.wait_sealing()
        self.tap.ok(self.a.status()["cosigning"] is None, "with which it cosigns again")

    def succeeded(self):
        """What was lost is a successor, and what it follows."""
        a = self.a
        a.stop()
        (a.folder / "keys/log.key").unlink()
        a.ctl("recover", "successor")
        try:
            a.ctl("recover", "successor")
            failure = None
        except CommandFailure as error:
            failure = error
        self.tap.ok(failure and failure.code == REFUSED and "is made already" in failure.err,
                    "a successor is made once, before the next start", failure and failure.err)
        a.start()
        a.wait_sealing()
        self.post(self.alice, "In the successor")
        self.forum.settle()
        for path, word in ((None, "log"), (self.ten[0], "restored")):
            a.stop()
            if path:
                self.restore(path)
            else:
                shutil.rmtree(self.data)
            a.ctl("recover", word)
            a.start()
            a.wait_sealing(60)
            self.post(self.bob, "In the successor, again")
            self.check_whole("a successor, its data folder %s" %
                             ("older than both" if path else "lost with both"), 0)
            sizes = sorted(log["size"] for log in a.status()["logs"]
                           if log["organisation"] == a.name)
            self.tap.ok(sizes[0] >= 3 and sizes[1] > MAILS, "and both logs are there", sizes)

    def unsaid(self):
        """A snapshot that nobody speaks of, and no peer at hand: this is what it is all about."""
        a, copy = self.a, self.forum.folder / "unsaid"
        a.stop()
        shutil.copytree(self.data, copy)
        a.start()
        a.wait_sealing()
        self.post(self.alice, "Will be forgotten")
        self.post(self.alice, "This, too")
        self.forum.settle()
        for node in self.forum:
            node.stop()
        shutil.rmtree(self.data)
        shutil.copytree(copy, self.data)
        a.start()
        a.wait_sealing()
        self.post(self.bob, "Another history")
        self.b.start(wait=False)
        poll("it goes on with another history", 30,
             lambda: self.sealing().startswith("halted: "))
        self.tap.ok(any(log["own"] and log["state"] != "live" for log in a.status()["logs"]),
                    "without a word after a snapshot it forks, notices, and stops", self.sealing())

    # ---- crash points ----

    def kill_at_build(self):
        """False: there is no compiler."""
        self.preload, self.when = self.forum.folder / "kill_at.so", self.forum.folder / "now"
        if not shutil.which("cc"):
            self.tap.skip("a kill at every point", "there is no compiler")
            return False
        run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", self.preload,
             os.path.join(HERE, "kill_at.c"), "-ldl"])
        return True

    def killed_recovering(self):
        """A kill before each sync of a recovery; the next start goes on with it."""
        a, deaths = self.a, 0
        before = own_size(a.status())
        a.stop()
        self.restore(self.ten[0])
        a.ctl("recover", "restored")
        for step in range(1, 40):
            a.enter = ["env", "LD_PRELOAD=%s" % self.preload, "KILL_AT=%d" % step, "KILL_CALLS=d",
                       "KILL_THREADS=" + RELAY, "KILL_GROUP=1"]
            a.start(wait=False)
            a.enter = []
            if self.seals_or_dies():
                break
            deaths += 1
        a.kill()
        a.start()
        self.tap.ok(deaths > 3, "%d kills while it recovered" % deaths)
        self.check_whole("and it has recovered", before)

    def seals_or_dies(self):
        """True: it seals."""
        def look():
            if not self.a.running():
                return "died"
            with contextlib.suppress(CommandFailure):
                if self.a.status()["sealing"] == "on":
                    return "seals"
            return None
        if poll("it neither seals nor dies", 30, look, 0.05) == "seals":
            return True
        self.a._reap(10)
        return False

    def crashes(self, points, rng):
        preload, relay = self.preload, RELAY
        for calls, threads, what, all_points in (
                ("wdn", "convened-signer", "in the signer: before the lock file is written, before "
                 "it is synced, before the signature is given", True),
                ("d", relay, "before a sync of the store or the inbox", True),
                ("n", relay, "before anything is sent", False),
                ("w", relay, "before anything is written into the store or the inbox", True)):
            self.crash_at(preload, calls, threads, what, 0 if all_points else points, rng)

    def crash_at(self, preload, calls, threads, what, points, rng):
        """Each start after a kill is the one before the next, and has to mend what that left."""
        step, tried, failures, before = 1, 0, [], 0
        self.a.stop()
        while True:
            self.start_armed(preload, calls, threads, step)
            sealed = own_size(self.a.status())
            if sealed < before:
                failures.append("%d entries after %d" % (sealed, before))
            before = sealed
            if not self.dies_posting("Step %s %d" % (calls, step)):
                break
            tried += 1
            # About so many, spread over all: how many there are shows at the end.
            step += 1 + (rng.randrange(1 + tried * 4 // points) if points else 0)
        self.a.stop()
        self.a.start()
        self.tap.ok(tried > 1 and not failures, "%d kills %s" % (tried, what), *failures)
        self.check_whole("and each message is there once, at every node", before)

    def start_armed(self, preload, calls, threads, step):
        a = self.a
        a.enter = ["env", "LD_PRELOAD=%s" % preload, "KILL_AT=%d" % step, "KILL_CALLS=" + calls,
                   "KILL_THREADS=" + threads, "KILL_WHEN=%s" % self.when, "KILL_GROUP=1"]
        a.start()
        a.enter = []
        a.wait_sealing()
        poll("alice's outbox does not get empty", 20, lambda: self.alice.outbox() == [])

    def dies_posting(self, text):
        """Whether the node came to the step at which it dies."""
        a = self.a
        self.when.touch()
        identifier = self.post(self.alice, text)
        with contextlib.suppress(Failure):
            poll("", 0.6, lambda: not a.running() or self.b_has(identifier), 0.05)
            # B may have it before it is stored here.
            poll("", 0.3, lambda: not a.running(), 0.05)
        self.when.unlink()
        if a.running():
            return False
        code = a._reap(10)
        if code != -signal.SIGKILL:
            raise Failure("a ended with %s" % code)
        return True

    def b_has(self, identifier):
        try:
            return any(t["id"] == identifier for t in self.reader.threads(self.topic, 5))
        except CommandFailure:
            return False


def main(tap, points, seed):
    tap.say("seed %d (replay: --points %d --seed %d)" % (seed, points, seed))
    with Forum(NAMES, edges=mesh(3)) as forum:
        forum.start()
        story = Story(tap, forum)
        story.prepare()
        story.reader = forum[1].enrol("reader")
        for part in (story.found_by_itself, story.one_too_few, story.thousand_old, story.without,
                     story.snapshot, story.no_store, story.no_lock, story.running, story.lost_disk):
            part()
            tap.say("%s is through" % part.__name__)
        if story.kill_at_build():
            story.killed_recovering()
            tap.say("killed_recovering is through")
            story.crashes(points, random.Random(seed))
            tap.say("crashes is through")
        story.succeeded()
        tap.say("succeeded is through")
        story.unsaid()
        forum.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Put nodes back, and kill them.")
    parser.add_argument("--points", type=int, default=3)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    tap_run(main, options.points, options.seed)
