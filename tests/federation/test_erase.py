#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Within a minute of an erasure no file of an honest node holds salt, text or index term, and
nothing brings them back (SPEC.md 6.2, 11.10, 13.5).

Four organisations in a ring; three publish what they hold. Texts in several scripts, subjects,
attachments, an amendment, a mail of an archive, a text of many pages are erased while readers hold
snapshots of the store and one node is away. What is looked for is each run of 12 bytes of what was
erased, in each file below each node's folder. Then: the node that was away, a store from before, a
bundle from before, a peer that sends the content again, an import of the same archive, a kill
between erasing and its end, and who has confirmed.
"""
import contextlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from harness import CONVENECTL, Forum, Node, poll, ring, run, tap_run  # noqa: E402
import indexed  # noqa: E402
import rogue  # noqa: E402

spec, pb = rogue.spec, rogue.pb
READ = """import sqlite3, sys
store = sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True)
store.execute("BEGIN")
store.execute("SELECT count(*) FROM content").fetchone()
print("reading", flush=True)
sys.stdin.read()"""
RUN = 12
TERM = 6
MINUTE = 60
TERMS = ["--anchor", "3 of b.example c.example d.example"]
TEXTS = {
    "latin": ("Gläserne Übergangsfristen", "Zwölf Boxkämpfer jagen Viktor quer über den Deich.\n"),
    "cyrillic": ("Съешь ещё этих булок", "Широкая электрификация южных губерний даст толчок.\n"),
    "arabic": ("نص حكيم له سر", "صِف خَلقَ خَودِ كَمِثلِ الشَمسِ إِذ بَزَغَت.\n"),
    "han": ("天地玄黃宇宙洪荒", "日月盈昃辰宿列張寒來暑往秋收冬藏閏餘成歲律呂調陽.\n"),
    "emoji": ("🦉🦔🦦🦥🦨", "🍇🍈🍉🍊🍋🍌🍍🥭 and 🫐🥝🍅🫒🥥 nowhere else.\n"),
}


def mail(text):
    return ("From someone at example.org  Mon Mar  4 10:00:00 2002\nFrom: Somebody "
            "<someone@example.org>\nDate: Mon, 4 Mar 2002 10:00:00 +0000\nSubject: Archived %s\n"
            "Message-ID: <erased-one@example.org>\n\n%s\n\n" % (text[:24], text))


def store_of(node):
    path = node.folder / "data" / "convene.db"
    return sqlite3.connect("file:%s?mode=ro" % path, uri=True)


def contents_of(store):
    """(id, salt, content, log name, index) of all contents, as rows and in runs (lib/store/sql)."""
    names = dict(store.execute("SELECT no, name FROM log"))
    for key, identifier, salt, content in store.execute("SELECT key, id, salt, content FROM content"):
        yield identifier, salt, content, names[key >> 40], key & ((1 << 40) - 1)
    for key, held, directory, contents in store.execute(
            "SELECT key, held, directory, contents FROM run"):
        start = 0
        indices = [bit for bit in range(256) if held[bit // 8] >> bit % 8 & 1]
        for n, bit in enumerate(indices):
            place = directory[n * 68:n * 68 + 68]
            end = int.from_bytes(place[64:], "big")
            index = (key & ((1 << 40) - 1)) // 256 * 256 + bit
            yield place[:32], place[32:64], contents[start:end], names[key >> 40], index
            start = end


class Reader:
    """Somebody in the middle of reading a store. A process of its own: whoever opens and closes
    one of the files, as this test does, loses the locks that his process has on it."""

    def __init__(self, node):
        self.process = subprocess.Popen([sys.executable, "-c", READ, str(
            node.folder / "data" / "convene.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        node.forum.keep_process(self.process)
        self.process.stdout.readline()

    def end(self):
        self.process.communicate()


class Erasing:
    def __init__(self, tap, forum):
        self.tap, self.forum = tap, forum
        self.a, self.b, self.c, self.d = forum.nodes
        self.runs, self.salts, self.terms, self.contents = set(), set(), set(), {}
        self.blank = b""
        self.kept, self.kept_words = set(), set()
        self.indexed = set()  # terms of the search index that no other text has
        self.id = spec.parse_charter((self.a.folder / "forum.charter").read_bytes()).forum

    # ---- what is looked for ----

    def content(self, identifier):
        """(salt, content, log name, index) as one node's store has it."""
        with store_of(self.a) as store:
            row = next((one[1:] for one in contents_of(store)
                        if one[0] == bytes.fromhex(identifier)), None)
        store.close()
        return row

    def doom(self, *identifiers):
        """From now on these are looked for: call this before they are erased."""
        for identifier in identifiers:
            salt, content, log, index = self.contents[identifier] = self.content(identifier)
            parsed = pb.Content.FromString(content)
            self.salts.add(salt)
            for piece in [parsed.subject, parsed.text, parsed.imported.author,
                          parsed.imported.message_id] + [
                              x for part in parsed.parts for x in (part.data, part.name)]:
                self.runs |= {piece[i:i + RUN] for i in range(len(piece) - RUN + 1)}
            for text in (parsed.subject, parsed.text):
                self.indexed |= {indexed.term(word) for word in indexed.words(text.decode())}
            self.terms |= {word for text in (parsed.subject, parsed.text)
                           for word in text.split() if TERM <= len(word) < 100}
        with store_of(self.a) as store:
            for identifier, _, content, _, _ in contents_of(store):
                if identifier.hex() not in self.contents:
                    self.kept |= {content[i:i + RUN] for i in range(len(content) - RUN + 1)}
                    with contextlib.suppress(Exception):
                        parsed = pb.Content.FromString(content)
                        for text in (parsed.subject, parsed.text):
                            self.kept_words |= {indexed.term(word) for word in
                                                indexed.words(text.decode())}
        store.close()
        self.runs -= self.kept
        self.indexed -= self.kept_words
        self.terms = {term for term in self.terms if term not in self.blank}

    def left(self, node):
        """(file, what) of whatever is still there."""
        found = []
        for path in sorted(p for p in node.folder.glob("**/*") if p.is_file()):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            name = str(path.relative_to(node.folder))
            found += [(name, "a salt") for salt in self.salts if salt in data]
            found += [(name, term) for term in self.terms if term in data]
            if not found:
                found += [(name, data[i:i + RUN]) for i in range(len(data) - RUN + 1)
                          if data[i:i + RUN] in self.runs][:3]
        return found + [("data/search", term) for term in self.indexed & indexed.terms(node)]

    def gone(self, nodes, what, since=None, seconds=MINUTE):
        since = since or time.monotonic()
        for node in nodes:
            found = self.left(node)
            while found and time.monotonic() - since < seconds:
                time.sleep(0.5)
                found = self.left(node)
            self.tap.ok(not found, "%s: nothing of what was erased is in its files %s (%.1f s)" % (
                node, what, time.monotonic() - since), str(found[:5]))

    # ---- the tests ----

    def begin(self):
        forum = self.forum
        forum.start()
        self.alice, self.carol = self.a.enrol("alice"), self.b.enrol("carol")
        self.topic = self.alice.topic("Erasing")
        self.alice.post(self.topic, "Kept by alice", "Kept. See the attachment.\n")
        forum.settle()
        self.blank = b"".join(p.read_bytes() for p in self.a.folder.glob("**/*") if p.is_file())
        self.followers = []
        for node in (self.a, self.b, self.c):
            log = open(node.folder.with_suffix(".publish"), "wb")
            follower = subprocess.Popen(
                [str(CONVENECTL), "-c", str(node.config), "publish", "--follow",
                 str(node.folder / "published")], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            forum.keep_process(follower)
        self.posts = {}
        for script, (subject, text) in TEXTS.items():
            self.posts[script] = self.alice.post(self.topic, subject, text * 3)
            # Others around them, so that pages are split.
            for n in range(6):
                self.alice.reply(self.posts[script], "Kept by alice %d. " % n * (n * 7 + 1))
                self.carol.reply(self.posts[script], "Kept by carol %d. " % n * (n * 5 + 1)) \
                    if n == 0 and forum.settle() else None
        self.write_more()
        forum.settle()

    def write_more(self):
        paper = self.forum.folder / "Quittungsbeleg-vierzehn.bin"
        paper.write_bytes(os.urandom(3000))
        words = os.urandom(60000).hex().encode()
        self.posts["attachment"] = self.alice.post(
            self.topic, "Mit Anlage zweiundvierzig", "See the attachment, unmistakably.\n",
            attach=[paper])
        self.posts["large"] = self.alice.post(
            self.topic, "A text of many pages", words)
        amended = self.posts["latin"]
        self.amendment = self.alice.convene(
            "amend", amended, "--subject", "Durchsichtige Übergangszeiten", "--file", "-",
            stdin="Polyfon zwitschernd aßen Mäxchens Vögel Rüben.\n".encode())["id"]
        self.posts["carol"] = self.carol.post(
            self.topic, "A subject of carol's own", "Portez ce vieux whisky au juge blond.\n")
        self.mbox = self.forum.folder / "archive.mbox"
        self.mbox.write_text(mail("Pack my box with five dozen liquor jugs, wrote a chronicler."))
        self.take_archive()
        self.forum.settle()
        items = self.alice.threads(self.topic)
        self.posts["archived"] = next(
            t["id"] for t in items if t["subject"].startswith("Archived"))

    def take_archive(self):
        return json.loads(run(
            [CONVENECTL, "-c", self.a.config, "import", "mbox", "--home", self.alice.home,
             "--topic", self.topic, "--json", self.mbox]))

    def before(self):
        """A bundle, and the store of a node, from before."""
        self.bundle = self.forum.folder / "before.bundle"
        self.a.ctl("bundle", "export", "--output", self.bundle)
        self.c.ctl("backup", self.forum.folder / "before.db")
        self.c.stop()
        shutil.copytree(self.c.folder / "data", self.forum.folder / "before.data")
        self.c.start()
        self.c.wait_sealing()
        self.doom(*self.posts.values(), self.amendment)
        self.tap.ok(len(self.salts) == len(self.posts) + 1 and len(self.runs) > 5000
                    and len(self.terms) > 30,
                    "%d texts, %d runs of 12 bytes and %d words that stand nowhere else" % (
                        len(self.salts), len(self.runs), len(self.terms)))
        journal = b"".join(p.read_bytes() for p in (self.a.folder / "data").glob("convene.db-inbox?"))
        self.tap.ok(any(journal[i:i + RUN] in self.runs for i in range(len(journal) - RUN + 1)),
                    "some are in the journal of the inbox still, %d bytes" % len(journal))
        # What was amended is found by its new words only.
        poll("an index is behind", 20, lambda: not any(
            node.status()["search"]["behind"] for node in self.forum))
        self.indexed &= indexed.terms(self.a)
        for node in self.forum:
            self.tap.ok(self.left(node), "%s holds them" % node)
            poll("they are not in the index of %s" % node, 20,
                 lambda node=node: len(self.indexed & indexed.terms(node)) == len(self.indexed))
        self.tap.ok(len(self.indexed) > 50, "so do the indexes: %d terms of nothing else" % len(
            self.indexed))
        poll("nothing is published", 20, lambda: all(
            any("published" in name for name, _ in self.left_in(node)) for node in (
                self.a, self.b, self.c)))

    def left_in(self, node):
        return [(str(path), "") for path in (node.folder / "published").glob("*/*/*/content/*")
                if path.name in self.contents]

    def erase(self):
        self.d.stop()
        # Readers of the store, in the middle of something.
        readers = [Reader(node) for node in (self.a, self.b)]
        began = time.monotonic()
        for script, post in self.posts.items():
            if script != "carol":
                self.alice.convene("erase", post, "--yes")
        said = self.b.ctl_json("erase", self.posts["carol"], "--reason", "law")
        self.tap.equal((said["erased"], said["reason"]), (self.posts["carol"], "law"),
                       "a registrar erases what one of theirs wrote")
        time.sleep(4)
        self.tap.ok(self.left(self.b), "while a reader holds a snapshot the bytes are still there")
        for reader in readers:
            reader.end()
        self.gone([self.a, self.b, self.c], "after the erasure", began)
        self.forum.settle(30, [self.a, self.b, self.c])
        item = self.carol.read(self.posts["carol"])[0]
        self.tap.ok(item["content_state"] == "erased" and item["erased"]["check"] == "good"
                    and item["erased"]["reason"] == 2, "readers see that the registrar erased it")
        wrong = subprocess.run(
            [str(CONVENECTL), "-c", str(self.b.config), "erase", self.posts["han"]],
            capture_output=True, check=False)
        self.tap.ok(wrong.returncode != 0 and b"another organisation's log" in wrong.stderr,
                    "a registrar can't erase what others' participants wrote", wrong.stderr)

    def members(self, person, post):
        return {m["organisation"]: m for m in
                person.convene("erase", "--status", post)["members"]}

    def confirmed(self):
        tap, post = self.tap, self.posts["han"]
        poll("b.example has not confirmed", 20,
             lambda: self.members(self.alice, post)["b.example"]["erased"])
        poll("c.example has not cosigned", 20,
             lambda: self.members(self.alice, post)["c.example"]["erased"])
        seen = self.members(self.alice, post)
        tap.equal({name: (m["erased"], m["linked"], m["cosigned"]) for name, m in seen.items()}, {
            "a.example": (True, True, False), "b.example": (True, True, False),
            "c.example": (True, False, True), "d.example": (False, False, False)},
            "its author sees who has confirmed, one without a link by cosigning, and one not")
        item = self.alice.convene("read", post)
        tap.equal({m["organisation"]: m["erased"] for m in item["erasure"]["members"]},
                  {name: m["erased"] for name, m in seen.items()}, "read says the same")
        self.d.start()
        self.d.wait_sealing()
        self.gone([self.d], "after a node that was away came back")
        poll("d.example has not confirmed", 20,
             lambda: self.members(self.alice, post)["d.example"]["erased"])
        tap.ok(True, "and then it confirms")
        self.b.stop()
        self.a.stop()
        self.a.start()
        tap.ok(self.members(self.alice, post)["b.example"]["erased"],
               "a restart forgets nobody who has confirmed")
        poll("a.example itself has not confirmed", 20,
             lambda: self.members(self.alice, post)["a.example"]["erased"])
        self.b.start()
        self.forum.settle(40)

    def restored(self):
        tap, c = self.tap, self.c
        c.stop()
        shutil.rmtree(c.folder / "data")
        shutil.copytree(self.forum.folder / "before.data", c.folder / "data")
        tap.ok(self.left(c), "a copy of the data folder from before has it all")
        c.ctl("recover", "restored")
        c.start()
        c.wait_sealing()
        self.gone([c], "after that was restored")
        c.stop()
        for path in (c.folder / "data").glob("convene.db*"):
            path.unlink()
        shutil.copy(self.forum.folder / "before.db", c.folder / "data" / "convene.db")
        tap.ok(self.left(c), "a backup from before has it all")
        c.ctl("recover", "restored")
        c.start()
        c.wait_sealing()
        self.gone([c], "after a backup was restored")
        self.forum.settle(40)
        c.ctl("backup", self.forum.folder / "after.db")
        data = (self.forum.folder / "after.db").read_bytes()
        tap.ok(not any(data[i:i + RUN] in self.runs for i in range(len(data) - RUN + 1)),
               "a backup that is made after it holds none of it")

    def from_before(self):
        self.b.ctl("bundle", "import", self.bundle)
        self.gone([self.b], "after a bundle from before was imported", seconds=5)
        report = self.take_archive()
        self.tap.ok(report.get("posted", report.get("new", 0)) == 0,
                    "an import of the same archive posts nothing again", report)
        self.gone([self.a], "after that import", seconds=5)

    def pushed(self):
        """A peer sends a content again that was erased."""
        self.d.stop()
        liar = rogue.Rogue("d.example", str(self.d.folder / "keys"),
                           (self.a.folder / "forum.charter").read_bytes())
        for script in ("han", "attachment"):
            salt, content, log, index = self.contents[self.posts[script]]
            link = rogue.Link(liar, ("127.0.0.1", self.a.port), logs=[])
            rogue.wait_for(lambda: link.has_seen("HELLO"))
            digest = spec.parse_log_name(log.encode()).digest
            for chunk in range(2):
                link.send("CONTENT", pb.ContentChunk(
                    log=digest, index=index, total=len(content), salt=salt, data=content))
            time.sleep(1)
            link.close()
        self.gone([self.a], "after a peer sent it again", seconds=5)
        self.d.start()
        self.d.wait_sealing()

    def killed(self):
        """Between an erasure and its end."""
        post = self.alice.post(self.topic, "Killed meanwhile, singularly", "Vexed nymphs waltz.\n")
        self.forum.settle(40)
        self.doom(post)
        reader = Reader(self.a)
        self.alice.convene("erase", post, "--yes")
        self.forum.settle(40)
        self.tap.ok(self.left(self.a), "a reader is in the way of an erasure")
        self.a.kill()
        reader.end()
        self.tap.ok(self.left(self.a), "and then the node is killed")
        self.a.start()
        self.gone([self.a], "after the next start")

    def proven(self):
        self.a.wait_sealing()
        self.forum.settle(40)
        self.tap.equal(len({node.dump_hash() for node in self.forum}), 1, "all show the same")
        for post in (self.posts["latin"], self.posts["large"]):
            done = self.alice.convene("verify", post)
            self.tap.ok(done.get("check", "good") == "good", "the proof of an erased post verifies")
        for node in self.forum:
            root = rogue.root_of(node)
            done = subprocess.run(
                ["/usr/bin/python3", str(HERE.parent / "decoder" / "verify_node.py"), node.address,
                 root, node.status()["forum"]], capture_output=True, text=True, timeout=120,
                check=False)
            last = (done.stdout.strip().splitlines() or ["nothing"])[-1]
            self.tap.ok(done.returncode == 0 and last.startswith("verified"),
                        "%s: %s" % (node, last), done.stdout[-600:], done.stderr[-600:])
        self.gone(self.forum.nodes, "at the end", seconds=5)


def check_twins(tap):
    """Two members of one name: neither confirms for the other."""
    with Forum(["a.example", "b.example"], [(0, 1)],
               terms=["--admit", "1", "--anchor", "1 of t.example"]) as forum:
        forum.start()
        a, b = forum
        twins = [forum.later("t.example", name) for name in ("first", "second")]
        for node, twin in zip((a, b), twins):
            node.ctl("admit", twin.block(), "--peer")
            twin.add_peer(node)
            twin.start()
            twin.wait_sealing()
        poll("a log of t.example is missing", 20, lambda: [
            log["organisation"] for log in a.status()["logs"] if log["size"]].count("t.example") == 2)
        alice = a.enrol("alice")
        post = alice.post(alice.topic("Twins"), "To be erased", "Text.")
        poll("it is not anchored", 20, lambda: all(
            log["anchored"] == log["size"] for log in a.status()["logs"]
            if log["organisation"] == "a.example"))
        twins[1].stop()
        alice.convene("erase", post, "--yes")

        def said():
            return sorted(m["erased"] for m in alice.convene("erase", "--status", post)["members"]
                          if m["organisation"] == "t.example")
        poll("the one that is there does not confirm", 20, lambda: True in said())
        poll("it does not cosign", 20, lambda: all(
            log["anchored"] == log["size"] for log in a.status()["logs"]
            if log["organisation"] == "a.example"))
        tap.equal(said(), [False, True], "of two members of one name only the one that has confirmed does")
        twins[0].stop()


def main(tap):
    with Forum(["a.example", "b.example", "c.example", "d.example"], ring(4), terms=TERMS) as forum:
        tests = Erasing(tap, forum)
        tests.begin()
        tests.before()
        tests.erase()
        tests.confirmed()
        tests.restored()
        tests.from_before()
        tests.pushed()
        tests.killed()
        tests.proven()
    check_twins(tap)


if __name__ == "__main__":
    tap_run(main)
