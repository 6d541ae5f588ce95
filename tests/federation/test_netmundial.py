#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The 120 contributions to NETmundial, between the nodes of its six sectors.

Each sector is an organisation with a node, and opens a thread; the nodes stand in a ring. Every
contribution is posted at its sector's node by one of its participants, with the attached document
as a part. In the end all six nodes must show every text and every part, byte by byte, and name the
same frontier. Then the same once more, with one node away for half of the time.
"""
import collections
import hashlib
import re
import sys

sys.dont_write_bytecode = True

from harness import CORPUS, Forum, in_parallel, ring, tap_run  # noqa: E402

FOLDER = CORPUS / "corpus/netmundial"
SECTORS = {
    "Civil Society": "civil-society.example",
    "Private Sector": "private-sector.example",
    "Government": "government.example",
    "Academia": "academia.example",
    "Technical community": "technical.example",
    "Other": "other.example",
}
STOPPED = "academia.example"
# Bytes that Windows-1252 leaves open stand for the C1 control of the same number (WHATWG).
OPEN_BYTES = {byte: chr(byte) for byte in (0x81, 0x8d, 0x8f, 0x90, 0x9d)}

Contribution = collections.namedtuple("Contribution", "number node title text part part_name")


def source_form(data):
    """UTF-8 if it is that, else from Windows-1252; and LF at the end of lines. Nothing else."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "".join(OPEN_BYTES.get(byte) or bytes([byte]).decode("cp1252") for byte in data)
    return text.replace("\r\n", "\n").encode()


def contributions_read():
    result = []
    for path in sorted(FOLDER.glob("[0-9][0-9][0-9]A.txt")):
        text = source_form(path.read_bytes())
        sector = re.search(r"(?m)^Sector: *(.*?) *$", text.decode()).group(1)
        part = path.with_name(path.name.replace("A.txt", "B.txt"))
        title = " ".join(text.decode().partition("\n")[0].split())[:200]
        result.append(Contribution(path.name[:3], SECTORS[sector], title or "Contribution", text,
                                   source_form(part.read_bytes()), part.name))
    return result


def digest(data):
    return hashlib.sha256(data).hexdigest()


def people_enrol(forum):
    people = in_parallel(lambda node: node.enrol("editor", group=node.name), forum, 3)
    return {node.name: person for node, person in zip(forum, people)}


def post_all(forum, people, threads, contributions, ids):
    """Each organisation posts its own, one after the other; all at the same time."""
    folder = forum.folder / "parts"
    folder.mkdir(exist_ok=True)
    queues = collections.defaultdict(list)
    for c in contributions:
        (folder / c.part_name).write_bytes(c.part)
        queues[c.node].append(c)

    def post(node):
        for c in queues[node]:
            ids[c.number] = people[node].reply(
                threads[node], c.text, subject=c.title, raw=True,
                attach=["%s:text/plain" % (folder / c.part_name)])

    in_parallel(post, queues)


def read_all(forum, person, threads):
    """What this participant's node gives: (id, digest) of texts, (name, digest) of parts."""
    texts, parts = [], []
    for name, thread in threads.items():
        folder = forum.folder / "read" / person.node.name / name
        folder.mkdir(parents=True)
        items = person.read(thread, save=folder)
        texts += [(item["id"], digest(item["content"]["text"].encode())) for item in items
                  if item["id"] != thread]
        parts += [(path.name, digest(path.read_bytes())) for path in folder.iterdir()]
    return collections.Counter(texts), collections.Counter(parts)


def check(tap, forum, people, contributions, ids, threads, label):
    frontier = forum.settle(40)
    tap.say("all nodes have the frontier %s" % frontier)
    frontiers = {status["frontier"] for status in forum.statuses()}
    tap.equal(frontiers, {frontier}, "%s: one frontier on six nodes" % label)
    tap.equal(len(set(ids.values())), len(contributions), "%s: every contribution posted" % label)

    texts = {c.number: (ids[c.number], digest(c.text)) for c in contributions}
    parts = {c.number: (c.part_name, digest(c.part)) for c in contributions}
    names = [node.name for node in forum]
    found = in_parallel(lambda name: read_all(forum, people[name], threads), names, 2)
    for name, (texts_found, parts_found) in zip(names, found):
        for what, got, wanted in ("text", texts_found, texts), ("part", parts_found, parts):
            wrong = [n for n in sorted(wanted) if got[wanted[n]] != 1]
            tap.ok(not wrong and sum(got.values()) == len(wanted),
                   "%s: %s shows %d %ss as they were written" % (label, name, len(wanted), what),
                   "%d in all; wrong: %s" % (sum(got.values()), " ".join(wrong)))
    dumps = {node.dump_hash() for node in forum}
    tap.equal(len(dumps), 1, "%s: the same shown everywhere" % label)


def run(tap, contributions, stopped, label):
    ids = {}
    with Forum(SECTORS.values(), ring(6), purpose="NETmundial, 2014.") as forum:
        forum.start()
        people = people_enrol(forum)
        topic = people["other.example"].topic("Contributions")
        forum.settle()
        threads = {name: person.post(topic, name, "Contributions from here.")
                   for name, person in people.items()}
        tap.say("%s: six nodes are up" % label)
        if stopped:
            post_all(forum, people, threads, contributions[0::2], ids)
            forum[stopped].stop()
            rest = contributions[1::2]
            post_all(forum, people, threads, [c for c in rest if c.node != stopped], ids)
            others = [node for node in forum if node.name != stopped]
            forum.settle(30, others)
            tap.ok(True, "%s: five nodes go on without the sixth" % label)
            forum[stopped].start()
            forum[stopped].wait_sealing()
            post_all(forum, people, threads, [c for c in rest if c.node == stopped], ids)
        else:
            post_all(forum, people, threads, contributions, ids)
        tap.say("%s: %d contributions posted" % (label, len(ids)))
        check(tap, forum, people, contributions, ids, threads, label)
        forum.stop()


def main(tap):
    if not FOLDER.is_dir():
        tap.skip("NETmundial on six nodes", "no corpus in %s" % FOLDER)
        return
    contributions = contributions_read()
    counts = collections.Counter(c.node for c in contributions)
    tap.ok(len(contributions) == 120 and len(counts) == 6, "120 contributions of six sectors",
           dict(counts))
    run(tap, contributions, None, "all up")
    run(tap, contributions, STOPPED, "one away")


tap_run(main)
