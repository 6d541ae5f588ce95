#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What was said is exported at two nodes, to the same bytes, and read again by Python.

Native posts and answers in several scripts, with attachments and every kind of line end; the mbox is
parsed by `mailbox` and must give back subjects, texts, ids and references exactly; JSON likewise. An
older frontier gives the older bytes again when more has been written since. And a log that holds what
people may do to texts, and what they may not, from which the export must make the same as the fold.
"""
import base64
import email.header
import email.utils
import hashlib
import json
import mailbox
import os
import pathlib
import re
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402
import rogue  # noqa: E402
from rogue import Link, Rogue, Text, message, pb, reference, spec  # noqa: E402

# Subject (None: an answer without one), text, whether it answers the one before.
POSTS = [
    ("First draft", "A line.\nFrom here on it may look like a separator.\n>From the other side.\n",
     False),
    (None, "no newline at the end", True),
    (None, "two newlines at the end\n\n", True),
    ("שלום לכולם", "טקסט בעברית, מימין לשמאל.\nשורה שנייה עם English באמצע.\n", False),
    (None, "نص عربي\n", True),
    ("关于治理的讨论", "第一行。\n第二行没有换行", False),
    (None, "回复。\n", True),
    ("Long " + "word " * 60 + "end", "x" * 2000 + "\n" + "é" * 600 + "\n", False),
    ("=?utf-8?B?bm90IHRoaXM=?= stands here", "tab\there, = sign, trailing space \n.\n", False),
    ("w" * 900, "a\r\nb\rc\n", False),
    ("Émile  two spaces", "--=_boundary\n", False),
]


def decoded(value):
    """A header field's text: joined lines, encoded words decoded."""
    if value is None:
        return None
    value = re.sub(r"\r?\n(?=[ \t])", "", str(value))
    return "".join(part.decode(charset or "ascii") if isinstance(part, bytes) else part
                   for part, charset in email.header.decode_header(value))


def text_of(mail):
    part = mail.get_payload(0) if mail.is_multipart() else mail
    return part.get_payload(decode=True).decode("utf-8")


def export(node, form, *words, code=0):
    path = node.folder.with_suffix("." + form)
    path.unlink(missing_ok=True)
    try:
        node.ctl("export", form, "--output", path, *words)
        got = 0
    except harness.CommandFailure as failure:
        got = failure.code
        if got != code:
            raise
    if got != code:
        raise harness.Failure("export ended with %d, not %d" % (got, code))
    left = [p.name for p in path.parent.glob(path.name + ".*")]
    if left:
        raise harness.Failure("an export left %s" % left)
    return path.read_bytes() if path.exists() else None


def write_all(forum, people, topic, files):
    """Post everything; returns what is expected by id."""
    wanted, last, chain = {}, None, []
    for number, (subject, text, answers) in enumerate(POSTS):
        who = people[number % 2]
        attach = files if number % 3 == 0 else ()
        if answers:
            forum.settle()
            post = who.reply(last, text, attach=attach, raw=True)
        else:
            chain = []
            post = who.post(topic, subject, text, attach=attach, raw=True)
        wanted[post] = {"subject": subject, "text": text, "who": who, "chain": list(chain),
                        "files": attach, "parent": chain[-1] if chain else None}
        chain.append(post)
        last = post
    forum.settle()
    return wanted


def name_of(wanted, post):
    return "<%s@%s>" % (post, wanted[post]["who"].node.name)


