#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The act of writing: quoting in an editor, drafts, amending, erasing, and all of it while the node
is away.

The editor is a script, on a terminal of its own, as a person's would be.
"""
import json
import os
import pty
import re
import subprocess
import sys
import threading

sys.dont_write_bytecode = True

from harness import CONVENE, Forum, in_parallel, pair, poll, tap_run  # noqa: E402
from rogue import Key, pb, spec  # noqa: E402

USAGE, REFUSED, UNREACHABLE, NOT_FOUND, LOCAL, INPUT = 1, 2, 3, 5, 6, 7
LIMIT = 65536


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return "exit code %d, %r, %r" % (self.code, self.out, self.err)

    def json(self):
        return json.loads(self.out)


def call(person, *words, stdin=b"", env=None):
    """Run convene with a pipe; any exit code."""
    done = subprocess.run([str(CONVENE), *words], input=stdin, capture_output=True, check=False,
                          timeout=60, env=dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC",
                                               CONVENE_HOME=str(person.home), **(env or {})))
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


class Editor:
    """A program for $VISUAL: keeps what it was given, and leaves something else."""

    def __init__(self, folder):
        self.seen, self.text = folder / "editor-seen", folder / "editor-text"
        self.path = folder / "editor"
        self.folder = folder

    def script(self, body):
        self.path.write_text("#!/bin/sh\ncp \"$1\" '%s'\n%s\n" % (self.seen, body))
        self.path.chmod(0o700)

    def append(self, text, code=0):
        self.text.write_text(text)
        self.script("cat '%s' >> \"$1\"; exit %d" % (self.text, code))

    def replace(self, text):
        self.text.write_text(text)
        self.script("cat '%s' > \"$1\"" % self.text)

    def nothing(self, code=0):
        self.script("exit %d" % code)

    def given(self):
        return self.seen.read_text()

    def run(self, person, *words, answer=b""):
        """Run convene with standard input from a terminal."""
        master, slave = pty.openpty()
        os.write(master, answer)
        env = dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC", CONVENE_HOME=str(person.home),
                   VISUAL=str(self.path))
        process = subprocess.Popen([str(CONVENE), *words], stdin=slave, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=env)
        guard = threading.Timer(60, process.kill)
        guard.start()
        out, err = process.communicate()
        guard.cancel()
        os.close(slave)
        os.close(master)
        return Result(process.returncode, out.decode(), err.decode())


def drafts(person):
    return person.convene("drafts")["drafts"]


def item_of(person, post):
    return next(i for i in person.read(post, whole=True) if i["id"].startswith(post))


def text_of(person, post):
    return item_of(person, post).get("content", {}).get("text")


def check_quoting(tap, alice, bob, topic, editor):
    post = alice.post(topic, "A draft", "> from before\nA line of words. " + "word " * 40 +
                      "https://example.org/" + "x" * 80 + "\nThe end.\n-- \nAlice\n")
    editor.append("I agree.\n")
    done = editor.run(bob, "reply", post, "--json")
    tap.equal(done.code, 0, "a reply from the editor is sent")
    lines = editor.given().splitlines()
    tap.ok(re.fullmatch(r"On \d{4}-\d\d-\d\d at \d\d:\d\d UTC, alice@a\.example wrote:", lines[0]),
           "the editor begins with who wrote when", lines[0])
    tap.equal(lines[1], ">> from before", "a quotation within is one level deeper")
    tap.ok(all(line.startswith(">") for line in lines[1:-1]) and lines[-1] == "",
           "every line is quoted, and room is left below", editor.given())
    tap.ok(all(len(line) <= 78 or "https://" in line for line in lines) and
           any("https://example.org/" + "x" * 80 in line for line in lines),
           "long lines are folded, a URL is not", editor.given())
    tap.ok("Alice" not in "".join(lines[1:]), "the signature is left out")
    tap.equal(text_of(alice, done.json()["id"]), editor.given() + "I agree.\n",
              "what was written below the quotation is there")

    editor.nothing()
    done = editor.run(bob, "reply", post)
    tap.ok(done.code == INPUT and "nothing was added to the quotation" in done.err,
           "a quotation alone is no answer", done)
    editor.replace("> The end.\n")
    done = editor.run(bob, "reply", post)
    tap.ok(done.code == INPUT, "nor is a shorter one", done)
    tap.equal(drafts(bob), [], "and neither stays as a draft")
    editor.replace("Anew.\n")
    done = editor.run(bob, "reply", post, "--no-quote", "--json")
    tap.ok(done.code == 0 and editor.given() == "", "--no-quote begins with nothing", done)
    done = call(bob, "reply", post, "--quote", "--json", stdin=b"By a pipe.\n")
    text = text_of(bob, done.json()["id"])
    tap.ok("\n>> from before\n" in text and text.endswith("\n\nBy a pipe.\n"),
           "--quote sets the quotation before a text that comes by a pipe", text)
    done = call(bob, "reply", post, "--json", stdin=b"Plain.\n")
    tap.equal(text_of(bob, done.json()["id"]), "Plain.\n", "without it there is none")
    return post


def check_drafts(tap, alice, bob, topic, post, editor):
    editor.append("Half an answer.\n", code=1)
    done = editor.run(bob, "reply", post)
    tap.ok(done.code == LOCAL and "draft 1" in done.err, "an editor that fails leaves a draft", done)
    kept = drafts(bob)
    tap.ok(len(kept) == 1 and kept[0]["kind"] == "reply" and kept[0]["to"] == post and
           kept[0]["about"] == "A draft" and kept[0]["text"].endswith("Half an answer.\n"),
           "it says what it answers, and has the text", kept)
    shown = call(bob, "drafts").out
    tap.ok("Half an answer." in shown and "> " not in shown, "the list shows one's own first line",
           shown)
    editor.append("And the rest.\n")
    done = editor.run(bob, "drafts", "edit", "1")
    tap.ok(done.code == 0 and editor.given() == kept[0]["text"], "it is edited again", done)
    done = call(bob, "drafts", "send", "1", "--json")
    tap.ok(done.code == 0 and text_of(bob, done.json()["id"]) ==
           kept[0]["text"] + "And the rest.\n", "and sent", done)
    tap.equal(drafts(bob), [], "then it is gone")
    tap.equal(item_of(bob, done.json()["id"])["parent"]["id"], post, "it answers that post")

    done = call(bob, "post", topic, "-s", "Later", "--draft", "--json", stdin=b"Not yet.\n")
    number = str(done.json()["draft"])
    tap.ok(done.code == 0 and "Not yet." in call(bob, "drafts", "show", number).out,
           "--draft sends nothing", done)
    tap.equal([t for t in bob.threads(topic) if t["subject"] == "Later"], [], "to anybody")
    tap.equal(call(bob, "drafts", "drop", number).code, 0, "a draft can be thrown away")
    tap.equal(call(bob, "drafts", "drop", number).code, NOT_FOUND, "once")

    # Killed between signing and removing the draft: it is not signed again.
    number = str(call(bob, "post", topic, "-s", "Once", "--draft", "--json",
                      stdin=b"Once.\n").json()["draft"])
    bob.convene("sync", topic)
    signed = call(bob, "--offline", "post", topic, "-s", "Once", "--json", stdin=b"Once.\n").json()
    path = bob.home / "drafts" / number
    sequence = call(bob, "--offline", "outbox", "--json").json()["sequence"]
    path.write_text(path.read_text().replace(
        "\n\n", "\nsigned: %d %s\n\n" % (sequence, signed["id"]), 1))
    done = call(bob, "drafts", "send", number)
    tap.ok(done.code == 0 and "signed before" in done.err and drafts(bob) == [],
           "a draft that was signed is not signed twice", done)
    tap.equal(len([t for t in bob.threads(topic) if t["subject"] == "Once"]), 1, "and there once")

    done = call(bob, "reply", "0123456789abcdef", stdin=b"To nobody.\n")
    tap.ok(done.code == NOT_FOUND and "kept as draft" in done.err,
           "a text for a post that isn't there is kept", done)
    done = call(bob, "post", topic, "-s", "Bytes", stdin=b"caf\xe9\n")
    tap.ok(done.code == INPUT and "byte 3" in done.err and "kept as draft" in done.err,
           "so is one that is not UTF-8", done)
    done = call(bob, "post", topic, "-s", "Size", stdin=b"x" * (LIMIT + 1))
    tap.ok(done.code == INPUT and str(LIMIT) in done.err and "kept as draft" in done.err,
           "so is one above the charter's limit, which is told before it is signed", done)
    tap.equal(len(bob.outbox()), 0, "nothing of that was signed")
    for draft in drafts(bob):
        call(bob, "drafts", "drop", str(draft["number"]))


def check_amend(tap, alice, bob, topic, editor, folder):
    part = folder / "plan.txt"
    part.write_text("The plan.")
    post = alice.post(topic, "To be better", "First words.\n", attach=[part])
    editor.nothing()
    done = editor.run(alice, "amend", post, "--json")
    tap.ok(done.code == 0 and done.json()["status"] == "unchanged" and
           editor.given() == "First words.\n", "an unchanged text is not sent", done)
    done = call(bob, "amend", post, stdin=b"Mine.\n")
    tap.ok(done.code == REFUSED and "not yours" in done.err, "nobody amends another's post", done)
    editor.append("And more.\n")
    done = editor.run(alice, "amend", post, "--json")
    tap.ok(done.code == 0 and done.json()["target"] == post, "the editor's text amends it", done)
    first = done.json()["id"]
    content = poll("the amended text is shown", 10, lambda: (
        lambda c: c if c.get("text") == "First words.\nAnd more.\n" else None)(
            item_of(bob, post).get("content", {})))
    tap.ok(content["subject"] == "To be better" and
           [a["name"] for a in content["attachments"]] == ["plan.txt"],
           "subject and attachments stay", content)
    done = call(alice, "amend", post, "--subject", "Better", "--no-attachments", "--json")
    content = poll("the subject is changed", 10, lambda: (
        lambda c: c if c.get("subject") == "Better" else None)(item_of(bob, post)["content"]))
    tap.ok(content["text"] == "First words.\nAnd more.\n" and content["attachments"] == [],
           "a subject changes alone", content)
    done = call(alice, "amend", topic, "--subject", "Another title", "--json")
    tap.equal(done.code, 0, "a topic gets another title")
    poll("the title is shown", 10, lambda: "Another title" in [t["title"] for t in bob.topics()])
    return post, first, done.json()["id"]


def check_erase(tap, alice, bob, topic, post, first, editor):
    last = json.loads(call(alice, "amend", post, "--json", stdin=b"Last words.\n").out)["id"]
    poll("the last text is shown", 10, lambda: text_of(bob, post) == "Last words.\n")
    done = call(alice, "erase", last, "--yes", "--json")
    tap.equal(done.code, 0, "an amendment is erased")
    poll("the text before it is shown", 10,
         lambda: text_of(bob, post) == "First words.\nAnd more.\n")
    done = call(alice, "erase", post)
    tap.ok(done.code == USAGE and "--yes" in done.err, "erasing asks, or wants --yes", done)
    done = editor.run(alice, "erase", post, answer=b"no\n")
    tap.ok(done.code == 0 and "copies that people made" in " ".join(done.out.split()) and
           text_of(alice, post), "it says what it can't reach, and takes a no", done)
    done = call(bob, "erase", post, "--yes")
    tap.ok(done.code == REFUSED and "not yours" in done.err, "nobody erases another's post", done)
    done = editor.run(alice, "erase", post, "--reason", "wish", answer=b"yes\n")
    tap.equal(done.code, 0, "a yes erases")
    item = poll("it is shown as erased", 10, lambda: (
        lambda i: i if i["content_state"] == "erased" else None)(item_of(bob, post)))
    tap.ok("content" not in item, "the text is gone")
    tap.ok(not any(b"First words." in path.read_bytes()
                   for path in (alice.home / "outbox").rglob("*.message")),
           "from the outbox as well")
    done = call(alice, "erase", post, "--yes", "--json")
    tap.equal(done.json()["status"], "erased", "a second time it is said so")
    done = call(alice, "amend", post, stdin=b"Back.\n")
    tap.ok(done.code == NOT_FOUND and "erased" in done.err, "and it can't be amended", done)


def check_offline(tap, node, alice, topic, editor):
    node.stop()
    words = [("topic", "Written away"),
             ("post", topic, "-s", "While the node is away", "--file", "-"),
             ("reply", None, "--file", "-"), ("amend", None, "--file", "-")]
    texts = [b"", b"Away.\n", b"An answer to myself.\n", b"Away, amended.\n"]
    ids = []
    for line, text in zip(words, texts):
        line = [ids[1] if word is None else word for word in line]
        done = call(alice, *line, "--json", stdin=text)
        if done.code != UNREACHABLE or done.json().get("status") != "waiting":
            tap.ok(False, "%s while the node is away" % line[0], done)
            return
        ids.append(done.json()["id"])
    tap.ok(True, "topic, post, answer and amendment are signed while the node is away")
    done = call(alice, "--offline", "post", ids[0], "-s", "In the new topic", "--json",
                stdin=b"With --offline.\n")
    tap.ok(done.code == 0 and done.json()["status"] == "waiting" and "kept" in done.err,
           "with --offline that is no trouble", done)
    ids.append(done.json()["id"])
    editor.nothing()
    done = editor.run(alice, "reply", ids[1])
    tap.ok("alice@a.example wrote:\n> Away, amended.\n" in editor.given(),
           "what waits is quoted as it was amended", editor.given())
    done = call(alice, "outbox", "--json", "--offline")
    waiting = done.json()["messages"]
    tap.ok(done.code == 0 and [m["id"] for m in waiting] == ids and
           waiting[3]["target"] == ids[1] and waiting[2]["parent"] == ids[1],
           "the outbox lists them in order", waiting)
    done = call(alice, "reply", "feedfacefeedface", stdin=b"Unknown.\n")
    tap.ok(done.code == UNREACHABLE and "kept as draft" in done.err,
           "an answer to what isn't known here stays as a draft", done)
    for draft in drafts(alice):
        call(alice, "drafts", "drop", str(draft["number"]))
    node.start()
    node.wait_sealing()
    poll("the outbox gets empty", 20, lambda: alice.outbox() == [])
    items = alice.read(ids[1])
    tap.equal([i["id"] for i in items], [ids[1], ids[2]], "post and answer arrive, once")
    tap.equal(items[0]["content"]["text"], "Away, amended.\n", "amended")
    follower = alice.follow(0)
    guard = threading.Timer(20, follower.process.kill)
    guard.start()
    order, texts = [], []
    for item in follower.items():
        if item["id"] in ids:
            order.append(item["id"])
            texts.append(item["index"])
        if len(order) == len(ids):
            break
    guard.cancel()
    follower.stop()
    tap.equal(order, ids, "in the order of writing")
    tap.ok(texts == sorted(texts), "in the log as well", texts)


def check_refused(tap, forum, alice, topic):
    """What belongs to a refused message is not sent without it, and signed anew behind it."""
    node = alice.node
    node.stop()
    state = alice.home / "charter"
    kept = state.read_bytes()
    # A charter that isn't known here lets a text be signed that the node refuses.
    state.unlink()
    done = call(alice, "--offline", "post", topic, "-s", "Too large", "--json",
                stdin=b"y" * (LIMIT + 1))
    big = done.json()["id"]
    answer = call(alice, "--offline", "reply", big, "--json", stdin=b"To the large one.\n").json()
    after = call(alice, "--offline", "post", topic, "-s", "After it", "--json",
                 stdin=b"Small.\n").json()
    state.write_bytes(kept)
    node.start()
    node.wait_sealing()
    done = call(alice, "outbox", "--json")
    states = {m["id"]: m for m in done.json()["messages"]}
    tap.ok(states.get(big, {}).get("state") == "refused" and states[big].get("reason"),
           "a refused message tells why", states.get(big))
    tap.ok(states.get(answer["id"], {}).get("state") == "refused",
           "its answer is kept back", states.get(answer["id"]))
    tap.equal(item_of(alice, after["id"])["content"]["text"], "Small.\n", "what has no part in it is sent")
    again = call(alice, "outbox", "--again", "all", "--json").json()["messages"]
    tap.ok([m["state"] for m in again] == ["refused", "refused"] and
           again[0]["id"] != big and again[1]["parent"] == again[0]["id"],
           "signed anew, an answer answers the message's new id", again)
    for message in again:
        call(alice, "outbox", "--drop", str(message["sequence"]))
    tap.equal(alice.outbox(), [], "both can be thrown away")


def check_clock(tap, alice, topic):
    """Dated by a clock that has been put right since: nothing else waits until that time comes."""
    call(alice, "--offline", "post", topic, "-s", "From tomorrow", "--json", stdin=b"Early.\n")
    path = max((alice.home / "outbox").glob("*.message"))
    submit = pb.Submit.FromString(path.read_bytes())
    header = pb.Header.FromString(submit.submissions[0].message[:-64])
    header.time += 86400000
    data = header.SerializeToString(deterministic=True)
    bound = spec.binding(b"convene/v1/message", submit.forum, submit.log)
    submit.submissions[0].message = data + Key.load(alice.home / "device.key").sign(bound + data)
    path.write_bytes(submit.SerializeToString())
    after = call(alice, "post", topic, "-s", "From today", "--json", stdin=b"In time.\n")
    tap.ok(after.code == 0 and "is the clock right?" in after.err,
           "what is written behind a message from tomorrow is sent", after)
    waiting = call(alice, "outbox", "--json").json()["messages"]
    tap.equal([(m["state"], m["subject"]) for m in waiting], [("refused", "From tomorrow")],
              "that one is among the refused")
    call(alice, "outbox", "--again", "all")
    tap.equal(alice.outbox(), [], "and goes out signed anew")
    tap.equal(sum(t["subject"] == "From tomorrow" for t in alice.threads(topic)), 1, "once")


def check_at_once(tap, node, alice, topic):
    """Several programs on one home: each message gets a number of its own."""
    for flags in ([], ["--offline"]):
        done = in_parallel(lambda n: call(alice, *flags, "post", topic, "-s", "At once %d" % n,
                                          "--json", stdin=b"Text %d.\n" % n), range(6))
        ids = {d.json()["id"] for d in done}
        tap.ok(len(ids) == 6 and all(d.code == 0 for d in done),
               "six at once %s" % (flags or "with the node"), done)
    poll("the outbox gets empty", 20, lambda: alice.outbox() == [])
    titles = sorted(t["subject"] for t in alice.threads(topic) if "At once" in t["subject"])
    tap.equal(titles, sorted(2 * ["At once %d" % n for n in range(6)]), "each is there once")
    numbers = {call(alice, "post", topic, "-s", "x", "--draft", "--json", stdin=b"y").json()["draft"]}
    done = in_parallel(lambda n: call(alice, "post", topic, "-s", "x", "--draft", "--json",
                                      stdin=b"z"), range(5))
    numbers |= {d.json()["draft"] for d in done}
    tap.equal(len(numbers), 6, "drafts at once get different numbers")


def main(tap):
    with Forum(["a.example", "b.example"], pair(), terms=["--content-limit", str(LIMIT)]) as forum:
        forum.start()
        node = forum[0]
        alice, bob = node.enrol("alice"), node.enrol("bob")
        topic = alice.topic("Principles")
        editor = Editor(forum.folder)
        post = check_quoting(tap, alice, bob, topic, editor)
        check_drafts(tap, alice, bob, topic, post, editor)
        post, first, _ = check_amend(tap, alice, bob, topic, editor, forum.folder)
        check_erase(tap, alice, bob, topic, post, first, editor)
        check_offline(tap, node, alice, topic, editor)
        check_refused(tap, forum, alice, topic)
        check_clock(tap, alice, topic)
        check_at_once(tap, node, alice, topic)
        forum.settle()
        tap.equal(len({n.dump_hash() for n in forum}), 1, "the same shown at both nodes")


if __name__ == "__main__":
    tap_run(main)
