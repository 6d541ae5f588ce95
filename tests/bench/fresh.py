# SPDX-License-Identifier: BSD-2-Clause
"""A fresh node and a long log: does an entry cost the same when there are a million of them, and how
many bytes go to the disk for one that is received, in bulk and when single messages trickle in."""
from frame import CORES
from harness import chain
from nodes import Held, filled, wait
from shown import catch_up

TRICKLED = 600  # bytes of a text


def bulk(frame, entries, rounds):
    """A node from nothing to shown, as often as `rounds` says."""
    with filled(frame, entries, ["o.example", "n.example"], chain(2)) as (forum, made):
        for _ in rounds:
            feeder, used = catch_up(frame, forum, made, rounds)
            frame.say("%d entries: %.0f/s whole, %.0f/s shown" % (
                entries, rounds.all("whole")[-1], rounds.all("rate")[-1]))
    frame.used(used, entries, made["payload"], "%d entries, the node" % entries)
    frame.used(feeder, entries, label="%d entries, the feeder" % entries)
    return made


def trickle(frame, count):
    """Messages one by one, each shown at the other node before the next: what that one wrote for a
    byte of what it got."""
    before = frame.scale(20000, 1000)
    with filled(frame, before, ["o.example", "n.example"], chain(2)) as (forum, made):
        origin, node = forum
        node.start()
        forum.settle(600)
        person = origin.enrol("writer")
        text = ("What we said at the meeting, and what became of it. " * 20)[:TRICKLED]
        topic = person.topic("Single messages")
        forum.settle(600)
        held = Held(node, made["log"])
        size = held.look()[0]
        used = frame.process(node, "single messages, the node").begin()
        wire = sum(peer["bytes_in"] for peer in node.peers().values())
        for number in range(count):
            person.post(topic, "Number %d" % number, text)
            wait("a post is not shown", lambda wanted=size + number + 1: held.shown(wanted), 30, 0.002)
        used.end()
        wire = sum(peer["bytes_in"] for peer in node.peers().values()) - wire
        payload = count * (made["leaf_bytes"] / before + TRICKLED + 32 + 16)
        held.close()
    return used, payload, wire


def run(frame):
    small, large = frame.scale(100000, 3000), frame.scale(1000000, 6000)
    few, many = frame.medians(3), frame.medians(1)
    bulk(frame, small, few)
    made = bulk(frame, large, many)
    frame.figure("log path of %d entries" % large, many["whole"], "/s",
                 note="leaves and contents durable; views fold meanwhile")
    rate = many["wire"] / large * many["whole"] / 1e6
    frame.figure("  bytes of frames", rate, "MB/s", limit="tls_16k",
                 note="%.0f bytes of frames for one of %.0f" % (
                     many["wire"] / large, made["payload"] / large))
    disk = many["written"] * made["payload"] / large * many["rate"] / 1e6
    frame.figure("  bytes to the disk", disk, "MB/s")
    busy = many["node cpu"] * many["rate"] / 1e6
    frame.figure("  cores that the node kept busy", busy, "of %d" % CORES,
                 note="and the feeder %.2f" % (many["feeder cpu"] * many["rate"] / 1e6))
    frame.figure("CPU of an entry, shown, at %d" % small, few["node cpu"], "µs")
    frame.figure("CPU of an entry, shown, at %d" % large, many["node cpu"], "µs",
                 limit=few["node cpu"], target="≤ 1.25")
    frame.figure("time of an entry, shown, at %d" % large, 1e6 / many["rate"], "µs",
                 limit=1e6 / few["rate"], target="≤ 1.25")
    frame.figure("written for a byte received, in bulk", many["written"], "", target="≤ 4",
                 note="of leaves, contents and salts")
    count = frame.scale(200, 5)
    used, payload, wire = trickle(frame, count)
    frame.figure("written for a byte received, one by one", used.written_bytes / payload, "",
                 target="≤ 40", note="%.2f for a byte of frames" % (used.written_bytes / wire))
    frame.figure("  bytes written for one message", used.written_bytes / count, "B")
    frame.used(used, count, payload)