def check_mails(tap, path, wanted):
    mails = {mail["X-Convene-Id"]: mail for mail in mailbox.mbox(path)}
    posts = {key: mail for key, mail in mails.items() if mail["X-Convene-Kind"] != "topic"}
    if not tap.equal(sorted(posts), sorted(wanted), "every post is a mail of its own"):
        return
    bad = []
    for post, want in wanted.items():
        mail = posts[post]
        address = email.utils.parseaddr(mail["From"])
        checks = [
            ("subject", decoded(mail["Subject"]), want["subject"]),
            ("text", text_of(mail), want["text"]),
            ("id", mail["Message-ID"], name_of(wanted, post)),
            ("references", (mail["References"] or "").split(),
             [name_of(wanted, key) for key in want["chain"]]),
            ("answers", mail["In-Reply-To"],
             name_of(wanted, want["parent"]) if want["parent"] else None),
            ("address", address[1], "%s@%s" % (want["who"].handle, want["who"].node.name)),
            ("files", [part.get_filename() for part in mail.get_payload()[1:]]
             if mail.is_multipart() else [], [path.name for path in want["files"]]),
            ("data", [part.get_payload(decode=True) for part in mail.get_payload()[1:]]
             if mail.is_multipart() else [], [path.read_bytes() for path in want["files"]]),
        ]
        bad += ["%s of %s: %.200r, wanted %.200r" % (name, post[:8], got, should)
                for name, got, should in checks if got != should]
        bad += ["%s of %s has defects" % (name, post[:8]) for name in ("mail",) if mail.defects]
    tap.ok(not bad, "Python's mailbox gives back subjects, texts, ids, references and files", *bad)
    dates = [email.utils.parsedate_to_datetime(mail["Date"]).timestamp()
             for mail in mailbox.mbox(path)]
    tap.ok(dates == sorted(dates), "mails come by date")
    lines = path.read_bytes().split(b"\n")
    tap.equal(sum(line.startswith(b"From ") for line in lines), len(mails),
              "no line of a text begins like a separator")


def check_lines(tap, data, wanted, topic):
    lines = [json.loads(line) for line in data.decode("ascii").splitlines()]
    ordered = []
    for line in data.splitlines():
        json.loads(line, object_pairs_hook=lambda pairs: ordered.append([key for key, _ in pairs]))
    tap.ok(all(keys == sorted(keys) for keys in ordered), "keys are sorted")
    tap.equal([line["type"] for line in lines[:2]], ["forum", "topic"],
              "the forum comes first, then the topics")
    logs = sorted((bytes.fromhex(log["log"].split("/")[1]), log["size"],
                   base64.b64decode(log["root"])) for log in lines[0]["frontier"])
    text = b"".join(digest + size.to_bytes(8, "big") + root for digest, size, root in logs)
    tap.equal(hashlib.sha256(b"convene/v1/frontier\0" + text).hexdigest(), lines[0]["hash"],
              "its frontier's hash is that of SPEC.md 9.4")
    posts = {line["id"]: line for line in lines if line["type"] == "post"}
    bad = []
    for post, want in wanted.items():
        line = posts.get(post, {})
        checks = [
            (line.get("subject"), want["subject"] or ""), (line.get("text"), want["text"]),
            (line.get("parent"), want["parent"]), (line.get("topic"), topic),
            (line.get("thread"), want["chain"][0] if want["chain"] else post),
            (line.get("author", {}).get("handle"), want["who"].handle),
            ([base64.b64decode(part["data"]) for part in line.get("parts", ())],
             [path.read_bytes() for path in want["files"]])]
        bad += ["%s: %.200r, wanted %.200r" % (post[:8], got, should)
                for got, should in checks if got != should]
    tap.ok(not bad and len(posts) == len(wanted), "JSON gives back the same", *bad)


# ---- what becomes of texts ----

