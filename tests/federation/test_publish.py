#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Published logs: a reader that is not ours finds them whole, and a changed byte not.

Three organisations are linked and publish what they hold; a fourth has its logs from bundles. What
they publish is verified by ../compat/published/verify.go, with Debian's golang.org/x/mod/sumdb, and
its contents by the independent decoder. Then: what a run adds, what an erasure takes away, what a
kill before any step leaves (kill_at.c), what is refused, and `--follow`.
"""
import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from harness import CONVENECTL, Failure, Forum, chain, poll, run, tap_run  # noqa: E402
import rogue  # noqa: E402

spec = rogue.spec
HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 1048576
SECRET = b"a secret of no importance"


def mbox(path, first, count):
    def stamp(n, form):
        return time.strftime(form, time.gmtime(1000000000 + 600 * n))
    path.write_text("".join(
        "From someone at example.org  %s\nFrom: someone at example.org (Person %d)\nDate: %s\n"
        "Subject: Matter %d\nMessage-ID: <m%d@example.org>\n\nSome text.\n\n"
        % (stamp(n, "%a %b %d %H:%M:%S %Y"), n % 7, stamp(n, "%a, %d %b %Y %H:%M:%S +0000"), n, n)
        for n in range(first, first + count)))


def files(folder):
    """path: (inode, bytes) of all files below."""
    return {str(p.relative_to(folder)): (p.stat().st_ino, p.read_bytes())
            for p in folder.glob("**/*") if p.is_file()}


class Publish:
    def __init__(self, tap, forum):
        self.tap, self.forum = tap, forum
        self.a, self.b, self.c, self.far = forum.nodes
        self.near = [self.a, self.b, self.c]
        self.folder = forum.folder
        self.go = self.folder / "verify"
        self.id = spec.parse_charter((self.a.folder / "forum.charter").read_bytes()).forum

    def build(self):
        """False where there is no Go: then its tests are skipped."""
        if not shutil.which("go") or not os.path.isdir("/usr/share/gocode/src/golang.org/x/mod"):
            return False
        run(["go", "build", "-o", self.go, os.path.join(HERE, "../compat/published/verify.go")],
            env={"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "",
                 "GOCACHE": str(self.folder / "go")}, timeout=240)
        return True

    # ---- tools ----

    def dir(self, node):
        return self.folder / ("published." + node.name)

    def publish(self, node, *words, to=None):
        return node.ctl_json("publish", to or self.dir(node), *words)

    def refused(self, node, *words):
        done = subprocess.run(
            [str(CONVENECTL), "-c", str(node.config), "publish", *map(str, words)],
            capture_output=True, check=False)
        return done.returncode, done.stderr.decode()

    def verify(self, folder, *older):
        """(does it verify, what was said)"""
        done = subprocess.run([str(w) for w in (self.go, folder, *older)], capture_output=True,
                              check=False)
        return done.returncode == 0, (done.stdout + done.stderr).decode()

    def sizes(self, folder):
        return {line.split()[1]: int(line.split()[2]) for line in
                self.verify(folder)[1].splitlines() if line.startswith("ok ")}

    def log_of(self, node, folder=None):
        """The folder of a node's own log."""
        return next((folder or self.dir(node)).glob(node.name + "/*/1"))

    def contents_right(self, folder):
        """Every content is that of an entry; how many there are, and committed entries without."""
        held = lacking = 0
        for log in folder.glob("*/*/*"):
            name = str(log.relative_to(folder)).encode()
            leaves = []
            size = int((log / "checkpoint").read_text().splitlines()[1])
            for block in range((size + 255) // 256):
                width = min(256, size - 256 * block)
                path = log / "tile/entries" / ("%03d%s" % (
                    block, "" if width == 256 else ".p/%d" % width))
                leaves += spec.split_leaves(path.read_bytes())
            ids = set()
            for leaf in leaves:
                header = spec.parse_header(leaf[:-64])
                if not header.commitment:
                    continue
                path = log / "content" / spec.message_id(leaf[:-64], self.id, name).hex()
                if not path.exists():
                    lacking += 1
                    continue
                data = path.read_bytes()
                spec.verify_content(header, self.id, name, data[:32], data[32:], LIMIT)
                ids.add(path.name)
            if ids != {p.name for p in log.glob("content/*")}:
                raise Failure("%s: contents of no entry" % log)
            held += len(ids)
            spec.verify_credential((log / "credential").read_bytes(), self.id, name)
        return held, lacking

    # ---- tests ----

    def begin(self):
        for node in self.near:
            node.start(wait=False)
        for node in self.near:
            node.wait_sealing()
        self.alice = self.a.enrol("alice")
        self.bob, self.cora = self.b.enrol("bob"), self.c.enrol("cora")
        self.topic = self.alice.topic("Principles")
        path = self.folder / "first.mbox"
        mbox(path, 0, 280)
        self.a.ctl("import", "mbox", "--home", self.alice.home, "--topic", self.topic, path)
        for who in (self.bob, self.cora):
            poll("no topic", 20, who.topics)
            self.gone = who.post(self.topic, "Matter", SECRET.decode())
        self.forum.settle(nodes=self.near)

    def whole(self):
        tap = self.tap
        reports = [self.publish(node) for node in self.near]
        sizes = {log["name"]: log["size"] for log in self.a.status()["logs"]}
        tap.equal([(r["logs"], r["entries"], r["missing"], r["behind"]) for r in reports],
                  [(3, sum(sizes.values()), 0, 0)] * 3, "three nodes publish all three logs")
        tap.say(reports[0])
        for node in self.near:
            good, said = self.verify(self.dir(node))
            tap.ok(good and said.count("ok ") == 3,
                   "golang.org/x/mod/sumdb verifies what %s publishes" % node, said)
        tap.equal(self.sizes(self.dir(self.a)), sizes, "at the sizes that the nodes hold")

        def apart(node):
            return {path: data.split(b"\n\n")[0] if path.endswith("/checkpoint") else data
                    for path, (_, data) in files(self.dir(node)).items()}
        tap.ok(apart(self.a) == apart(self.b) == apart(self.c),
               "the three trees are the same bytes, but for cosignatures")
        held, lacking = self.contents_right(self.dir(self.a))
        tap.equal((held, lacking), (reports[0]["contents"], 0),
                  "each content is what its entry committed to, by the independent decoder")

    def changed(self):
        tap, log = self.tap, self.log_of(self.a)
        # Of the tiles and bundles the newest, which the checkpoint needs.
        partial = max(log.glob("tile/0/001.p/*"), key=lambda p: int(p.name)).name
        for name in ("tile/0/000", "tile/0/001.p/" + partial, "tile/1/000.p/1", "tile/entries/000",
                     "tile/entries/001.p/" + partial, "checkpoint"):
            path, good = log / name, True
            data = bytearray(path.read_bytes())
            places = (0, len(data) // 2, len(data) - 1 if name != "checkpoint" else
                      data.index(b"\n\n") + len(b"\n\n\xe2\x80\x94 %s " % bytes(
                          str(log.relative_to(self.dir(self.a))), "ascii")) + 20)
            for at in places:
                data[at] ^= 4
                path.write_bytes(data)
                good = good and not self.verify(self.dir(self.a))[0]
                data[at] ^= 4
            path.write_bytes(data)
            tap.ok(good, "a changed byte in %s does not verify" % name)
        tap.ok(self.verify(self.dir(self.a))[0], "and once it is back, all does")

    def grows(self):
        """Only what is new is written; partial tiles go once they are full."""
        tap, folder, log = self.tap, self.dir(self.a), self.log_of(self.a)
        report = self.publish(self.a)
        tap.equal((report["entries"], report["tiles"], report["contents"], report["bytes"]),
                  (0, 0, 0, 0), "a second run writes nothing")
        older = [self.folder / "older.1", self.folder / "older.2"]
        shutil.copy(log / "checkpoint", older[0])
        before = files(folder)
        self.alice.post(self.topic, "One more", "Text.")
        self.forum.settle(nodes=self.near)
        report = self.publish(self.a)
        after = files(folder)
        own = str(log.relative_to(folder))
        size = self.sizes(folder)[own] - 256
        new = {path for path, file in after.items() if file != before.get(path)}
        content = {path for path in new if "/content/" in path}
        tap.equal((new - content, len(content)),
                  ({"%s/%s" % (own, name) for name in (
                      "checkpoint", "tile/0/001.p/%d" % size, "tile/entries/001.p/%d" % size)}, 1),
                  "after a post a run writes its content, a tile, a bundle, and the checkpoint")
        tap.equal((report["entries"], report["tiles"], report["contents"]), (1, 2, 1),
                  "and reports that")
        tap.equal(set(before) - set(after), set(), "nothing is taken away, partial tiles neither")
        shutil.copy(log / "checkpoint", older[1])
        path = self.folder / "second.mbox"
        mbox(path, 280, 250)
        self.a.ctl("import", "mbox", "--home", self.alice.home, "--topic", self.topic, path)
        self.forum.settle(nodes=self.near)
        for node in self.near:
            self.publish(node)
        after = files(folder)
        kept = {path for path, file in before.items() if after.get(path) == file}
        tap.ok(all("/001.p/" in path or path.endswith("checkpoint") for path in set(before) - kept),
               "what was full is never written again", set(before) - kept)
        tap.equal([path for path in after if "001.p" in path], [],
                  "partial tiles are gone where the full one is")
        good, said = self.verify(folder, *older)
        tap.ok(good and "2 older" in said,
               "two older checkpoints are consistent with the newest", said)
        forged = older[0].read_bytes().replace(b"\n", b"\n1", 1)
        (self.folder / "forged").write_bytes(forged)
        tap.ok(not self.verify(folder, self.folder / "forged")[0], "a forged one is not")

    def erased(self):
        tap = self.tap
        path = next(self.dir(self.a).glob("c.example/*/1/content/" + self.gone))
        tap.ok(SECRET in path.read_bytes(), "a content is there")
        self.cora.convene("erase", self.gone, "--yes")
        self.forum.settle(nodes=self.near)
        for node in self.near:
            report = self.publish(node)
            tap.equal((report["erased"], list(self.dir(node).glob("**/" + self.gone)),
                       any(SECRET in data for path, (_, data) in files(self.dir(node)).items()
                           if "c.example" in path)), (1, [], False),
                      "what was erased is gone from what %s publishes" % node)
            tap.ok(self.verify(self.dir(node))[0], "and the log verifies")
        unnamed = self.dir(self.a) / ".new"
        unnamed.write_bytes(SECRET)  # as a kill leaves it
        self.publish(self.a)
        tap.ok(not unnamed.exists(), "nor is it in a file that was being written")
        shutil.rmtree(self.dir(self.a))
        report = self.publish(self.a)
        tap.equal((report["erased"], list(self.dir(self.a).glob("**/" + self.gone))), (0, []),
                  "a new publication never has it")
        tap.equal(self.contents_right(self.dir(self.a)), (report["contents"], 1),
                  "and all others")

    def killed(self):
        """Before each call that changes a file, from nothing, and from an older state."""
        tap, library = self.tap, self.folder / "kill_at.so"
        if not shutil.which("cc"):
            tap.skip("a kill before any step", "there is no compiler")
            return
        run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library,
             os.path.join(HERE, "kill_at.c"), "-ldl"])
        # In memory where that is possible: some hundred runs sync all that they write.
        place = pathlib.Path(tempfile.mkdtemp(
            prefix="convene-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        try:
            self.kill_everywhere(library, place)
        finally:
            shutil.rmtree(place)

    def kill_everywhere(self, library, place):
        start, state, work = place / "start", place / "older", place / "killed"
        start.mkdir()
        self.publish(self.c, "--log", "c.example", to=state)
        later = self.cora.post(self.topic, "Later", "Text.")
        erased = self.cora.post(self.topic, "Later", SECRET.decode())
        self.publish(self.c, "--log", "c.example", to=state)
        kept = self.cora.post(self.topic, "Still later", "Text.")
        self.cora.convene("erase", erased, "--yes")
        self.forum.settle(nodes=self.near)
        for name, begin in (("from nothing", start), ("from an older state", state)):
            steps, good, before = 0, True, None
            while good:
                steps += 1
                shutil.rmtree(work, ignore_errors=True)
                shutil.copytree(begin, work)
                done = subprocess.run(
                    [str(CONVENECTL), "-c", str(self.c.config), "publish", str(work), "--log",
                     "c.example"], capture_output=True, check=False,
                    env=dict(os.environ, LD_PRELOAD=str(library), KILL_AT=str(steps)))
                if done.returncode == 0:
                    break
                # What a reader sees then has no checkpoint yet, or one that verifies.
                own = list(work.glob("c.example/*/1"))
                before = self.verify(work)
                good = done.returncode == -signal.SIGKILL and (
                    before[0] or not own or not (own[0] / "checkpoint").exists())
                self.publish(self.c, "--log", "c.example", to=work)
                there = {p.name for p in work.glob("**/content/*")}
                good = good and self.verify(work)[0] and erased not in there and {
                    later, kept} <= there and not (work / ".new").exists()
            self.tap.ok(good and steps > 5, "%s: a kill before any of %d steps, and again: it verifies"
                   % (name, steps - 1), before, done.stderr.decode())

    def missing(self):
        """Contents that come after their entries."""
        tap, far = self.tap, self.far
        far.start()
        far.wait_sealing()
        bare, full = self.folder / "bare", self.folder / "full"
        self.a.ctl("bundle", "export", "--no-contents", "--output", bare)
        self.a.ctl("bundle", "export", "--output", full)
        far.ctl("bundle", "import", bare)
        poll("views lag", 20, lambda: not any(log["folded"] < log["size"]
                                              for log in far.status()["logs"]))
        report = self.publish(far)
        lines = [line for path in self.dir(far).glob("**/missing")
                 for line in path.read_text().splitlines()]
        tap.ok(report["missing"] == len(lines) > 500, "what the node lacks is listed", report)
        tap.ok(self.verify(self.dir(far))[0], "and the log verifies without")
        far.ctl("bundle", "import", full)
        poll("contents are missing", 20, lambda: not any(
            log["contents_missing"] or log["folded"] < log["size"]
            for log in far.status()["logs"]))
        again = self.publish(far)
        tap.equal((again["entries"], again["contents"], again["missing"],
                   list(self.dir(far).glob("**/missing"))), (0, report["missing"], 0, []),
                  "when they come, they are published")
        tap.equal(self.contents_right(self.dir(far))[1], 2,
                  "and those that were erased alone are not there")

    def refusals(self):
        tap, folder = self.tap, self.folder / "odd"
        folder.mkdir()
        (folder / "index.html").write_text("Welcome.")
        code, said = self.refused(self.a, folder)
        tap.ok(code != 0 and "neither empty nor" in said,
               "a folder with something else is left alone", code, said)
        tap.equal(sorted(p.name for p in folder.iterdir()), ["index.html"], "untouched")
        code, said = self.refused(self.a, self.dir(self.a), "--log", "nobody.example")
        tap.ok(code == 5 and "holds no log of nobody.example" in said, "an unknown log is told",
               code, said)
        index = self.dir(self.a) / "logs"
        text = index.read_text()
        index.write_text(text.replace(text.splitlines()[1], "00" * 32))
        code, said = self.refused(self.a, self.dir(self.a))
        tap.ok(code != 0 and "another forum" in said, "another forum's publication is refused",
               code, said)
        index.write_text(text)
        # Checkpoints that only the log's key can have signed.
        log = self.log_of(self.a)
        path = log / "checkpoint"
        right = path.read_bytes()
        name, size, root = right.decode().splitlines()[:3]
        key = rogue.Key.load(self.a.folder / "keys" / "log.key")
        before = files(self.dir(self.a))
        for what, n, word in (("longer", int(size) + 5, "longer than"),
                              ("other at the same size", int(size), "not the history"),
                              ("other at a smaller size", int(size) - 100, "not the history")):
            other = base64.b64encode(bytes(32)).decode() if n <= int(size) else root
            path.write_bytes(rogue.note_sign(("%s\n%d\n%s\n" % (name, n, other)).encode(),
                                             name.encode(), key))
            code, said = self.refused(self.a, self.dir(self.a))
            now = files(self.dir(self.a))
            tap.ok(code == 4 and word in said and all(
                file == now.get(p) for p, file in before.items() if not p.endswith("checkpoint")),
                "what is published of a log is left as it is where it is %s" % what, code, said)
        path.write_bytes(b"Welcome.\n")
        code, said = self.refused(self.a, self.dir(self.a))
        tap.ok(code == 4 and "has not signed" in said, "and where its checkpoint is none", said)
        path.write_bytes(right)
        tap.equal(self.refused(self.a, self.dir(self.a))[0], 0, "once it is back, all goes on")

    def follows(self):
        tap, folder = self.tap, self.folder / "followed"
        process = subprocess.Popen(
            [str(CONVENECTL), "-c", str(self.b.config), "publish", "--follow", "--json",
             str(folder)], stdout=subprocess.PIPE)
        self.forum.keep_process(process)
        first = json.loads(process.stdout.readline())
        tap.ok(first["logs"] == 3 and first["entries"] > 500, "--follow begins with all", first)
        code, said = self.refused(self.b, folder)
        tap.ok(code != 0 and "is at work in" in said, "a second one keeps away", said)
        post = self.alice.post(self.topic, "Followed", "Text.")
        began = time.monotonic()
        poll("it is not published", 20, lambda: list(folder.glob("**/content/" + post)))
        tap.say("published at another node after %.1f s" % (time.monotonic() - began))
        self.alice.convene("erase", post, "--yes")
        began = time.monotonic()
        poll("it is not gone", 20, lambda: not list(folder.glob("**/content/" + post)))
        took = time.monotonic() - began
        tap.ok(took < 10, "what is erased at one node is gone from another's files in %.1f s" % took)
        self.b.stop()
        self.b.start()
        post = self.cora.post(self.topic, "After a restart", "Text.")
        poll("it is not published", 20, lambda: list(folder.glob("**/content/" + post)))
        self.forum.settle(nodes=self.near)
        tap.ok(process.poll() is None, "it outlives a restart of the daemon")
        process.terminate()
        process.wait(10)
        process.stdout.close()
        self.publish(self.b, to=folder)
        tap.ok(self.verify(folder)[0], "and what it left verifies")


def main(tap):
    with Forum(["a.example", "b.example", "c.example", "far.example"], edges=chain(3)) as forum:
        tests = Publish(tap, forum)
        if not tests.build():
            tap.skip("published logs", "there is no Go with golang.org/x/mod")
            return
        tests.begin()
        tests.whole()
        tests.changed()
        tests.grows()
        tests.erased()
        tests.killed()
        tests.missing()
        tests.refusals()
        tests.follows()


if __name__ == "__main__":
    tap_run(main)
