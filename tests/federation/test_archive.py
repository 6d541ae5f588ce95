#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""An archive of 6,819 mails, and seven in other languages, into a node and out of it again.

What is in each mail, and which mails talk of the same thing, is found by Python's own mail library
(../compat/archive.py). What the node holds is read by the independent decoder. The two must agree,
mail by mail; so must Python's mailbox and what is exported; and so must a second node.
"""
import collections
import re
import sys

sys.dont_write_bytecode = True

import archives  # noqa: E402
from archives import Archivist, Original, archive  # noqa: E402
from harness import Forum, pair, tap_run  # noqa: E402

LIST = archives.sources("lists/python-committers.mbox*")
OTHERS = archives.sources("multilingual/*.mbox*")


def wanted_of(mail):
    """What 8.3 makes of a mail."""
    parts = [(p.name or "", p.type, None if p.attached_mail else p.data) for p in mail.others]
    return {"id": mail.id or "", "subject": mail.subject, "author": mail.author, "date": mail.date,
            "references": mail.references, "parts": parts,
            "text": mail.text or "" if mail.html is None else
            "".join(archive.words_of(mail.html)) + "".join((mail.text or "").split())}


def held_of(post, html):
    """The same of a content; when words come from HTML, without the space between them."""
    imported = post.content.imported
    text = post.content.text.decode()
    return {"id": imported.message_id.decode(), "subject": post.content.subject.decode(),
            "author": imported.author.decode(),
            "date": imported.date or None,
            "references": [r.decode() for r in imported.references],
            "parts": [(p.name.decode(), p.media_type.decode().partition(";")[0].lower(),
                       None if p.media_type.startswith(b"message/rfc822") else p.data)
                      for p in post.content.parts],
            "text": "".join(text.split()) if html else text}


class Comparison:
    """How many are equal in every field, and what of the others differs."""

    def __init__(self):
        self.equal, self.examples = 0, []

    def compare(self, got, wanted, name):
        differ = [field for field, value in wanted.items() if got[field] != value]
        self.examples += ["%s: the %s is %.150r, and should be %.150r" % (
            name, field, got[field], wanted[field]) for field in differ]
        self.equal += not differ


def compare_held(tap, name, posts, original):
    """The contents of a node with the mails of the archive, field by field."""
    comparison, kinds = Comparison(), collections.Counter()
    by_id = {post.content.imported.message_id.decode(): post for post in posts
             if post.content.imported.message_id}
    nameless = [post for post in posts if not post.content.imported.message_id]
    if len(nameless) != len(original.without_id):
        comparison.examples.append("%d have no id, and should be %d" % (
            len(nameless), len(original.without_id)))
    pairs = [(by_id.get(i), raw) for i, raw in original.first.items()]
    for post, raw in pairs + list(zip(nameless, original.without_id)):
        mail = archive.Mail(raw)
        if post is None:
            comparison.examples.append("%s is not there" % mail.id)
            continue
        kinds["without an id"] += mail.id is None
        kinds["HTML and no alternative"] += mail.html is not None
        kinds["HTML beside the text"] += mail.alternatives > 0
        kinds["parts"] += len(mail.others)
        comparison.compare(held_of(post, mail.html is not None), wanted_of(mail), mail.id)
    extra = set(by_id) - set(original.first)
    comparison.examples += ["%s is nowhere in the archive" % i for i in sorted(extra)]
    tap.ok(not comparison.examples, "%s: %d mails are held as the archive has them: %s" % (
        name, comparison.equal, ", ".join("%d %s" % (n, what) for what, n in kinds.items() if n)
        or "text alone"), *comparison.examples[:10])


def compare_exported(tap, name, path, posts, original):
    """What Python's mailbox makes of the file with the mails of the archive."""
    found, count = archives.exported(path)
    tap.equal(count, 1 + len(posts), "%s: a mail for the topic, and one for each post" % name)
    comparison = Comparison()
    for i, raw in original.first.items():
        if i not in found:
            comparison.examples.append("%s is not there" % i)
            continue
        mail, back = archive.Mail(raw), found[i]
        again = archive.Mail(back.as_bytes())
        text = again.text or ""
        got = dict(wanted_of(again), text="".join(text.split()) if mail.html is not None else text)
        comparison.compare(got, wanted_of(mail), i)
    tap.ok(not comparison.examples, "%s: %d mails come out as they went in: id, subject, author, "
           "date, references, text and parts" % (name, comparison.equal), *comparison.examples[:10])
    again = Original.of(path)
    tap.ok(archive.partition({i: t for i, t in again.threads.items() if i in original.first})
           == original.partition, "%s: the file has the threads of the archive" % name)


def journals(home):
    return [path for path in archive.files_of(home) if "import" in str(path.relative_to(home))]