class Author(Rogue):
    """Writes a log by hand; places are told by index."""

    def put(self, device, kind, text="", subject="", to=None, target=None, **fields):
        """A message as the next entry; returns its index."""
        device.sequence += 1
        fields["sequence"] = device.sequence
        content = None
        if kind != spec.ERASE:
            content = Text(self.forum, self.log_name, device.key.public, text, subject,
                           **fields.pop("more", {}))
            fields.update(content.fields)
        if kind == spec.POST:
            fields["topic"] = self.ref(self.topic)
        if to is not None:
            fields["parent"] = to if isinstance(to, bytes) else self.ref(to)
        if target is not None:
            body = pb.AmendBody if kind == spec.AMEND else pb.EraseBody
            fields["body"] = body(target=self.ref(target)).SerializeToString()
        leaf = message(device.key, self.forum, self.log_name, kind, **fields)
        return self.link.append(leaf, content) if self.link else self.log.append(leaf, content)

    def ref(self, index):
        return reference(self.log_name, self.log.entries[index], self.forum)

    def id(self, index):
        return self.ref(index)[16:].hex()


def first_part(author):
    alice, bob = author.enrol("alice"), author.enrol("bob")
    author.topic = author.put(alice, spec.TOPIC, "What it is about.\n", "Changes")
    author.p1 = author.put(alice, spec.POST, "first\n", "One")
    author.p2 = author.put(bob, spec.POST, "second\n", to=author.p1)
    author.put(bob, spec.AMEND, "not mine\n", target=author.p1)
    author.a1 = author.put(alice, spec.AMEND, "first, amended\n", "One", target=author.p1)
    author.p3 = author.put(alice, spec.POST, "of old\n", "Old", more={"imported": pb.Imported(
        author="Å. Author <old@example.org>".encode(), date=951827696000, source=b"old list",
        message_id=b"old-1@example.org", references=[b"older@example.org"])})
    return alice, bob


def second_part(author, alice, bob):
    author.a2 = author.put(alice, spec.AMEND, "first, again\n", target=author.p1)
    author.put(alice, spec.ERASE, target=author.a2)
    author.e2 = author.put(bob, spec.ERASE, target=author.p2)
    author.a3 = author.put(alice, spec.AMEND, "of old, amended\n", "Old, amended",
                           target=author.p3)
    author.put(bob, spec.ERASE, target=author.p1)  # not his
    author.put(alice, spec.AMEND, target=1, more={"profile": pb.Profile(
        handle=b"alice", name="Alice Ä.".encode())})
    author.p4 = author.put(bob, spec.POST, "lost\n", "Lost", to=bytes(range(48)))
    author.p5 = author.put(bob, spec.POST, "to an old one\n", to=author.p3)
    author.p6 = author.put(bob, spec.POST, "to a lost one\n", to=author.p4)
    author.p7 = author.put(bob, spec.POST, "to the erased\n", to=author.p2)
    leaf, content = bob.write(spec.POST, "forged\n", topic=author.ref(author.topic))
    author.link.append(leaf[:-1] + bytes([leaf[-1] ^ 1]), content)
    author.link.append(b"no message at all")


def wait_held(node, author, size):
    def held():
        log = next((log for log in node.status()["logs"]
                    if log["organisation"] == "rogue.example"), None)
        return log and log["size"] == log["folded"] == size
    harness.poll("the log has come", 20, held)


def parsed(data):
    return {line["id"]: line for line in map(json.loads, data.splitlines()) if "id" in line}


def first_check(tap, author, data):
    lines = parsed(data)
    p1, p2, p3 = (lines[author.id(n)] for n in (author.p1, author.p2, author.p3))
    tap.equal((p1["text"], p1["amended"]["id"]), ("first, amended\n", author.id(author.a1)),
              "an amended text is exported, and says so; nobody else's amendment counts")
    tap.equal((p2["text"], p2["author"]["handle"], "name" in p1["author"]),
              ("second\n", "bob", False), "before the erasure, the text; before it is set, no name")
    tap.equal(p3["imported"], {
        "author": "Å. Author <old@example.org>", "date": 951827696000,
        "message_id": "old-1@example.org", "references": ["older@example.org"],
        "source": "old list"}, "an import tells what the archive said")


