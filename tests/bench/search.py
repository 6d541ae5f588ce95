# SPDX-License-Identifier: BSD-2-Clause
"""Search: how fast an index catches up, how large it is, and how long an answer takes, on an archive
of 80,000 mails, beside public-inbox and SQLite's FTS5 on the same mails and questions (PEERS=1)."""
import random
import re
import statistics
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import archives
import peer_inbox
from harness import Failure, Forum, chain, poll
from nodes import filled
from web_client import Web

LIST = "scale/r-devel.mbox*"
QUERIES = 400
PAGE = 25


# ---- catching up ----

def caught_up(node, seconds=3600):
    def done():
        status = node.status()
        state = status["search"]
        return state and not state["behind"] and state["missing"] == 0 and \
            all(log["folded"] == log["size"] for log in status["logs"]) and state
    return poll("the index is behind", seconds, done, 0.05)


def content_bytes(made):
    return made["content_bytes"]


def catch_up(frame):
    """The index of a node that holds all, from nothing to all."""
    entries = frame.scale(100000, 5000)
    rounds = frame.medians()
    with filled(frame, entries, ["o.example"], chain(1)) as (forum, made):
        node = forum[0]
        for _ in rounds:
            node.stop()
            node.set_options(search="no")
            node.start()  # and the index is gone
            node.stop()
            node.set_options(search="yes")
            began = time.monotonic()
            node.start()
            up = time.monotonic()
            state = caught_up(node)
            took = time.monotonic() - up
            used = frame.process(node, "the node", fresh=True).end()
            rounds.add("rate", state["texts"] / took)
            rounds.add("cpu", used.threads.get("convened-relay/index", 0) / state["texts"] * 1e6)
            rounds.add("size", state["bytes"] / content_bytes(made))
            frame.say("%.0f/s, up after %.1f s" % (rounds.all("rate")[-1], up - began))
        # On top of taking a log in: the index follows views that others wait for.
    frame.figure("index, catching up", rounds["rate"], "/s", note=rounds.spread("rate"))
    frame.figure("  CPU of its thread", rounds["cpu"], "µs")
    frame.figure("  its size, of the texts'", rounds["size"], "×", target="≤ 1 ×", ratio=rounds["size"])


# ---- questions ----

def words_of(texts, rng, count):
    """Words as often as they stand in texts; two or three that stand in one text; phrases of it."""
    questions = []
    while len(questions) < count:
        text = rng.choice(texts)
        words = re.findall(r"[^\W\d_]{3,20}", text)
        if len(words) < 20:
            continue
        at, sort = rng.randrange(len(words) - 3), len(questions) % 4
        if sort == 0:
            questions.append([rng.choice(words)])
        elif sort == 1:
            questions.append([rng.choice(words), rng.choice(words)])
        elif sort == 2:
            questions.append([rng.choice(words) for _ in range(3)])
        else:
            found = re.findall(r"\b([A-Za-z]{3,20} [A-Za-z]{3,20})\b", text)
            questions.append(['"%s"' % (rng.choice(found) if found else words[at])])
    return [" ".join(words) for words in questions]


def asked(ask, questions):
    """Milliseconds for each, one after the other."""
    took = []
    for question in questions:
        began = time.monotonic()
        ask(question)
        took.append((time.monotonic() - began) * 1e3)
    return took


def fetched(url, none=200):
    """none: the status of a page that has no results."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        if error.code != none:
            raise
        error.read()


def asked_by(address, questions, none=200):
    """The same over HTTP; the first few are not counted."""
    def ask(question):
        fetched("%s?%s" % (address, urllib.parse.urlencode({"q": question})), none)
    asked(ask, questions[:20])
    return asked(ask, questions)


def told(frame, name, took, **more):
    at = sorted(took)
    value = at[min(len(at) - 1, len(at) * 95 // 100)]
    frame.figure(name + ", 95th percentile", value, "ms", note="median %.2f, most %.1f" % (
        statistics.median(at), at[-1]), **more)
    return value


class Asker:
    """Over the protocol, as `convene search` asks."""

    def __init__(self, node):
        self.guest = archives.Guest(("127.0.0.1", node.port), bytes.fromhex(node.status()["forum"]),
                                    timeout=60)
        self.stream = 0

    def __call__(self, question):
        self.stream += 1
        self.guest.send("SEARCH", archives.pb.Search(query=question.encode(), limit=PAGE), self.stream)
        while True:
            name, _, answer = self.guest.receive()
            if name == "PING":
                self.guest.send("PONG", answer, 0)
            elif name != "ITEMS":
                raise Failure("%s: %s" % (question, answer))
            elif answer.last:
                return


def beside_fts5(frame, node, questions):
    """Our index and SQLite's own, of the same texts, in one process (words.c)."""
    made = subprocess.run([frame.program("words"), node.folder / "data/convene.db", node.folder], text=True,
                          input="\n".join(questions), capture_output=True, check=True)
    for line in made.stdout.splitlines():
        name, size, _, cpu, _, median, late, most, used, found = line.split()
        name = "ours" if name == "ours" else "FTS5, " + name
        frame.figure("the index alone: %s" % name, float(size), "×")
        frame.figure("  making it, CPU of a text", float(cpu), "µs")
        frame.figure("  a question, 95th percentile", float(late) / 1e3, "ms",
                     note="median %.2f, most %.1f; CPU %s µs; %s found" % (
                         float(median) / 1e3, float(most) / 1e3, used, found))


def questions_about(frame, forum, plain):
    """Import the archive, and ask."""
    node, rng = forum[0], random.Random(1)
    web = Web(node)
    forum.start()
    archivist = archives.Archivist(node)
    topic = archivist.topic("r-devel")
    report = archivist.bring("mbox", plain, topic, timeout=3600)
    forum.settle(1200)
    state = caught_up(node)
    texts, size = [], 0
    for post in archives.held(node, topic):
        text = post.content.text.decode()
        size += len(post.content.text) + len(post.content.subject)
        if rng.random() < 0.05:
            texts.append(text)
    frame.say("%d mails in %.0f s; %d texts, %.1f MB" % (
        report["mails"], report["took"], state["texts"], size / 1e6))
    frame.figure("index of r-devel, of the text's size", state["bytes"] / size, "×", target="≤ 1 ×",
                 ratio=state["bytes"] / size)
    questions = words_of(texts, rng, frame.scale(QUERIES, 40))
    ask = Asker(node)
    asked(ask, questions[:20])
    with frame.process(node, "the node, a question") as used:
        took = asked(ask, questions)
    told(frame, "a page of results over TLS", took)
    frame.used(used, len(questions))
    if frame.peers:
        beside_fts5(frame, node, questions)
    return questions, asked_by(web.url("/search"), questions)


def run(frame):
    catch_up(frame)
    found = archives.sources(LIST)
    why = archives.missing(found)
    if why:
        frame.say("no questions: %s" % why)
        return
    with Forum(["lists.example"], edges=[], limits=dict(search="yes")) as forum:
        plain = archives.unpacked(found[0], forum.folder)
        if frame.small:
            plain = peer_inbox.first_mails(plain, forum.folder / "some.mbox", 2000)
        questions, ours = questions_about(frame, forum, plain)
        theirs = None
        if frame.peers:
            with peer_inbox.served(frame, plain, forum.folder / "inbox") as address:
                theirs = asked_by(address + "/", questions, 404) if address else None
        limit = told(frame, "public-inbox, over HTTP", theirs) if theirs else None
        told(frame, "a page of results over HTTP", ours, limit=limit,
             target="≤ 50 %" if limit else "")
