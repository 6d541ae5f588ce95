#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""WATCH, by many at once: what is encoded for one is given to all, wherever they stand, and never
once it isn't so any more. An item that was amended, erased, hidden, shown again or completed while
others had just been told of it is told of as it is now (SPEC.md 12.2)."""
import pathlib
import sqlite3
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402
import rogue  # noqa: E402
from rogue import Guest, Link, Rogue, Text, Wire, message, pb, reference, spec  # noqa: E402

LIVE = 100     # posts under one checkpoint, more than one DATA has
PART = 64
FAR = 300      # posts: more arrivals than a watcher of one topic is near to
WHY = "For a reason"


class Author(Rogue):
    """Writes a log by hand; places are told by index."""
    link = None

    def put(self, device, kind=spec.POST, text="", topic=None, target=None):
        device.sequence += 1
        fields, content = {"sequence": device.sequence}, None
        if kind != spec.ERASE:
            content = Text(self.forum, self.log_name, device.key.public, text, "A subject")
            fields.update(content.fields)
        if topic is not None:
            fields["topic"] = self.ref(topic)
        if target is not None:
            body = pb.AmendBody if kind == spec.AMEND else pb.EraseBody
            fields["body"] = body(target=self.ref(target)).SerializeToString()
        leaf = message(device.key, self.forum, self.log_name, kind, **fields)
        return self.link.append(leaf, content) if self.link else self.log.append(leaf, content)

    def ref(self, index):
        return reference(self.log_name, self.log.entries[index], self.forum)

    def id(self, index):
        return self.ref(index)[16:]


class Operator(Guest):
    """Requests over the control socket: no TLS, no HELLO."""

    def __init__(self, path):
        Wire.__init__(self, str(path), tls=False)
        self.stream = 0


def ask(guest, **watch):
    guest.stream += 1
    guest.send("WATCH", pb.Watch(**watch), guest.stream)


def collect(guest, enough):
    """Items on the last stream, until `enough` says so of (items, frame)."""
    found = []
    while True:
        name, stream, answer = guest.receive()
        if name != "ITEMS" or stream != guest.stream:
            continue
        found.extend(answer.items)
        if enough(found, answer):
            return found


def watched(guest, after=0, topic=b""):
    ask(guest, after=after, topic=topic, end=True)
    return collect(guest, lambda found, frame: frame.last)


def text_of(item):
    if item.content_state != pb.CONTENT_PRESENT:
        return pb.ContentState.Name(item.content_state)
    return pb.Content.FromString(item.content).text.decode()


class Snapshots:
    """What a reader of a node's store sees of a log, as often as it can look: (size, folded), each pair
    once and in order."""

    def __init__(self, node, log_name):
        self.seen, self._end = [], threading.Event()
        self._path, self._log = node.folder / "data/convene.db", log_name.decode()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        db = sqlite3.connect("file:%s?mode=ro" % self._path, uri=True, isolation_level=None)
        last = False
        while not last:
            last = self._end.is_set()  # and one look more
            row = db.execute("SELECT size, folded FROM log WHERE name = ?", (self._log,)).fetchone()
            if not self.seen or self.seen[-1] != row:
                self.seen.append(row)
        db.close()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


class Watching:
    def __init__(self, tap, forum):
        self.tap, self.node = tap, forum[0]
        self.author = Author("rogue.example", str(forum[1].folder / "keys"),
                             (self.node.folder / "forum.charter").read_bytes())
        self.guests, self.operator, self.log = [], None, None

    def guest(self):
        return Guest(("127.0.0.1", self.node.port), self.author.forum)

    def settle(self, missing=0):
        """All that the author has written is in the views."""
        harness.poll("the author's entries", 20, lambda: any(
            log["organisation"] == "rogue.example" and log["contents_missing"] == missing
            and log["folded"] == len(self.author.log.entries)
            for log in self.node.status()["logs"]))

    # ---- what everybody is told ----

    def told(self, guest, **watch):
        """{index: text or state} of posts, as a WATCH has it."""
        by_message = {leaf: i for i, leaf in enumerate(self.author.log.entries)}
        return {by_message[item.message]: text_of(item) for item in watched(guest, **watch)}

    def everybody(self, name, index, want, operators=None):
        """Twice, so that the second are given what the first were."""
        topic = self.author.id(self.topic)
        first = self.arrivals[index] - 1
        got = set()
        for _ in range(2):
            for guest in self.guests:
                for watch in ({}, {"topic": topic}, {"after": first},
                              {"after": first, "topic": topic}):
                    got.add(self.told(guest, **watch).get(index))
            operator = self.told(self.operator).get(index)
        self.tap.equal((got, operator), ({want}, operators or want), name)

    def number(self):
        """Where things have arrived."""
        by_message = {leaf: i for i, leaf in enumerate(self.author.log.entries)}
        self.arrivals = {by_message[item.message]: item.arrival
                         for item in watched(self.guests[0])}

    # ---- the test ----

    def run(self):
        node, author = self.node, self.author
        self.alice = author.enrol("alice")
        self.topic = author.put(self.alice, spec.TOPIC, "About this.")
        self.other = author.put(self.alice, spec.TOPIC, "About that.")
        self.posts = [author.put(self.alice, text=word, topic=self.topic)
                      for word in ("quincejelly", "rhubarbpie", "sloegin")]
        node.start()
        rogue.pin(node, "rogue.example", author.verifier())
        author.link = Link(author, ("127.0.0.1", node.port))
        self.settle()
        self.guests = [self.guest() for _ in range(3)]
        # Streams of their own: a frame that is shared must not be another's.
        self.guests[2].stream = 1000
        self.operator = Operator(node.folder / "data" / "convened.sock")
        self.number()
        self.changes()
        self.hides()
        self.completes()
        self.far()
        self.together()
        self.at_once()
        for guest in (*self.guests, self.operator):
            guest.close()
        author.link.close()
        self.tap.ok(node.running() and node.dump_hash(), "the node goes on")

    def changes(self):
        author, first, second = self.author, *self.posts[:2]
        self.everybody("a post is told of", first, "quincejelly")
        change = author.put(self.alice, spec.AMEND, "medlarjam", target=first)
        self.settle()
        self.number()
        self.everybody("amended, it has its new text", first, "medlarjam")
        author.put(self.alice, spec.ERASE, target=change)
        self.settle()
        self.everybody("the amendment erased, the old one", first, "quincejelly")
        self.everybody("another is told of", second, "rhubarbpie")
        author.put(self.alice, spec.ERASE, target=second)
        self.settle()
        self.everybody("erased, it has none", second, "CONTENT_ERASED")

    def hides(self):
        post = self.posts[2]
        self.everybody("a third is told of", post, "sloegin")
        self.node.ctl("hide", self.author.id(post).hex(), "--reason", WHY)
        self.everybody("hidden, its text is the operator's", post, "CONTENT_HIDDEN", "sloegin")
        self.node.ctl("unhide", self.author.id(post).hex(), "--reason", WHY)
        self.everybody("and everybody's again", post, "sloegin")

    def completes(self):
        """A content that comes later. Who asks for what is here is told that it lacks; who watches
        gets it whole."""
        author, kept = self.author, []
        live = [self.guest() for _ in range(2)]
        for guest in live:
            ask(guest, after=2**64 - 1)
        author.link.answers["WANT"] = lambda link, stream, want: kept.append((stream, want))
        post = author.put(self.alice, text="damsonbutter", topic=self.topic)
        self.settle(missing=1)
        self.number()
        self.everybody("a post without its text", post, "CONTENT_MISSING")
        del author.link.answers["WANT"]
        for stream, want in kept:
            author.link.on_want(stream, want)
        self.settle()
        self.everybody("has it once that has come", post, "damsonbutter")
        got = [text_of(collect(guest, lambda found, frame: found)[0]) for guest in live]
        self.tap.equal(got, ["damsonbutter"] * 2, "those who watch were not told before")
        for guest in live:
            guest.close()

    def far(self):
        """One topic among others, from far behind, and from any place within what is shared."""
        author = self.author
        places = [author.put(self.alice, text="post %d" % n,
                             topic=self.topic if n % 3 else self.other) for n in range(FAR)]
        self.settle()
        self.number()
        every = watched(self.guests[0])
        self.tap.equal([item.arrival for item in every],
                       sorted({item.arrival for item in every}), "all come, in order")
        self.tap.ok(len(every) > FAR and set(places) <= set(self.arrivals), "and none is left out")
        for name, index in (("one", self.topic), ("another", self.other)):
            want = [item.SerializeToString() for item in every if item.topic == author.id(index)]
            for guest in self.guests:
                got = watched(guest, topic=author.id(index))
                self.tap.equal([item.SerializeToString() for item in got], want,
                               "%s topic's are the same as among all" % name)
        wrong = []
        for place, item in enumerate(every):
            guest = self.guests[place % 3]
            if watched(guest, after=item.arrival) != every[place + 1:]:
                wrong.append(item.arrival)
        self.tap.equal(wrong, [], "behind each comes the rest")

    def together(self):
        """Some who watch, each from a place of their own, and of one topic or all, while there is
        more; one of them is cut off and comes back."""
        author, every = self.author, watched(self.guests[0])
        last, cursors = every[-1].arrival, [every[n].arrival for n in (-1, -2, -30, -31, -200)]
        live = [(self.guest(), after, topic) for after in cursors
                for topic in (b"", author.id(self.other))]
        for guest, after, topic in live:
            ask(guest, after=after, topic=topic)
        places = [author.put(self.alice, text="more %d" % n, topic=self.other) for n in range(60)]
        self.settle()
        end = author.log.entries[places[-1]]
        want = watched(self.guests[0], after=cursors[-1])
        wrong = []
        for guest, after, topic in live:
            got = collect(guest, lambda found, frame: found and found[-1].message == end)
            if got != [i for i in want if i.arrival > after and topic in (b"", i.topic)]:
                wrong.append((after, topic.hex()))
            guest.close()
        self.tap.equal(wrong, [], "those who watch get theirs, each once and in order")
        guest = self.guest()
        ask(guest, after=last)
        seen = collect(guest, lambda found, frame: True)
        guest.close()
        guest = self.guest()
        ask(guest, after=seen[-1].arrival if seen else last)
        more = author.put(self.alice, text="the last", topic=self.other)
        seen += collect(guest, lambda found, frame: found and found[-1].message
                        == author.log.entries[more])
        guest.close()
        self.tap.equal([i.arrival for i in seen],
                       [i.arrival for i in watched(self.guests[0], after=last)],
                       "who was cut off gets the rest by its cursor")

    def at_once(self):
        """What has just been written is stored and shown in one step, also where it comes in parts."""
        author, log = self.author, self.author.log
        with Snapshots(self.node, author.log_name) as snapshots:
            for _ in range(5):
                first = len(log.entries)
                link, author.link = author.link, None
                for n in range(LIVE):
                    author.put(self.alice, text="at once %d" % n, topic=self.other)
                author.link = link
                for part in range(first, first + LIVE, PART):
                    link.feed(log, part, end=min(part + PART, first + LIVE))
                self.settle()
        self.tap.equal(snapshots.seen[-1], (len(log.entries),) * 2, "what comes in parts is all shown")
        self.tap.equal([seen for seen in snapshots.seen if seen[0] != seen[1]], [],
                       "and no reader sees it stored before")


def main(tap):
    with harness.Forum(["a.example", "rogue.example"], edges=[]) as forum:
        Watching(tap, forum).run()


if __name__ == "__main__":
    harness.tap_run(main)