def second_check(tap, author, data, path):
    lines = parsed(data)
    p1, p2, p3 = (lines[author.id(n)] for n in (author.p1, author.p2, author.p3))
    tap.equal((p1["text"], p1["amended"]["id"], p1["author"].get("name")),
              ("first, amended\n", author.id(author.a1), "Alice Ä."),
              "an erased amendment restores the text before it; a name may be amended")
    tap.equal((p2["state"], "text" in p2, p2["erased"]["id"]),
              ("erased", False, author.id(author.e2)), "an erased post is exported as that")
    tap.equal((p3["text"], p3["imported"]["message_id"]),
              ("of old, amended\n", "old-1@example.org"), "an amended import stays an import")
    p4, p6 = lines[author.id(author.p4)], lines[author.id(author.p6)]
    missing = bytes(range(16, 48)).hex()
    tap.equal((p4["thread"], p4["parent"], p6["thread"]), (missing, missing, missing),
              "who answers what isn't there begins a thread under its id")
    tap.equal(len(lines), 8, "what is forged or no message is left out")
    mails = {mail["X-Convene-Id"]: mail for mail in mailbox.mbox(path)}

    def get(index, name):
        return mails[author.id(index)][name]
    tap.equal([decoded(get(author.p3, name)) for name in
               ("Message-ID", "From", "Date", "Subject", "References")],
              ["<old-1@example.org>", "Å. Author <old@example.org>",
               "Tue, 29 Feb 2000 12:34:56 +0000", "Old, amended", "<older@example.org>"],
              "and keeps its Message-ID, author, date and references as a mail")
    tap.equal((get(author.p5, "References"), get(author.p5, "In-Reply-To")),
              ("<old-1@example.org>",) * 2, "who answers it refers to it by that")
    own = "<%s@rogue.example>"
    tap.equal(get(author.p7, "References").split(),
              [own % author.id(author.p1), own % author.id(author.p2)],
              "the erased post keeps its place in the thread")
    tap.equal((get(author.p2, "X-Convene-State"), text_of(mails[author.id(author.p2)])),
              ("erased", ""), "and its mail is empty")
    tap.equal(get(author.p4, "References"), None, "a parent in an unknown log has no name")


def missing(tap, node, author, alice):
    """A content that its author's node never gives."""
    author.link.answers["WANT"] = lambda *_: None
    post = author.put(alice, spec.POST, "kept back\n", "Kept back")
    wait_held(node, author, len(author.log.entries))
    tap.ok(export(node, "mbox", code=5) is None,
           "while a content is missing nothing is exported, and the exit code says so")
    line = parsed(export(node, "ndjson", "--partial"))[author.id(post)]
    tap.equal((line["state"], "text" in line), ("missing", False), "but with --partial")


def changes(tap):
    with harness.Forum(["a.example", "rogue.example"], edges=[]) as forum:
        node = forum[0]
        note = (node.folder / "forum.charter").read_bytes()
        author = Author("rogue.example", str(forum[1].folder / "keys"), note)
        author.link = None
        alice, bob = first_part(author)
        node.start()
        rogue.pin(node, "rogue.example", author.verifier())
        author.link = Link(author, ("127.0.0.1", node.port))
        wait_held(node, author, len(author.log.entries))
        harness.poll("contents", 20, lambda: all(
            log["contents_missing"] == 0 for log in node.status()["logs"]))
        old = forum.folder / "old"
        before = export(node, "ndjson", "--frontier", old)
        first_check(tap, author, before)
        second_part(author, alice, bob)
        wait_held(node, author, len(author.log.entries))
        export(node, "mbox")
        second_check(tap, author, export(node, "ndjson"), node.folder.with_suffix(".mbox"))
        again = export(node, "ndjson", "--at", old)
        lines, were = parsed(again), parsed(before)
        p2 = lines.pop(author.id(author.p2))
        were.pop(author.id(author.p2))
        tap.ok(lines == were and "erased" not in p2 and p2["state"] == "erased",
               "at the older frontier, all is as it was, but that what was erased since is gone")
        missing(tap, node, author, alice)
        author.link.close()


