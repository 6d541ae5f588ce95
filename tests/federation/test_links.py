#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Long, thin and lossy links between real nodes, and links that are cut (linked.py).

Round trips of 200 ms (100 ms each way, on every hop), 1% of the packets lost in each direction,
10 Mbit/s and a queue of 256 KiB, unless a story says otherwise. Stories:

    stall    a peer that stalls, or drips, shows as stalled within a minute
    chain    in a chain of five the lag of 20 posts a second does not grow
    catchup  after a pause a node catches up at 80% of the rate at which plain TCP copies as many
             bytes over the same link, with the same packets lost, the same congestion control, in
             the same direction, between the same namespaces; both counted without what carries them
    ring     a ring of six that was cut in two while people wrote is one again within 10 s of
             healing, without a new post

Without a name all are told: at the same time, in namespaces of their own, but for those that write
a lot. With --long: 3 minutes of posts instead of 24 s, a cut of 10 minutes instead of 20 s, catching
up five times with each congestion control, and with more. CONVENE_LINKS=proxy: through a proxy on
the loopback, without namespaces and so without loss.
"""
import argparse
import os
import pathlib
import random
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import Failure, Forum, chain, in_parallel, poll, ring, tap_run  # noqa: E402
from rogue import Link, Rogue, pin  # noqa: E402

LINE = ["delay 100ms", "loss 1%", "rate 10mbit", "queue 256kb"]
POSTS_PER_SECOND = 20
RATIO = 0.8
HEALED_SECONDS = 10
STALLED_SECONDS = 60


def names(count):
    return ["n%d.example" % number for number in range(count)]


class Watchers:
    """Somebody at each node who notes when a post is shown there, with its text."""

    def __init__(self, people):
        self.seen = [{} for _ in people]
        self.followers = [person.follow() for person in people]
        self.threads = [threading.Thread(target=self._watch, args=(number,), daemon=True)
                        for number in range(len(people))]
        for thread in self.threads:
            thread.start()

    def _watch(self, number):
        for item in self.followers[number].items():
            if item["content_state"] == "present":
                self.seen[number].setdefault(item["id"], time.monotonic())

    def missing(self, posts):
        return sum(post not in seen for seen in self.seen for post in posts)

    def lag(self, post, accepted):
        """Seconds until the last node showed it."""
        return max(seen[post] for seen in self.seen) - accepted

    def stop(self):
        for follower in self.followers:
            follower.stop()
        for thread in self.threads:
            thread.join(10)


class Writers:
    """People who post in turn, so many posts a second in all, each at the own node. There are three
    at each, since who waits for an answer does not write."""

    def __init__(self, people, threads, rate, seed):
        self.posts, self.late, self.failed = [], 0.0, []  # posts: (when accepted, id)
        self._stop = threading.Event()
        began, share = time.monotonic(), len(people) / rate
        self._threads = [threading.Thread(target=self._write, daemon=True, args=(
            person, threads[number % len(threads)], began + number / rate, share,
            random.Random(seed + number))) for number, person in enumerate(people)]
        for thread in self._threads:
            thread.start()

    def _write(self, person, thread, at, pause, chance):
        while not self._stop.is_set():
            wait = at - time.monotonic()
            if wait > 0 and self._stop.wait(wait):
                return
            self.late = max(self.late, -wait)
            at += pause
            text = "word " * chance.randint(20, 200)
            try:
                post = person.reply(thread, text)
            except Failure as error:
                self.failed.append(error)
                return
            self.posts.append((time.monotonic(), post))

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        if self.failed:
            raise self.failed[0]

    def check(self, tap, seconds, what):
        """Whether they wrote as much as they should: a busy machine may be too slow for that."""
        text = "%d posts in %d s %s" % (len(self.posts), seconds, what)
        if len(self.posts) >= 0.9 * seconds * POSTS_PER_SECOND:
            tap.ok(True, text)
        else:
            tap.skip(text, "too busy a machine for %d a second: the writers were %.1f s late"
                     % (POSTS_PER_SECOND, self.late))


def settled_forum(forum, each=1):
    """Start; returns so many people per node, first one of each, and a thread per node."""
    forum.start()
    people = in_parallel(lambda number: forum[number % len(forum)].enrol("p%d" % number),
                         range(each * len(forum)), 4)
    topic = people[0].topic("Links")
    forum.settle(60)
    threads = in_parallel(lambda person: person.post(topic, "A thread", "Text."),
                          people[:len(forum)], 4)
    forum.settle(60)
    return people, topic, threads


def story_chain(tap, long, seed):
    seconds = 180 if long else 24
    with Forum(names(5), chain(5), linked=LINE, seed=seed) as forum:
        tap.say("links: " + forum.links.mode)
        people, _, threads = settled_forum(forum, 3)
        watchers = Watchers(people[:5])
        writers = Writers(people, threads, POSTS_PER_SECOND, seed)
        time.sleep(seconds)
        writers.stop()
        ids = [post for _, post in writers.posts]
        writers.check(tap, seconds, "along a chain of five")
        began = time.monotonic()
        poll(lambda: "%d posts are not shown everywhere" % watchers.missing(ids), 60,
             lambda: not watchers.missing(ids))
        drained = time.monotonic() - began
        lags = [watchers.lag(post, accepted) for accepted, post in sorted(writers.posts)]
        third = len(lags) // 3
        parts = [statistics.median(lags[n * third:(n + 1) * third]) for n in range(3)]
        tap.say("lag until the last of five nodes shows a post, in s: medians of the thirds %s, "
                "95%% within %.2f, longest %.2f; %.1f s from the last post until all were shown"
                % (", ".join("%.2f" % part for part in parts),
                   sorted(lags)[len(lags) * 95 // 100], max(lags), drained))
        tap.ok(parts[2] <= 1.25 * parts[0] + 0.5, "the lag does not grow: %.2f s in the first "
               "third, %.2f s in the last" % (parts[0], parts[2]), parts)
        watchers.stop()
        again = [(node.name, peer["name"], peer["entries_useful"], peer["entries_again"])
                 for node in forum for peer in node.peers().values()]
        useful, repeated = sum(row[2] for row in again), sum(row[3] for row in again)
        tap.ok(repeated <= useful / 50, "%d entries came once, %d again" % (useful, repeated),
               again)


SIZES = 400, 800, 1200, 2000, 6000  # of texts, as people write them
ENTRY = 260 + sum(SIZES) / len(SIZES)  # and what comes to each


def archive(path, count, first):
    """An archive of mails, for `convenectl import`: the quickest way to write much."""
    def date(n, form):
        return time.strftime(form, time.gmtime(1000000000 + 60 * n))
    with open(path, "w", encoding="ascii") as out:
        for n in range(first, first + count):
            text = ("Line %d of a mail that somebody wrote.\n" % n) * (SIZES[n % len(SIZES)] // 40)
            out.write("From x@example.org %s\nFrom: x@example.org (Person)\nDate: %s\nSubject: "
                      "Matter %d\nMessage-ID: <%d@example.org>\n\n%s\n" % (
                          date(n, "%a %b %d %H:%M:%S %Y"),
                          date(n, "%a, %d %b %Y %H:%M:%S +0000"), n, n, text))


def received(node, other):
    """Bytes of entries and texts, with their salts, that a node has of another on this link."""
    peer = node.peers()[other.name]
    return peer["data_in"] + peer["content_bytes_in"] + 32 * peer["contents_in"]


def pause_and_catch_up(tap, forum, person, topic, state, seconds):
    """Returns rates in kB/s: the node's, and that of a plain copy of as many bytes. Both clocks
    start when the connection is there, and end when the last byte is. Nothing is counted for the
    node but entries and texts: not their frames, nor TLS."""
    writer, reader = forum[0], forum[1]
    reader.stop()
    count = max(200, int(state["rate"] * seconds / ENTRY))
    path = forum.folder / "archive"
    archive(path, count, state["mails"])
    state["mails"] += count
    writer.ctl("import", "mbox", "--home", person.home, "--topic", topic, path, timeout=300)
    poll("the archive is not sealed", 60, lambda: writer.status()["inbox"] == 0)
    wanted = next(log["size"] for log in writer.status()["logs"] if log["own"])
    forum.links.reseed(state["seed"])
    reader.start()
    poll("no link", 60, lambda: reader.peers()[writer.name]["connected"], 0.02)
    began = time.monotonic()

    def done():
        log = next(log for log in reader.status()["logs"]
                   if log["organisation"] == writer.name)
        return log["size"] == wanted and log["contents_missing"] == 0

    poll("the node does not catch up", 300, done, 0.05)
    took = time.monotonic() - began
    size = received(reader, writer)
    forum.links.reseed(state["seed"])
    state["seed"] += 1
    rate, copy = size / took / 1e3, size / forum.links.copy(0, 1, size) / 1e3
    tap.say("catching up with %d entries, %.1f MB: %.0f kB/s; a plain copy of as much: %.0f kB/s: "
            "%.2f" % (count, size / 1e6, rate, copy, rate / copy))
    return rate, copy


def story_catchup(tap, long, seed, tcp=None):
    with Forum(names(2), chain(2), linked=LINE, seed=seed) as forum:
        tap.say("links: " + forum.links.mode)
        people, topic, _ = settled_forum(forum)
        controls = [None]
        if forum.links.packets:
            # Where there is bbr, the short form takes it: others are at the mercy of each loss.
            controls = [control for control in ([tcp] if tcp else ["bbr", "cubic", "reno"])
                        if forum.links.set_congestion(control)][:None if long else 1] or [None]
        state = {"mails": 0, "seed": seed}
        for control in controls:
            if control:
                forum.links.set_congestion(control)
            # What the line carries once a connection has warmed up.
            size = 500000
            for _ in range(2):
                state["rate"] = size / forum.links.copy(0, 1, size)
                size = int(5 * state["rate"])
            pairs = []
            # What else the machine does may fall on one of the two: if in doubt, three of them.
            most = 9 if long else 3
            while len(pairs) < (5 if long else 1) or (
                    len(pairs) < most and ratio_of(pairs) < RATIO) or len(pairs) % 2 == 0:
                pairs.append(pause_and_catch_up(tap, forum, people[0], topic, state,
                                                30 if long else 18))
            tap.ok(ratio_of(pairs) >= RATIO, "catching up carries %.2f of what a plain copy does%s"
                   % (ratio_of(pairs), " (TCP with %s)" % control if control else ""), pairs)


def ratio_of(pairs):
    return statistics.median(rate / copy for rate, copy in pairs)


def story_ring(tap, long, seed):
    seconds = 600 if long else 20
    with Forum(names(6), ring(6), linked=LINE, seed=seed) as forum:
        tap.say("links: " + forum.links.mode)
        people, _, threads = settled_forum(forum, 3)
        writers = Writers(people, threads, POSTS_PER_SECOND, seed)
        time.sleep(2)
        forum.links.set("down", (0, 5), (2, 3))
        time.sleep(seconds)
        writers.stop()
        writers.check(tap, seconds + 2,
                      "around a ring of six, cut in two for %d s of these" % seconds)
        frontiers = {status["frontier"] for status in forum.statuses()}
        tap.ok(len(frontiers) > 1, "the halves differ")
        states = [forum[i].peers()[forum[j].name]["state"] for i, j in ((0, 5), (5, 0), (2, 3))]
        tap.ok("up" not in states, "and say that their links are not up", states)
        forum.links.set("up")
        began = time.monotonic()
        forum.wait_frontiers_equal(60)
        took = time.monotonic() - began
        tap.ok(took <= HEALED_SECONDS, "identical frontiers %.1f s after healing" % took)
        forum.settle(60)
        tap.say("and all texts after %.1f s" % (time.monotonic() - began))


class Dripper:
    """A peer that answers PING, shows a log of many entries, and supplies hardly any."""

    ENTRIES = 400

    def __init__(self, rogue, node, pause):
        self.pause, self.sent, self.ended = pause, 0, threading.Event()
        self.link = Link(rogue, ("127.0.0.1", node.port), answers={"SUBSCRIBE": self.subscribed})

    def subscribed(self, link, stream, subscribe):
        log = link.find(subscribe.log)
        first = getattr(subscribe, "from")
        if log and self.pause:
            threading.Thread(target=self.drip, args=(log, first, stream), daemon=True).start()

    def drip(self, log, first, stream):
        for index in range(first, len(log.entries)):
            if self.ended.wait(self.pause):
                return
            self.link.send("DATA", log.data(index, index + 1), stream)
            self.sent += 1

    def end(self):
        self.ended.set()
        self.link.close()


def stalled(tap, node, name, what, began):
    """Until the peer is said to have stalled; returns its report."""
    try:
        peer = poll("%s does not show as stalled" % what, STALLED_SECONDS - (
            time.monotonic() - began), lambda: node.peers()[name]["state"] == "stalled"
            and node.peers()[name], 0.5)
    except Failure as failure:
        tap.ok(False, str(failure), node.peers()[name])
        return node.peers()[name]
    tap.ok(peer["stall"], "%s shows as stalled after %.0f s, since %d s: %s" % (
        what, time.monotonic() - began, peer["state_s"], peer["stall"]))
    return peer


def story_stall(tap, long, seed):
    with Forum(["a.example", "b.example", "rogue.example"], edges=[(0, 1)]) as forum:
        node, other = forum[0], forum[1]
        rogue = Rogue("rogue.example", str(forum[2].folder / "keys"),
                      (node.folder / "forum.charter").read_bytes())
        pin(node, "rogue.example", rogue.verifier())
        node.start()
        other.start()
        forum.settle(30, [node, other])
        device = rogue.enrol("drip")
        for number in range(Dripper.ENTRIES):
            rogue.write(device, text="Text %d." % number)
        for what, pause in (("a peer that drips", 1), ("a peer that shows and is silent", 0)):
            dripper = Dripper(rogue, node, pause)
            began = time.monotonic()
            if pause:
                os.killpg(other.process.pid, signal.SIGSTOP)
                stalled(tap, node, other.name, "a peer that was stopped", began)
                os.killpg(other.process.pid, signal.SIGCONT)
                poll("it is not up again", 30, lambda: node.peers()[other.name]["state"] == "up")
            peer = stalled(tap, node, "rogue.example", what, began)
            lag = peer["lags"][0] if peer["lags"] else {}
            tap.ok(lag.get("log") == rogue.log_name.decode() and
                   0 < lag["behind"] <= Dripper.ENTRIES and peer["behind"] == lag["behind"],
                   "with the log it does not supply, and the lag", peer)
            text = node.ctl("peers")
            tap.ok(all(word in text for word in (" stalled ", " has stalled: ",
                                                 rogue.log_name.decode())),
                   "the table says so", text)
            dripper.end()
            poll("the link is still there", 10, lambda: node.peers()["rogue.example"]["state"]
                 == "down")
        tap.equal(node.peers()[other.name]["state"], "up", "the honest peer is up")
        forum.settle(30, [other])


STORIES = {"stall": story_stall, "catchup": story_catchup, "chain": story_chain, "ring": story_ring}
# What runs at the same time: those that write a lot one after the other.
TOGETHER = ["stall"], ["catchup"], ["chain", "ring"]


class Part:
    """Some stories, in a process of their own, whose results become ours."""

    lock = threading.Lock()

    def __init__(self, tap, number, stories, options):
        self.tap, self.stories = tap, stories
        # Where there are no namespaces, they share the ports of the loopback.
        ports = "%d-%d" % (12000 + 6000 * number, 18000 + 6000 * number)
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--one-by-one", *options, *stories], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=dict(os.environ, CONVENE_PORTS=ports))
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        seen, plan = 0, None
        for line in self.process.stdout:
            result = re.fullmatch(r"(not )?ok \d+ - (.*?)(?: # SKIP (.*))?\n", line)
            with self.lock:
                if result and result[3]:
                    self.tap.skip(result[2], result[3])
                elif result:
                    self.tap.ok(not result[1], result[2])
                elif line.startswith("1.."):
                    plan = int(line[3:])
                else:
                    print("# %s: %s" % (self.stories[0], line.lstrip("# ").rstrip()), flush=True)
            seen += bool(result)
        with self.lock:
            if plan != seen or not seen:
                self.tap.ok(False, "%s went through" % " and ".join(self.stories),
                            "%d results, and planned were %s" % (seen, plan))

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()  # it ends its nodes
        self.process.wait(60)


def run_together(tap, groups, options):
    parts = []
    try:
        for number, stories in enumerate(groups):
            parts.append(Part(tap, number, stories, options))
        for part in parts:
            part.thread.join()
    finally:
        for part in parts:
            part.end()


def main(tap):
    parser = argparse.ArgumentParser(
        usage="%(prog)s [--long] [--seed N] [--tcp NAME] [--one-by-one] [STORY...]",
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="minutes instead of seconds: see above")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30),
                        help="which packets are lost, and how long texts are")
    parser.add_argument("--tcp", metavar="NAME", help="congestion control for catching up")
    parser.add_argument("--one-by-one", action="store_true", help="one story after the other")
    parser.add_argument("stories", nargs="*", choices=[[], *STORIES], metavar="STORY",
                        help=", ".join(STORIES))
    args = parser.parse_args()
    wanted = args.stories or list(STORIES)
    groups = [[name for name in group if name in wanted] for group in TOGETHER]
    groups = [group for group in groups if group]
    if len(groups) > 1 and not args.one_by_one:
        tap.say("seed %d" % args.seed)
        run_together(tap, groups, ["--seed", str(args.seed)] + ["--long"] * args.long
                     + (["--tcp", args.tcp] if args.tcp else []))
        return
    tap.say("%s, seed %d" % (" ".join(wanted), args.seed))
    for name in wanted:
        try:
            more = {"tcp": args.tcp} if name == "catchup" else {}
            STORIES[name](tap, args.long, args.seed, **more)
        except Failure as failure:
            tap.ok(False, "%s went through" % name, failure)


if __name__ == "__main__":
    tap_run(main)
