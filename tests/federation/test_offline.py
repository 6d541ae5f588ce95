#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reading without a connection: what `convene sync` keeps gives the same answers as the node.

Two nodes; alice's is stopped. Then: words are found in several scripts; `convene follow` goes through
a restart of its node; a second sync with nothing new costs few bytes, however much is kept.
"""
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402

# Texts in several scripts, and words to find them by, as people type them.
TEXTS = {
    "pt": ("A próxima reunião será em São Paulo, e a votação na semana seguinte.",
           ["sao paulo", "VOTACAO", "próxima"]),
    "ar": ("تُنشَر القَواعِد قبل الاجتماع بأسبوع.", ["القواعد", "تنشر", "القَواعد"]),
    "he": ("הַכְּלָלִים יתפרסמו שבוע לפני הפגישה.", ["הכללים", "הפגישה", "הַכללים"]),
    "zh": ("会议之前一周公布互联网治\n理的规则。", ["治理", "规则", "公布"]),
    "ru": ("Правила опубликуют за неделю до встречи; всё обсудим.", ["ПРАВИЛА", "все обсудим"]),
}


def convene(person, *words, stdin=b""):
    """(exit code, output, what was said) of `convene WORDS`."""
    done = subprocess.run([str(harness.CONVENE), *map(str, words)], input=stdin,
                          capture_output=True, timeout=120, check=False,
                          env=dict(os.environ, LC_ALL="C.UTF-8", CONVENE_HOME=str(person.home)))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def fill(forum, alice, bob):
    """Three topics with threads; returns their ids and the posts of each."""
    rng = random.Random(6)
    topics, posts = {}, {}
    for number in range(3):
        topic = alice.topic("Topic %d" % number)
        topics[number] = topic
        posts[topic] = []
    forum.settle()
    for number in range(24):
        topic = topics[number % 2]
        writer = rng.choice((alice, bob))
        if posts[topic] and rng.random() < 0.7:
            post = writer.reply(rng.choice(posts[topic]), "Answer %d\nof several lines." % number)
        else:
            post = writer.post(topic, "Thread %d" % number, "Text %d" % number)
        posts[topic].append(post)
        forum.settle()
    return topics, posts


def answers(person, topics, posts, *more):
    """What the commands say to people and to programs, of all that is there."""
    words = [["topics"], ["topics", "--json"]]
    for topic in topics:
        words += [["threads", topic], ["threads", topic, "--json", "--limit", "3", "--skip", "1"]]
        for post in posts[topic]:
            words += [["read", post, "--json"], ["read", post[:12], "--all"]]
    return {" ".join(w): convene(person, *w, *more) for w in words}


def compare(tap, online, offline, name):
    differ = [w for w in online if online[w][:2] != offline[w][:2]]
    first = differ[0] if differ else None
    tap.ok(not differ, name, first, online.get(first), offline.get(first))


def test_same(tap, forum, alice, topics, posts):
    kept = [topics[0], topics[1]]
    code, out, err = convene(alice, "search", "anything", "--offline")
    tap.ok(code == 5 and "convene sync" in err, "a search without a copy says how to have one",
           code, err)
    code, out, err = convene(alice, "sync", *kept)
    tap.ok(code == 0 and "24 new posts" in out, "two topics of three are kept", out, err)
    online = answers(alice, kept, posts)
    forum[0].stop()
    offline = answers(alice, kept, posts)
    compare(tap, online, offline, "without its node, alice reads the same (%d answers)" % len(online))
    said = {answer[2] for answer in offline.values()}
    tap.ok(len(said) == 1 and "can't be reached" in min(said) and "this is your copy of 20"
           in min(said), "and is told once each time", said)
    code, out, err = convene(alice, "threads", topics[2])
    tap.ok(code == 3 and "convene sync %s" % topics[2][:8] in err,
           "what isn't kept can't be read, and it says what keeps it", code, err)
    code, out, err = convene(alice, "sync")
    tap.ok(code == 3, "there is nothing to sync with", code, err)
    forum[0].start()
    compare(tap, online, answers(alice, kept, posts, "--offline"),
            "--offline answers the same while the node is there")
    code, out, err = convene(alice, "follow", "--offline")
    tap.equal(code, 3, "what needs the node says so with --offline")
    convene(alice, "sync", "--drop", topics[1])
    code, out, err = convene(alice, "threads", topics[1], "--offline")
    tap.equal(code, 3, "a dropped topic is gone")
    alice.convene("sync", topics[1])
    compare(tap, online, answers(alice, kept, posts, "--offline"), "and comes back whole")


def test_thin(tap, forum, alice):
    alice.convene("sync")
    again = alice.convene("sync")
    tap.ok(again["posts"] == 0 and again["bytes"] < 1500,
           "a second sync with nothing new: %d bytes in frames, the head's proof included" % again["bytes"], again)


def test_words(tap, forum, alice, topics):
    ids = {}
    for lang, (text, _) in TEXTS.items():
        code, out, err = convene(alice, "post", topics[0], "--subject", "In %s" % lang, "--lang",
                                 lang, "--json", stdin=text.encode())
        ids[lang] = harness.json.loads(out)["id"]
    forum.settle()
    for lang, (_, words) in TEXTS.items():
        for word in words:
            found = alice.convene("search", word)["items"]
            tap.ok([item["id"] for item in found] == [ids[lang]],
                   "%s is found, and nothing else" % word, found)
    both = alice.convene("search", "in", "ПРАВИЛА", "--topic", "Topic 0", "--offline")["items"]
    tap.ok([item["id"] for item in both] == [ids["ru"]], "all words must be there", both)
    tap.ok("Правила" in both[0]["snippet"], "the line with the word is shown", both)
    tap.equal(alice.convene("search", "правила", "алиса")["items"], [], "not some of them")
    name = alice.convene("search", "alice@a.example", "--limit", "1000")["items"]
    tap.ok(len(name) > len(TEXTS), "authors are found too", len(name))


def test_follow(tap, forum, alice, bob, topics):
    """Items of a node that is stopped and killed meanwhile: each once, in order."""
    follower = subprocess.Popen(
        [str(harness.CONVENE), "follow", topics[0], "--json"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=open(alice.home / "follow.err", "wb"),
        env=dict(os.environ, LC_ALL="C.UTF-8", CONVENE_HOME=str(alice.home)))
    forum.keep_process(follower)
    seen, sent = [], []

    def reader():
        for line in follower.stdout:
            seen.append(harness.json.loads(line))

    thread = threading.Thread(target=reader)
    thread.start()
    time.sleep(1)
    # Nothing has come yet when the connection is lost: what comes meanwhile is not lost for that.
    forum[0].stop()
    sent.append(bob.post(topics[0], "While away", "One."))
    bob.post(topics[1], "Elsewhere", "Not for this follower.")
    forum[0].start()
    forum.settle()
    for number in range(6):
        sent.append(bob.post(topics[0], "Number %d" % number, "x" * (100000 if number % 2 else 10)))
        if number == 3:
            forum[0].kill()
            sent.append(bob.post(topics[0], "While killed", "Two."))
            forum[0].start()
    forum.settle()
    harness.poll("not all came: %d of %d" % (len(seen), len(sent)), 90,
                 lambda: len(seen) >= len(sent))
    time.sleep(1)
    tap.equal(sorted(item["id"] for item in seen), sorted(sent),
              "follow goes through a stop and a kill: each post once")
    arrivals = [item["arrival"] for item in seen]
    tap.ok(arrivals == sorted(arrivals), "in the order of arrival", arrivals)
    tap.ok(all(item["content_state"] == "present" and item["content_check"] == "good"
               for item in seen), "with large texts, whole",
           [item["content_state"] for item in seen])
    follower.send_signal(signal.SIGINT)
    code = follower.wait(10)
    thread.join()
    tap.ok(code == -signal.SIGINT, "Ctrl-C ends it (130 to a shell)", code)


def test_changes(tap, forum, alice, bob, topics, posts):
    """Amendments and erasures, on the node and in the copy."""
    thread = bob.post(topics[0], "To be amended", "First text, with a rhinoceros.")
    reply = alice.reply(thread, "A reply with a hippopotamus.")
    other = bob.reply(thread, "Stays.")
    forum.settle()
    alice.convene("sync")
    convene(bob, "amend", thread, "--subject", "Amended", stdin=b"Second text, with a zebra.")
    convene(bob, "amend", thread, "--subject", "Amended twice", stdin=b"Third text: giraffe.")
    code, out, err = convene(alice, "erase", reply, "--yes", "--json")
    tap.equal(code, 0, "alice erases a post of hers")
    forum.settle()

    def same(what):
        done = alice.convene("sync")
        words = [["read", thread, "--json"], ["read", thread], ["threads", topics[0], "--json"],
                 ["topics", "--json"]]
        online = [convene(alice, *w)[:2] for w in words]
        offline = [convene(alice, *w, "--offline")[:2] for w in words]
        tap.equal(offline, online, "the copy shows %s as the node does" % what)
        return done, online

    done, online = same("what was amended and erased")
    tap.ok(done["amended"] == 2 and done["erased"] == 1, "sync counts them", done)
    tap.ok("Third text: giraffe." in online[1][1] and "amended 20" in online[1][1]
           and "(erased by its author, 20" in online[1][1]
           and "rhinoceros" not in online[1][1] and "hippopotamus" not in online[1][1],
           "people see the text in force, and that another was erased", online[1][1])
    tap.equal([len(alice.convene("search", word, "--offline")["items"]) for word in
               ("giraffe", "zebra", "rhinoceros", "hippopotamus")], [1, 0, 0, 0],
              "only what is in force is found")
    files = b"".join(path.read_bytes() for path in alice.home.glob("copy.db*"))
    tap.ok(b"hippopotamus" not in files and b"giraffe" in files,
           "an erased text is gone from the files")

    items = bob.convene("read", thread)["items"]
    convene(bob, "erase", items[0]["amended"]["id"], "--yes")
    forum.settle()
    done, online = same("the text before an erased amendment")
    tap.ok("Second text, with a zebra." in online[1][1], "which is the one before", online[1][1])

    # From nothing, after all of it.
    alice.convene("sync", "--anew")
    done, online = same("the same, fetched anew")
    tap.ok(other in online[0][1], "with what stays")
    follower = bob.follow(0)
    lines = {}
    for item in follower.items():
        lines[item["id"]] = item
        if item["kind"] == "erase" and item["target"]["id"] == items[0]["amended"]["id"]:
            break
    follower.stop()
    kinds = [item["kind"] for item in lines.values()]
    tap.ok(kinds.count("amend") == 2 and kinds.count("erase") == 2 and
           all(item["signature"] == "good" for item in lines.values()),
           "follow tells of changes as they come", kinds)


def test_after(tap, forum, alice, bob, topics):
    """What was written since: the next sync brings it, and a killed sync loses nothing."""
    for number in range(10):
        bob.post(topics[0], "Later %d" % number, "y" * 70000)
    forum.settle()
    for delay in (0.005, 0.02, 0.05, 0.1):
        process = subprocess.Popen(
            [str(harness.CONVENE), "sync"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ, LC_ALL="C.UTF-8", CONVENE_HOME=str(alice.home)))
        time.sleep(delay)
        process.kill()
        process.wait()
    alice.convene("sync")
    online = alice.threads(topics[0])
    ids = [thread["id"] for thread in online]
    tap.equal(alice.convene("threads", topics[0], "--limit", "1000", "--offline")["threads"], online,
              "syncs that were killed lose nothing")
    tap.ok(all(alice.convene("read", post) == alice.convene("read", post, "--offline")
               for post in ids[:10]), "texts included")


def main(tap):
    with harness.Forum(["a.example", "b.example"], edges=harness.pair()) as forum:
        forum.start()
        alice, bob = forum[0].enrol("alice", name="Alice", group="civil society"), \
            forum[1].enrol("bob")
        topics, posts = fill(forum, alice, bob)
        tap.say("filled")
        test_same(tap, forum, alice, topics, posts)
        test_thin(tap, forum, alice)
        test_words(tap, forum, alice, topics)
        test_follow(tap, forum, alice, bob, topics)
        if convene(alice, "help", "amend")[0] == 0:
            test_changes(tap, forum, alice, bob, topics, posts)
        else:
            tap.skip("amendments and erasures in the copy", "this convene has no amend")
        test_after(tap, forum, alice, bob, topics)
        test_thin(tap, forum, alice)


if __name__ == "__main__":
    harness.tap_run(main)