def main(tap):
    changes(tap)
    with harness.Forum(["a.example", "b.example"], edges=harness.pair()) as forum:
        forum.start()
        a, b = forum
        people = [a.enrol("alice", name="Alice, \"the\" first"), b.enrol("bob")]
        topic = people[0].topic("Export")
        other = people[0].topic("Another topic")
        forum.settle()
        files = [forum.folder / "draft.txt", forum.folder / "Entwurf für später.bin"]
        files[0].write_text("From the start\n")
        files[1].write_bytes(bytes(range(256)) * 300)
        wanted = write_all(forum, people, topic, files)

        frontier = forum.folder / "frontier"
        first = export(a, "mbox", "--topic", topic, "--frontier", frontier)
        tap.say("%d bytes at\n%s" % (len(first), frontier.read_text()))
        check_mails(tap, a.folder.with_suffix(".mbox"), wanted)
        tap.ok(export(b, "mbox", "--topic", "Export", "--at", frontier) == first,
               "the other node gives the same mbox")
        lines = export(a, "ndjson", "--topic", topic)
        check_lines(tap, lines, wanted, topic)
        tap.ok(export(b, "ndjson", "--topic", topic, "--at", frontier) == lines,
               "the other node gives the same JSON")
        whole = export(a, "ndjson", "--at", frontier)
        tap.equal(sum(json.loads(line)["type"] == "topic" for line in whole.splitlines()), 2,
                  "without --topic all topics are exported")
        tap.ok(harness.run([harness.CONVENECTL, "-c", a.config, "export", "ndjson", "--at",
                            frontier]).encode() == whole, "standard output gets the same")

        for number in range(4):
            people[number % 2].post(other if number < 2 else topic, "Later", "Later.\n")
        answer = people[1].reply(list(wanted)[0], "A later answer.\n")
        people[0].reply(answer, "And another.\n")
        forum.settle()
        tap.ok(export(a, "mbox", "--topic", topic, "--at", frontier) == first and
               export(b, "mbox", "--topic", topic, "--at", frontier) == first,
               "the older frontier gives the older bytes when more was written")
        tap.ok(export(a, "ndjson", "--at", frontier) == whole, "and in JSON")
        now = forum.folder / "now"
        later = export(a, "mbox", "--frontier", now)
        tap.ok(len(later) > len(first) and export(b, "mbox", "--at", now) == later,
               "the newer frontier gives more")

        ahead = forum.folder / "ahead"
        lines = [line.split(" ") for line in now.read_text().splitlines()]
        ahead.write_text("\n".join(" ".join(words if len(words) != 3 or words[0] == "convene" else [
            words[0], str(int(words[1]) + 1), words[2]]) for words in lines) + "\n")
        tap.ok(export(a, "mbox", "--at", ahead, code=5) is None,
               "a frontier that the node doesn't hold is refused, and nothing is written")
        forged = forum.folder / "forged"
        forged.write_text("\n".join(" ".join(words if len(words) != 3 or words[0] == "convene" else [
            words[0], words[1], base64.b64encode(bytes(32)).decode()]) for words in lines) + "\n")
        tap.ok(export(a, "mbox", "--at", forged, code=4) is None,
               "so is one of another history")
        forged.write_text("not a frontier\n")
        tap.ok(export(a, "mbox", "--at", forged, code=7) is None, "and what is none")
        tap.ok(export(a, "mbox", "--topic", "No such topic", code=5) is None,
               "a topic that isn't there is not found")
        pipe = forum.folder / "pipe"
        os.mkfifo(pipe)
        export(a, "mbox", "--frontier", pipe, code=1)
        tap.ok(pipe.is_fifo(), "a device or pipe is not replaced by a frontier's file")


if __name__ == "__main__":
    harness.tap_run(main)
