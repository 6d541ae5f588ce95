# SPDX-License-Identifier: BSD-2-Clause
"""From a post at the first node to a subscriber at the last: two nodes, then a chain of five.

One process posts here and is shown there, so that there is one clock. The time begins when a post is
due, and ends when the subscriber has it with its text. Idle: the next one is due 5 to 50 ms after the
one before was shown. Load: 200 clients at a steady rate, which is half of what these nodes can bring
from one end to the other; that is measured first.
"""
from driver import Driver, forum_of, less_feeder, people, settle, shown_all
from frame import CORES

TEXT = 600       # bytes
WINDOW = 10      # posts of a client under way while the most is measured
LOAD_SECONDS = 5

CHAIN = 5        # nodes, and so often what two may take


def idle(frame, forum, drive, name, clients, targets):
    first, last = forum[0], forum[-1]
    count, rounds = frame.scale(200, 20), frame.medians(beside="sync")
    for _ in rounds:
        drive("sign", first.name, min(clients, 20), count, TEXT)
        ran = shown_all(drive("pace", last.name, 0))
        rounds.add("p50", ran["shown"]["p50_ms"])
        rounds.add("p99", ran["shown"]["p99_ms"])
        rounds.add("accepted", ran["accepted"]["p50_ms"])
    over = frame.limit("sync_p50") + frame.limit("loopback") / 1000
    frame.figure("%s, idle, median" % name, rounds["p50"], "ms", limit=over, target=targets[0],
                 note="limit: sync + loopback; accepted after %.2f ms; a bare sync at such a pace: %.2f" % (
                     rounds["accepted"], frame.limit("sync_paced_p50")))
    frame.figure("%s, idle, 99th percentile" % name, rounds["p99"], "ms", limit=over,
                 target=targets[1], note="a bare sync at such a pace: %.2f; %s" % (
                     frame.limit("sync_paced_p99"), rounds.spread("p99")))


def most(frame, forum, drive, name, clients):
    """Posts per second that come out at the end."""
    first, last = forum[0], forum[-1]
    count, rounds = frame.scale(20000, 200), frame.medians(3, beside="verify")
    for _ in rounds:
        drive("sign", first.name, clients, count, TEXT)
        ran = shown_all(drive("fan", last.name, WINDOW * clients, 0))
        rounds.add("rate", count / ran["seconds"])
        rounds.add("without", less_feeder(count, ran["seconds"], ran["cpu_s"], CORES))
        settle(forum)
    frame.figure("%s, the most" % name, rounds["rate"], "/s", limit="verify_all",
                 note="feeder's CPU taken off: %.0f /s" % rounds["without"])
    return rounds["rate"]


def loaded(frame, forum, drive, name, clients, rate, target):
    first, last = forum[0], forum[-1]
    count = max(int(rate * frame.scale(LOAD_SECONDS, 1)), 10)
    rounds = frame.medians()
    for _ in rounds:
        drive("sign", first.name, clients, count, TEXT)
        with frame.process(list(forum), "%s at half of the most" % name) as used:
            ran = drive("pace", last.name, "%.3f" % rate)
        shown_all(ran)
        rounds.add("p50", ran["shown"]["p50_ms"])
        rounds.add("p99", ran["shown"]["p99_ms"])
        settle(forum)
    frame.figure("%s, %.0f posts/s, 99th percentile" % (name, rate), rounds["p99"], "ms",
                 target=target, note="median %.2f ms; %s" % (rounds["p50"], rounds.spread("p99")))
    frame.used(used, messages=count, received_bytes=ran["bytes"])


def through(frame, count, times):
    clients = frame.scale(200, 8)
    name = "%d nodes" % count
    with forum_of(count) as forum:
        forum.start()
        with Driver(frame, forum) as drive:
            people(drive, forum[0], clients)
            settle(forum)
            drive("watch", forum[-1].name, 1)
            idle(frame, forum, drive, name, clients,
                 ["< %d ms" % (3 * times), "< %d ms" % (10 * times)])
            rate = most(frame, forum, drive, name, clients)
            loaded(frame, forum, drive, name, clients, rate / 2, "< %d ms" % (50 * times))
        forum.stop()


def run(frame):
    through(frame, 2, 1)
    through(frame, CHAIN, CHAIN)