def bring(tap, forum, archivist, path):
    """Import a file, three times; compare what is held and exported; returns the topic."""
    name, plain = archives.name_of(path), archives.unpacked(path, forum.folder)
    original = Original.of(plain)
    topic = archivist.topic(name)
    report = archivist.bring("mbox", plain, topic)
    tap.say("%s: %s" % (name, {k: v for k, v in report.items() if k != "refusals"}))
    without = len(original.without_id)
    tap.equal((report["mails"], archives.counted(report)), (len(original.raws),) * 2,
              "%s: each mail is counted once" % name)
    tap.ok(len(original.first) <= report["imported"] <= len(original.first) + without
           and report["refused"] <= without,
           "%s: %d distinct ids are imported" % (name, len(original.first)), report)
    forum.settle(120)
    posts = list(archives.held(archivist.node, topic))
    tap.equal(len(posts), report["imported"], "%s: as many posts as were imported" % name)
    threads = archives.threads_held(posts)
    tap.ok(archive.partition(threads) == original.partition,
           "%s: %d threads, the largest of %d, each of the mails that Python says" % (
               name, len(original.partition), max(map(len, original.partition))),
           *difference(archive.partition(threads), original.partition))
    compare_held(tap, name, posts, original)

    again = archivist.bring("mbox", plain, topic)
    tap.equal((again["imported"], again["mails"]), (0, report["mails"]),
              "%s: a second time nothing is added" % name)
    found = journals(archivist.person.home)
    for journal in found:
        journal.unlink()
    again = archivist.bring("mbox", plain, topic)
    tap.ok(found and again["imported"] == 0,
           "%s: nor a third time, with the importer's journal lost" % name, found, again)
    forum.settle(120)
    tap.equal(len(list(archives.held(archivist.node, topic))), len(posts),
              "%s: as many posts as before" % name)
    return name, plain, original, topic, posts


def difference(got, wanted):
    for group in sorted(wanted - got, key=len)[:3]:
        yield "is not a thread: %.300r" % sorted(group)
    for group in sorted(got - wanted, key=len)[:3]:
        yield "should not be one: %.300r" % sorted(group)


def export_both(tap, forum, name, topic, posts, original):
    """At one node with its frontier, and at the other at that frontier: byte for byte."""
    frontier = forum.folder / (name + ".frontier")
    for form in ("mbox", "ndjson"):
        files = [forum.folder / ("%s.%s.%s" % (name, node, form)) for node in forum]
        archives.export(forum[0], form, topic, files[0], "--frontier", frontier)
        archives.export(forum[1], form, topic, files[1], "--at", frontier)
        tap.ok(files[0].read_bytes() == files[1].read_bytes() and files[0].stat().st_size,
               "%s: the second node exports the same %d bytes of %s" % (
                   name, files[0].stat().st_size, form))
        if form == "mbox":
            compare_exported(tap, name, files[0], posts, original)
    return forum.folder / ("%s.%s.mbox" % (name, forum[0]))


def body_lines(tap, name, plain, exported):
    """Lines that begin with `From ` and are no separators: each in its mail, and in no other."""
    data = plain.read_bytes()
    starts = {m.start() for m in archive.separators(data)}
    lines = [m.group().decode() for m in re.finditer(rb"^From [^\n]*", data, re.M)
             if m.start() not in starts]
    found = archives.exported(exported)[0]
    before = [(head.id, raw.decode("utf-8", "replace")) for head, raw in (
        (archive.Head(raw), raw) for raw in archive.mails(data))]
    after = [(i, archive.Mail(mail.as_bytes()).text or "") for i, mail in found.items()]
    good = sum(holders(line, before) == holders(line, after) for line in lines)
    tap.equal((len(lines), good), (5, 5), "%s: five lines of texts begin with `From `, and stay" %
              name)


def holders(line, mails):
    return {i for i, text in mails if "\n" + line + "\n" in "\n" + text + "\n"}


def main(tap):
    why = archives.missing(LIST, OTHERS)
    if why:
        print("1..0 # SKIP %s" % why)
        sys.exit(0)
    with Forum(["lists.example", "mirror.example"], edges=pair()) as forum:
        forum.start()
        archivist = Archivist(forum[0])
        brought = bring(tap, forum, archivist, LIST[0])
        original = brought[2]
        tap.equal((len(original.raws), len(original.first), len(original.partition),
                   max(map(len, original.partition))), (6819, 6777, 1134, 109),
                  "python-committers is what it was")
        body_lines(tap, brought[0], brought[1], export_both(tap, forum, brought[0], brought[3],
                                                            brought[4], original))
        for path in OTHERS:
            name, _, original, topic, posts = bring(tap, forum, archivist, path)
            export_both(tap, forum, name, topic, posts, original)
        forum.settle(60)
        hashes = [node.dump_hash() for node in forum]
        tap.equal(hashes[1], hashes[0], "the second node shows the same")
        tap.equal(len(list(archives.held(forum[1]))), len(list(archives.held(forum[0]))),
                  "and serves as many posts")


if __name__ == "__main__":
    tap_run(main)
