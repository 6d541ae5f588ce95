#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who is carried, and what of it is shown: a seventh organisation joins a ring of six, and members
that are odd or hostile can neither stall, nor poison, nor divide the others."""
import base64
import contextlib
import json
import os
import sys
import time

sys.dont_write_bytecode = True

import harness  # noqa: E402
import rogue  # noqa: E402
from rogue import Guest, Key, Link, Rogue, Text, pb, pin, root_of, spec, wait_for  # noqa: E402

RING = ["n%d.example" % n for n in range(6)]


class Members:
    def __init__(self, tap, forum):
        self.tap, self.forum = tap, forum
        self.ring = forum.nodes[:6]
        self.late = forum["late.example"]
        self.nodes = list(self.ring)  # all that run
        note = (forum[0].folder / "forum.charter").read_bytes()
        self.rogue, self.mallory = (
            Rogue(name, str(forum[name].folder / "keys"), note)
            for name in ("rogue.example", "mallory.example"))

    # ---- tools ----

    def start(self, nodes):
        for node in nodes:
            node.start(wait=False)
        for node in nodes:
            node.wait_up()
            node.wait_sealing()

    def link(self, who, node, **how):
        return Link(who, ("127.0.0.1", node.port), **how)

    def guest(self, node):
        return contextlib.closing(Guest(("127.0.0.1", node.port), self.rogue.forum))

    def entries(self, node, digest):
        """All entries that a node holds of a log; None when it doesn't know it."""
        with self.guest(node) as guest:
            return guest.entries(digest)

    def holds(self, node, log, size=None):
        """The node holds the first `size` entries of a rogue's log (default: all), no more."""
        return self.entries(node, log.digest) == log.entries[:size]

    def log_status(self, node, organisation):
        return next((log for log in node.status()["logs"]
                     if log["organisation"] == organisation), None)

    def dump(self, node):
        """The text of everything that is shown at a node."""
        with contextlib.closing(rogue.Wire(str(node.folder / "data/convened.sock"),
                                           tls=False)) as wire:
            wire.send("CONTROL", pb.Control(args=[b"dump", b"--text"]), 1)
            return json.loads(wire.receive()[2].json)["dump"]

    def items(self, node, post):
        with self.guest(node) as guest:
            answer = guest.ask("THREAD_GET", pb.ThreadGet(id=post))
            return [] if isinstance(answer, tuple) else list(answer.items)

    def texts(self, node, post):
        return [pb.Content.FromString(item.content).text.decode()
                for item in self.items(node, post)]

    def agree(self, name, seconds=20):
        """All nodes hold the same entries, have folded them, and show the same."""
        self.forum.wait_frontiers_equal(nodes=self.nodes, seconds=seconds)

        def same():
            done = all(log["folded"] == log["size"] for node in self.nodes
                       for log in node.status()["logs"])
            hashes = {node.dump_hash() for node in self.nodes} if done else set()
            return len(hashes) == 1
        self.tap.ok(wait_for(same, seconds), name,
                    *["%s: %s" % (node, node.dump_hash()) for node in self.nodes])

    # ---- a seventh organisation ----

    def seventh(self):
        tap, forum = self.tap, self.forum
        self.alice = self.ring[0].enrol("alice")
        self.topic = self.alice.topic("Admission")
        node = harness.Node(forum, "seventh.example", forum.folder / "seventh.example")
        node.make(forum.limits)
        node.add_peer(self.ring[2])
        self.ring[2].add_peer(node)
        forum.nodes.append(node)
        self.start([node])
        tap.ok(wait_for(lambda: self.ring[2].peers()["seventh.example"]["connected"]),
               "a node that is no member is linked to a member")
        grace = node.enrol("grace")
        forum.settle(nodes=self.ring)
        self.follows(node, grace)

    def follows(self, node, grace):
        tap = self.tap
        tap.ok(wait_for(lambda: self.alice.topics()[0]["title"]
                        in [topic["title"] for topic in grace.topics()]),
               "it reads along before it is a member")
        digest = spec.parse_log_name(node.status()["log"].encode()).digest
        first = grace.post(self.topic, "First", "From the seventh.")

        def keepers():
            return [str(n) for n in self.ring if self.entries(n, digest) is not None]
        tap.equal(keepers(), [], "before its admission nobody keeps its log")
        tap.ok(not node.status()["member"], "and it knows that it is no member")
        block = node.block()
        self.ring[1].ctl("admit", block)
        self.forum.settle(nodes=self.ring)
        tap.equal(keepers(), [], "nor after one admission, where the charter wants two")
        self.ring[4].ctl("admit", block)
        tap.ok(wait_for(lambda: len(keepers()) == len(self.ring)),
               "after the second all keep it", keepers())
        self.nodes.append(node)
        self.forum.settle(nodes=self.nodes)
        seen = [self.texts(n, bytes.fromhex(first)) for n in self.nodes]
        tap.equal(seen, [["From the seventh."]] * 7, "its first post is shown at all seven nodes")
        tap.ok(node.status()["member"], "and it knows that it is a member")
        reply = self.alice.reply(first, "Welcome.")
        tap.ok(wait_for(lambda: reply in [item["id"] for item in grace.read(first, whole=True)]),
               "it gets the answer")

    # ---- what nobody knows ----

    def unknown(self):
        """Entries that a node can't or mustn't show, between two that it shows."""
        tap, r = self.tap, self.rogue
        pin(self.ring[0], "rogue.example", r.verifier())
        link = self.link(r, self.ring[0])
        trent = r.enrol("trent")
        topic = r.log.digest + spec.message_id(
            r.write(trent, spec.TOPIC, subject="Odd")[1][:-64], r.forum, r.log_name)
        ids = {}

        def add(name, leaf, content=None):
            r.log.append(leaf, content)
            ids[name] = spec.message_id(leaf[:-64], r.forum, r.log_name)

        add("before", *trent.write(text="Before.", topic=topic))
        add("kind 77", *trent.write(77, text="Of a kind to come.", topic=topic, body=b"\1\2\3"))
        trent.sequence += 1
        add("version 2", rogue.message(trent.key, r.forum, r.log_name, 6, version=2,
                                       sequence=trent.sequence, topic=topic))
        leaf, content = trent.write(text="Forged.", topic=topic)
        add("a bad signature", leaf[:-1] + bytes([leaf[-1] ^ 1]), content)
        add("an unenrolled author", *rogue.Device(r.forum, r.log_name).write(text="Nobody.",
                                                                             topic=topic))
        add("no message", os.urandom(150))
        add("one byte", b"\0")
        add("a sequence again", r.log.entries[3], r.log.contents[3])
        add("after", *trent.write(text="After.", topic=topic))
        wait_for(lambda: link.subscriptions)
        link.feed(r.log, 1)
        self.trent, self.trent_topic, self.rogue_link = trent, topic, link
        for node in (self.ring[0], self.ring[1], self.ring[3]):
            tap.ok(wait_for(lambda node=node: self.holds(node, r.log)),
                   "%s holds every byte of the odd log" % node)
        for node in (self.ring[0], self.ring[3]):
            self.shown(node, ids)
        tap.equal(link.error_told, None, "and the link to the odd member stays")

    def shown(self, node, ids):
        tap, organisation = self.tap, "rogue.example"
        state = wait_for(lambda: next((log for log in [self.log_status(node, organisation)]
                                       if log["folded"] == len(self.rogue.log.entries)
                                       and not log["contents_missing"]), None))
        tap.ok(state, "%s has folded it to its end, and misses no content" % node,
               self.log_status(node, organisation))
        shown = {name for name, one in ids.items() if self.texts(node, one)}
        # The replayed post is the post itself: it is shown once, where it stood at first.
        tap.equal(shown - {"a sequence again"}, {"before", "after"},
                  "%s shows the good posts, and nothing else" % node)
        lines = self.dump(node).splitlines()
        posts = [line for line in lines if line.startswith("item kind=6 ")
                 and "by=%s" % organisation in line]
        tap.equal(len(posts), 2, "two posts of it are in the views of %s" % node)
        tap.ok(not any(ids["version 2"].hex() in line for line in lines),
               "the other version is not among the messages of %s" % node)
        tap.equal(state and state["invalid"], 5,
                  "%s counts what is not valid: neither the unknown kind nor the version" % node)

    # ---- copies ----

    def copies(self):
        """A post and its commitment in a hostile log, where the original came first (the ring), and
        where the copy does (late.example)."""
        tap, m, ring = self.tap, self.mallory, self.ring
        original = self.alice.post(self.topic, "Original", "The original text.")
        self.forum.settle(nodes=self.nodes)
        digest = spec.parse_log_name(ring[0].status()["log"].encode()).digest
        with self.guest(ring[0]) as guest:
            leaf = guest.entries(digest)[-1]
            chunk = guest.ask("CONTENT_GET", pb.ContentGet(id=bytes.fromhex(original)))
        header = spec.parse_header(leaf[:-64])
        eve = m.enrol("eve")
        content = Text(m.forum, m.log_name, eve.key.public, raw=chunk.data)
        content.salt = chunk.salt
        copied = {"commitment": header.commitment, "bucket": header.bucket or 0}
        m.log.append(leaf)
        m.log.append(eve.write(topic=header.topic, **copied)[0])
        withheld = len(m.log.entries) - 1
        m.log.append(*eve.write(text="Of my own.", topic=header.topic))

        # Nobody has the original yet where the copies come first.
        pin(self.late, "mallory.example", m.verifier())
        self.late.start()
        link = self.link(m, self.late)
        tap.ok(wait_for(lambda: self.holds(self.late, m.log)),
               "the copies are at a node before the original")
        tap.equal(self.entries(self.late, digest), None, "that has nothing of the honest log")
        pin(ring[0], "mallory.example", m.verifier())
        second = self.link(m, ring[0])
        tap.ok(wait_for(lambda: self.holds(ring[3], m.log)),
               "and at nodes that had the original before")
        link.close()
        second.close()

        for node, other in ((self.late, ring[5]), (ring[5], self.late)):
            pin(node, other.name, root_of(other), other.address)
        self.nodes.append(self.late)
        self.agree("with the copies all nodes show the same")
        seen = [self.texts(node, bytes.fromhex(original)) for node in self.nodes]
        tap.equal(seen, [["The original text."]] * 8, "the original is shown as before, everywhere")
        eves = [[item.content_state for item in self.items(self.late, spec.message_id(
            m.log.entries[withheld][:-64], m.forum, m.log_name))]]
        tap.equal(eves, [[pb.CONTENT_MISSING]], "the copied commitment has no content")
        self.wrong_content(withheld, content, "the honest content for a copied commitment")

    # ---- lies ----

    def lie(self, name, code, words, answers, node=None, log=None):
        """A link on which mallory answers so: it is closed with this error, and nothing is kept."""
        node, log = node or self.ring[0], log or self.mallory.log
        before, mark = self.entries(node, log.digest), len(node.log_lines())
        link = self.link(self.mallory, node, answers=answers, logs=[log])
        told = link.refusal()
        logged = wait_for(lambda: any("mallory.example" in line and words in line
                                      for line in node.log_lines()[mark:]), 5)
        kept = self.entries(node, log.digest)
        self.tap.ok(told[0] == code and words in told[1] and logged and kept == before, name,
                    "told %s, %s" % told, "wanted %s, %s" % (code, words),
                    "logged: %s; nothing kept: %s" % (bool(logged), kept == before))

    def wrong_content(self, index, content, name):
        def answer(link, stream, want):
            for at in want.index:
                if at == index:
                    link.send("CONTENT", pb.ContentChunk(
                        log=want.log, index=at, total=len(content.bytes), salt=content.salt,
                        data=content.bytes))
        self.lie(name, "BAD_COMMITMENT", "the content of entry %d of %s is not what it commits to: "
                 "the content does not match its commitment" % (
                     index, self.mallory.log_name.decode()), {"WANT": answer})

    def lies(self):
        m = self.mallory
        first = len(m.log.entries)
        eve = m.enrol("eva")
        text = {"topic": self.trent_topic}
        m.log.append(*eve.write(text="One.", **text))
        m.log.append(*eve.write(text="Two.", **text))
        name = m.log_name.decode()
        proves = "a DATA of %s does not prove itself: " % name

        def data(change):
            def answer(link, stream, subscribe):
                if subscribe.log == m.log.digest:
                    link.send("DATA", change(m.log.data(first)), stream)
            return {"SUBSCRIBE": answer}

        def flip(field, at):
            def change(message):
                raw = bytearray(getattr(message, field))
                raw[at] ^= 1
                setattr(message, field, bytes(raw))
                return message
            return change

        def note(text):
            def change(message):
                message.checkpoint = text(message.checkpoint)
                return message
            return change

        self.lie("DATA with another hash in its proof", "BAD_PROOF",
                 proves + "the proof does not verify", data(flip("proof", 5)))
        self.lie("DATA with another byte in an entry", "BAD_PROOF",
                 proves + "the proof does not verify", data(flip("leaves", 40)))
        self.lie("DATA without a proof", "BAD_PROOF", proves,
                 data(lambda d: pb.Data(log=d.log, first=d.first, leaves=d.leaves,
                                        checkpoint=d.checkpoint)))
        self.lie("DATA at another index", "BAD_PROOF", proves,
                 data(lambda d: pb.Data(log=d.log, first=d.first - 1, leaves=d.leaves,
                                        checkpoint=d.checkpoint, proof=d.proof)))
        self.lie("a checkpoint with a bad signature", "BAD_SIGNATURE",
                 proves + "the signature does not verify",
                 data(note(lambda n: self.flip_signature(n))))
        self.lie("a checkpoint signed by another key", "BAD_SIGNATURE",
                 proves + "not signed by the expected key",
                 data(note(lambda n: m.log.checkpoint(key=Key()))))
        self.lie("a checkpoint of another log", "WRONG_LOG",
                 proves + "made for another forum or log",
                 data(note(lambda n: self.rogue.log.checkpoint())))
        self.lie("entries beyond the checkpoint", "BAD_PROOF", proves,
                 data(note(lambda n: m.log.checkpoint(size=first + 1))))
        self.lie("no checkpoint at all", "MALFORMED", proves,
                 data(note(lambda n: b"checkpoint")))
        self.lie("more than 4,096 entries", "TOO_LARGE", proves,
                 data(lambda d: pb.Data(log=d.log, first=d.first, leaves=b"\0\1x" * 4097,
                                        checkpoint=d.checkpoint, proof=d.proof)))
        self.lie("a DATA that doesn't parse", "MALFORMED", "a frame's payload does not parse",
                 {"SUBSCRIBE": lambda link, stream, _: link.send("DATA", b"\xff" * 50, stream)})
        self.credentials()

        link = self.link(m, self.ring[0])
        self.tap.ok(wait_for(lambda: all(self.holds(node, m.log) for node in self.nodes), 15),
                    "the true DATA then comes to all nodes", link.error_told)
        link.close()
        m.log.append(*eve.write(text="Three.", **text))
        index = len(m.log.entries) - 1
        wrong = Text(m.forum, m.log_name, eve.key.public, "Four!")
        wrong.salt = m.log.contents[index].salt
        self.held_without_content(index)
        self.wrong_content(index, wrong, "another content than the committed one")
        link = self.link(m, self.ring[0])
        self.tap.ok(wait_for(lambda: all(self.texts(node, spec.message_id(
            m.log.entries[index][:-64], m.forum, m.log_name)) == ["Three."]
            for node in self.nodes), 15), "the true content then comes to all nodes",
            link.error_told)
        link.close()

    def held_without_content(self, index):
        """Let the ring have the entry first, so that a lie adds nothing to it."""
        link = self.link(self.mallory, self.ring[0],
                         answers={"WANT": lambda link, stream, want: None})
        wait_for(lambda: self.holds(self.ring[0], self.mallory.log))
        link.close()
        wait_for(lambda: not self.ring[0].peers()["mallory.example"]["connected"])

    def flip_signature(self, note):
        line = note.split(b"\n")[-2]
        raw = bytearray(base64.b64decode(line.split(b" ")[2]))
        raw[30] ^= 1
        return note[:note.rindex(b" ") + 1] + base64.b64encode(raw) + b"\n"

    def credentials(self):
        """A second log of mallory, whose entry 0 is no credential of it."""
        m = self.mallory
        other = Key()
        log = rogue.Log(m.name_log(other), other, [m.log.entries[0]])

        def answer(link, stream, asked):
            if asked.log == log.digest:
                link.send("LOG", pb.Log(name=log.name, credential=log.entries[0]))
        self.lie("a LOG with another log's credential", "WRONG_LOG",
                 "a LOG's credential is not one: made for another forum or log",
                 {"LOG_GET": answer}, log=log)

    # ---- contents that never come ----

    def withheld(self):
        """Hundreds of posts whose content a member keeps to itself don't hold up the others'."""
        tap, m = self.tap, self.mallory
        eve = m.enrol("evelyn")
        for _ in range(300):
            m.log.append(eve.write(text="Secret.", topic=self.trent_topic)[0])
        link = self.link(m, self.ring[0])
        tap.ok(wait_for(lambda: all(self.holds(node, m.log) for node in self.nodes), 15),
               "all hold 300 entries whose content nobody gets", link.error_told)
        took = []
        for number in range(8):
            began = time.monotonic()
            text = "Number %d." % number
            post = bytes.fromhex(self.alice.post(self.topic, "Meanwhile", text))
            wait_for(lambda: all(self.texts(node, post) == [text] for node in self.nodes), 20)
            took.append(time.monotonic() - began)
        tap.ok(max(took) < 4, "posts of others reach all nodes meanwhile, content and all",
               ["%.1f s" % seconds for seconds in took])
        index = len(m.log.entries) - 1
        for _ in range(1100):
            link.send("WANT", pb.Want(log=m.log.digest, index=[index]))
        link.send("PING", b"wants")
        tap.ok(wait_for(lambda: ("PONG", 0, b"wants") in link.seen),
               "to ask again for what hasn't come is one request, and no fault", link.error_told)
        link.send("WANT", pb.Want(log=m.log.digest, index=range(2, 1027)))
        tap.equal(link.refusal(), ("TOO_LARGE", "more than 1,024 WANTs outstanding: too large"),
                  "more than 1,024 requests are")

    # ---- a log that ends ----

    def ending(self):
        """An entry over 2,048 bytes ends the log, however it arrives."""
        tap, m = self.tap, self.mallory
        eve = m.enrol("edith")
        topic = {"topic": self.trent_topic}
        m.log.append(*eve.write(text="The last.", **topic))
        last = m.log.entries[-1]
        size = len(m.log.entries)
        m.log.append(b"x" * 2049)
        m.log.append(*eve.write(text="Too late.", **topic))
        whole = self.link(m, self.ring[0])
        tap.ok(wait_for(lambda: self.holds(self.ring[0], m.log, size)),
               "of one DATA the entries before the large one are kept")

        def alone(link, stream, subscribe):
            """One entry to a DATA."""
            for index in range(getattr(subscribe, "from"), len(m.log.entries)):
                link.send("DATA", m.log.data(index, index + 1), stream)
        pin(self.ring[3], "mallory.example", m.verifier())
        single = self.link(m, self.ring[3], answers={"SUBSCRIBE": alone})
        tap.ok(wait_for(lambda: all(self.holds(node, m.log, size) for node in self.nodes), 15),
               "the log ends at the same size on every node",
               [len(self.entries(node, m.log.digest) or []) for node in self.nodes], size)
        tap.ok(wait_for(lambda: all(self.log_status(self.ring[n], "mallory.example")["state"]
                                    == "broken" for n in (0, 3))),
               "nodes that have seen why show it as broken")
        with self.guest(self.ring[0]) as guest:
            infos, answer = [], guest.ask("LOGS_GET")
            while not answer.last:
                infos += answer.logs
                answer = guest.receive()[2]
            infos += answer.logs
        tap.equal([i.state for i in infos if i.log == m.log.digest], [pb.BROKEN],
                  "and tell readers so")
        m.log.append(*eve.write(text="Much too late.", **topic))
        with contextlib.suppress(OSError):
            whole.feed(m.log, size + 1)
            whole.show()
        tap.ok(wait_for(lambda: all(self.texts(node, spec.message_id(
            last[:-64], m.forum, m.log_name)) == ["The last."] for node in self.nodes), 15),
            "what came before is shown")
        tap.equal((whole.error_told, single.error_told), (None, None),
                  "the links stay: what was sent is proven")
        tap.ok(all(self.holds(node, m.log, size) for node in self.nodes),
               "and what comes after is not kept by anybody")
        whole.close()
        single.close()


def main(tap):
    names = RING + ["late.example", "rogue.example", "mallory.example"]
    with harness.Forum(names, edges=harness.ring(6), terms=["--admit", "2"]) as forum:
        tests = Members(tap, forum)
        tests.start(tests.ring)
        tests.seventh()
        tests.unknown()
        tests.copies()
        tests.lies()
        tests.withheld()
        tests.ending()
        reply = tests.alice.post(tests.topic, "At the end", "All is well.")
        tap.ok(wait_for(lambda: all(tests.texts(node, bytes.fromhex(reply)) == ["All is well."]
                                    for node in tests.nodes), 15),
               "after all that a post reaches all eight nodes")
        tests.agree("at the end all eight nodes show the same")


if __name__ == "__main__":
    harness.tap_run(main)
