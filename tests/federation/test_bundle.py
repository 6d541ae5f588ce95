#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Logs travel in files to nodes that no network reaches.

Three organisations are linked, one of them admitted later; a fourth, far away, has never seen any
of them. It gets everything by a bundle and sends its own log back by another; it gets subsets,
bundles that were cut off, killed imports, flipped bits (--flips N, --seed N), another forum's
bundle, contents that were erased. Each bundle is read by the independent decoder as well.
With --far COMMAND the far node's convenectl is another: that of a build for another architecture,
and its emulator before it (contrib/check long architecture). Its store is then written by the one,
and served by the other.
"""
import argparse
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from harness import CONVENECTL, Forum, poll, tap_run  # noqa: E402
import rogue  # noqa: E402

spec = rogue.spec
MAILS = 2500
KILLS = 9
LIMIT = 1048576


def mbox(path, count):
    def stamp(n, form):
        return time.strftime(form, time.gmtime(1000000000 + 600 * n))
    path.write_text("".join(
        "From someone at example.org  %s\nFrom: someone at example.org (Person %d)\nDate: %s\n"
        "Subject: Matter %d\nMessage-ID: <m%d@example.org>\n\n%s\n\n"
        % (stamp(n, "%a %b %d %H:%M:%S %Y"), n % 7, stamp(n, "%a, %d %b %Y %H:%M:%S +0000"), n, n,
           "Some text. " * (n % 90 + 1)) for n in range(count)))


class Bundles:
    def __init__(self, tap, forum, random_):
        self.tap, self.forum, self.random = tap, forum, random_
        self.near, self.b, self.far = forum.nodes
        self.folder = forum.folder
        note = (self.near.folder / "forum.charter").read_bytes()
        self.id = spec.parse_charter(note).forum

    # ---- tools ----

    def export(self, name, *words, node=None):
        path = self.folder / name
        report = (node or self.near).ctl_json("bundle", "export", "--output", path, *words)
        return path, report

    def words(self, path, *words, node=None):
        node = node or self.far
        return [str(w) for w in (*node.convenectl, "-c", node.config, "bundle", "import", path,
                                 "--json", *words)]

    def take(self, path, *words, node=None, timeout=120):
        """(exit code, report)"""
        done = subprocess.run(self.words(path, *words, node=node), capture_output=True,
                              timeout=timeout, check=False)
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            return done.returncode, {"error": {"text": done.stderr.decode()}}

    def keep_far(self):
        """Remember the far node as it is now."""
        self.far.stop()
        shutil.copytree(self.far.folder, self.folder / "kept", dirs_exist_ok=True)
        self.far.start()

    def fresh_far(self):
        self.far.kill()
        shutil.rmtree(self.far.folder)
        shutil.copytree(self.folder / "kept", self.far.folder)
        self.far.start()

    def sizes(self, node=None):
        return {log["name"]: log["size"] for log in (node or self.far).status()["logs"]}

    def logs(self, node=None):
        """name: (size, root), but the far node's own."""
        return {log["name"]: (log["size"], log["root"], log["contents_missing"])
                for log in (node or self.far).status()["logs"]
                if log["organisation"] != "far.example"}

    def same(self, name):
        """The far node holds what the near one does, contents included, and shows it."""
        def equal():
            return self.logs() == self.logs(self.near)
        self.tap.ok(poll("the far node lacks something", 10, equal), name)

    def opened(self, path):
        return spec.open_bundle(path.read_bytes(), self.id, LIMIT)

    # ---- tests ----

    def begin(self):
        near, b = self.near, self.b
        near.start()
        b.start()
        near.wait_sealing()
        b.wait_sealing()
        self.alice, bob = near.enrol("alice"), b.enrol("bob")
        self.topic = self.alice.topic("Principles")
        path = self.folder / "archive.mbox"
        mbox(path, MAILS)
        near.ctl("import", "mbox", "--home", self.alice.home, "--topic", self.topic, path)
        poll("no topic at b", 20, bob.topics)
        for n in range(5):
            bob.post(self.topic, "Matter", "Text %d." % n)
        part = self.folder / "part.bin"
        part.write_bytes(self.random.randbytes(200000))
        self.large = bob.post(self.topic, "A large part", "See there.", attach=[part])
        late = self.forum.later("late.example")
        late.add_peer(near)
        near.ctl("admit", late.block(), "--peer")
        late.start()
        late.wait_sealing()
        self.late, lea = late, late.enrol("lea")
        poll("no topic at late", 20, lea.topics)
        lea.post(self.topic, "From late", "Here we are.")
        self.all_near = [near, b, late]
        self.forum.settle(nodes=self.all_near, seconds=60)
        self.far.start()
        self.far.wait_sealing()
        self.keep_far()

    def whole(self):
        tap = self.tap
        self.bundle, report = self.export("whole.bundle", "--frontier", self.folder / "near.f")
        entries = sum(self.sizes(self.near).values())
        tap.equal((report["logs"], report["entries"], report["missing"]), (3, entries, 0),
                  "a bundle of three logs has all their entries")
        tap.equal(report["frontier"], self.near.status()["frontier"], "at the node's frontier")
        logs, _ = self.opened(self.bundle)
        tap.equal(sum(len(log.leaves) for log in logs.values()), entries,
                  "the independent decoder reads all of it, verifying each frame")
        tap.equal(sum(len(log.contents) for log in logs.values()), report["contents"],
                  "and as many contents")
        began = time.monotonic()
        code, got = self.take(self.bundle, "--frontier", self.folder / "far.f")
        tap.say("%d entries, %d bytes, in %.2f s" % (entries, self.bundle.stat().st_size,
                                                     time.monotonic() - began))
        tap.equal((code, got.get("complete")), (0, True), "a node that never saw a network takes it")
        tap.equal(sum(log["entries"]["new"] for log in got["logs"]), entries, "all is new")
        tap.equal(sum(log["contents"]["new"] for log in got["logs"]), report["contents"],
                  "and so are the contents")
        self.same("it holds the same, the log of a member that came with the bundle too")
        code, got = self.take(self.bundle)
        tap.equal((code, sum(log["entries"]["there"] for log in got["logs"]),
                   sum(log["contents"]["there"] for log in got["logs"])),
                  (0, entries, report["contents"]), "a second time all of it is there already")
        # And back.
        back, report = self.export("back.bundle", "--since", self.folder / "near.f", node=self.far)
        tap.equal((report["logs"], report["entries"]), (1, 1), "back goes only what is new")
        code, got = self.take(back, node=self.near)
        tap.equal((code, got.get("complete")), (0, True), "and is taken")
        self.forum.settle(nodes=self.all_near)
        tap.equal(self.near.status()["frontier"], self.far.status()["frontier"],
                  "now the two have one frontier")
        tap.equal(self.near.dump_hash(), self.far.dump_hash(), "and show the same")

    def news(self):
        """What came since; only some logs; without contents."""
        tap = self.tap
        self.alice.post(self.topic, "Since then", "News.")
        self.forum.settle(nodes=self.all_near)
        path, report = self.export("news.bundle", "--since", self.folder / "near.f", "--log",
                                   "near.example")
        tap.equal((report["logs"], report["entries"], report["contents"]), (1, 1, 1),
                  "since a frontier, of one organisation: one entry")
        size = self.sizes(self.near)
        code, got = self.take(path)
        tap.equal((code, got["logs"][0]["entries"]["new"]), (0, 1), "it is taken")
        self.same("and the far node is up to date")
        self.fresh_far()
        code, got = self.take(path)
        tap.equal((code, got["logs"][0]["entries"]), (2, {"new": 0, "there": 0, "not_taken": 1}),
                  "a node that lacks what came before takes nothing, and says so")
        bare, report = self.export("bare.bundle", "--no-contents")
        tap.equal(report["contents"] + report["missing"], 0, "without contents there are none")
        code, got = self.take(bare)
        tap.equal((code, got["complete"]), (0, True), "the entries alone are taken")
        tap.equal({n: s for n, s in self.sizes().items() if n in size}, size, "all of them")
        full, _ = self.export("full.bundle")
        code, got = self.take(full)
        tap.equal((code, sum(log["entries"]["new"] for log in got["logs"])), (0, 0),
                  "and then a bundle with contents brings only these")
        self.same("which completes them")
        tap.equal(self.export("none.bundle", "--since", self.folder / "near.f", "--log",
                              "b.example")[1]["entries"], 0, "nothing new makes an empty bundle")
        tap.equal(self.take(self.folder / "none.bundle")[0], 0, "which is taken")

    def members(self):
        tap = self.tap
        self.fresh_far()
        path, _ = self.export("subset.bundle", "--log", "late.example", "--log", "b.example")
        code, got = self.take(path)
        by_name = {log["name"].partition("/")[0]: log for log in got["logs"]}
        tap.ok(code == 2 and "not a member" in (by_name["late.example"]["refused"] or ""),
               "a log whose organisation is no member here is refused in a sentence", got)
        tap.equal(by_name["b.example"]["entries"]["not_taken"], 0, "and the other one is taken")
        code, got = self.take(self.bundle)
        tap.equal((code, got["complete"]), (0, True), "with its admission it is taken")

    def erased(self):
        tap = self.tap
        gone = self.alice.post(self.topic, "To be erased", "A secret of no importance.")
        self.forum.settle(nodes=self.all_near)
        before, _ = self.export("before.bundle")
        self.alice.convene("erase", gone, "--yes")
        self.forum.settle(nodes=self.all_near)
        after, report = self.export("after.bundle")
        tap.equal((report["erased"], b"secret of no importance" in after.read_bytes(),
                   b"secret of no importance" in before.read_bytes()), (1, False, True),
                  "an erased content is not in a bundle")
        self.fresh_far()
        tap.equal(self.take(after)[0], 0, "a bundle without it is whole")
        self.same("and makes a node complete")
        code, got = self.take(before)
        held = b"".join(p.read_bytes() for p in (self.far.folder / "data").glob("**/*")
                        if p.is_file())
        tap.equal((code, b"secret of no importance" in held), (0, False),
                  "an older bundle does not bring it back")
        self.bundle = after

    def killed(self):
        """kill -9 of the import, and of the node, at random moments."""
        tap = self.tap
        self.fresh_far()
        grown, last = 0, 0
        for n in range(KILLS):
            process = subprocess.Popen(self.words(self.bundle), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            self.forum.keep_process(process)
            time.sleep(0.05 + 0.5 * n / KILLS)
            if n % 3 == 2:
                self.far.kill()
                process.wait(60)
                self.far.start()
            else:
                process.send_signal(signal.SIGKILL)
                process.wait(10)
            now = sum(self.sizes().values())
            grown += now > last
            last = now
        tap.say("%d of %d killed imports had brought something" % (grown, KILLS))
        code, got = self.take(self.bundle)
        tap.equal((code, got.get("complete")), (0, True), "after kills an import goes on")
        self.same("and ends with the same")

    def cut(self):
        tap = self.tap
        self.fresh_far()
        data = self.bundle.read_bytes()
        path = self.folder / "cut.bundle"
        last = -1
        for share in (0.1, 0.45, 0.8, 0.999):
            path.write_bytes(data[:int(len(data) * share)])
            code, got = self.take(path)
            held = sum(size for size, _, _ in self.logs().values())
            tap.ok(code == 4 and held > last and any(
                flaw["error"] == "ERR_TRUNCATED" for flaw in got["damaged"]),
                "cut off after %g of it, the rest is taken: %d entries" % (share, held), got)
            last = held - 1
        tap.equal(self.take(self.bundle)[0], 0, "then the whole one")
        self.same("gives the rest")

    def flipped(self, flips):
        """A bit anywhere: the place is named, and all else is taken."""
        tap = self.tap
        data = bytearray(self.bundle.read_bytes())
        frames = list(spec.bundle_frames(bytes(data)))
        names = {spec.parse_log_name(f.message.name).digest: f.message.name.decode()
                 for f in frames if f.name == "LOG"}
        begin = next(f for f in frames if f.name == "LOG").offset
        wanted = {digest: log.end() for digest, log in self.opened(self.bundle)[0].items()}
        path, good = self.folder / "flipped.bundle", True
        for n in range(flips):
            # Every other one into entries, which are the fewer bytes.
            frame = self.random.choice([f for f in frames if f.name == "DATA"])
            at = (self.random.randrange(frame.offset, frame.end) if n % 2
                  else self.random.randrange(begin, frames[-1].offset))
            frame = next(f for f in frames if f.offset <= at < f.end)
            bit = 1 << self.random.randrange(8)
            data[at] ^= bit
            path.write_bytes(data)
            data[at] ^= bit
            self.fresh_far()
            code, got = self.take(path)
            hits = [flaw for flaw in got.get("damaged", ())
                    if flaw["offset"] <= at < flaw["offset"] + flaw["length"]]
            why = ["byte %d, bit %d, in %s at %d" % (at, bit, frame.name, frame.offset), got]
            held, expected = self.sizes(), {names[d]: size for d, size in wanted.items()}
            fine = code == 4 and len(hits) == 1
            if frame.name == "DATA":
                log = names[frame.message.log]
                first = frame.message.first
                expected[log] = first
                end = first + len(spec.split_leaves(frame.message.leaves))
                fine = fine and (hits[0].get("log"), hits[0].get("first"), hits[0].get("end")) == (
                    log, first, end)
                if first == 0:
                    del expected[log]
            elif frame.name == "CONTENT":
                fine = fine and hits[0]["lost"] == "contents" and hits[0]["log"] == names[
                    frame.message.log] and (hits[0]["first"] <= frame.message.index
                                            < hits[0]["end"])
            # How far another gets whom this one admits depends on where that stands.
            unsure = ("far.",) + (("late.",) if frame.name == "DATA" and names[
                frame.message.log].startswith("near.") else ())
            held, expected = ({name: size for name, size in sizes.items()
                               if not name.startswith(unsure)} for sizes in (held, expected))
            fine = fine and held == expected
            if not fine:
                tap.say("held %r, expected %r" % (held, expected))
            good &= tap.ok(fine, "flip %d, %s: named, and the rest taken" % (n, why[0]), *why[1:])
            if n % 5 == 4:
                tap.equal(self.take(self.bundle)[0], 0, "a good copy brings what was lost")
                self.same("and all is there")

    def foreign(self):
        tap = self.tap
        with Forum(["other.example"], edges=[]) as other:
            other.start()
            path = self.folder / "foreign.bundle"
            other[0].ctl("bundle", "export", "--output", path)
            before = self.sizes()
            code, got = self.take(path)
            tap.ok(code != 0 and "another forum" in got["error"]["text"],
                   "a bundle of another forum is refused at once", got)
            tap.equal(self.sizes(), before, "and nothing of it is taken")
        path.write_bytes(b"From someone\n" * 10)
        code, got = self.take(path)
        tap.ok(code != 0 and "is not a bundle" in got["error"]["text"],
               "what is no bundle is told so", got)
        code, got = self.take(self.folder / "nowhere")
        tap.ok(code != 0 and "can't be read" in got["error"]["text"], "nor a file that isn't there",
               got)
        done = subprocess.run([str(CONVENECTL), "-c", str(self.near.config), "bundle", "export",
                               "--log", "nobody.example", "--output", str(path)],
                              capture_output=True, check=False)
        tap.ok(done.returncode == 5 and b"holds no log of nobody.example" in done.stderr,
               "an export of a log that isn't there says so", done.stderr)


def main(tap):
    parser = argparse.ArgumentParser()
    parser.add_argument("--flips", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--far", type=shlex.split, help="the far node's convenectl")
    words = parser.parse_args()
    with Forum(["near.example", "b.example", "far.example"], edges=[(0, 1)],
               terms=["--admit", "1"]) as forum:
        tests = Bundles(tap, forum, random.Random(words.seed))
        if words.far:
            tests.far.convenectl = words.far
        tests.begin()
        tests.whole()
        tests.news()
        tests.members()
        tests.erased()
        tests.killed()
        tests.cut()
        tests.flipped(words.flips)
        tests.foreign()


if __name__ == "__main__":
    tap_run(main)
