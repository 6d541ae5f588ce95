# SPDX-License-Identifier: BSD-2-Clause
"""The log path: an origin's log through node A to node B.

O holds the log and is linked to A alone, B to A alone. Both are fresh, B is up, then A starts. The
time is from the last moment at which A held nothing until B holds all leaves, under a checkpoint,
and all contents, each checked against its commitment, and durable. Views fold meanwhile, on the
same cores, and lag."""
import peers
from harness import chain
from nodes import Held, filled, wait, warnings, wipe, wire_bytes


def pull(frame, forum, made, rounds):
    origin, first, second = forum
    entries, log = made["entries"], made["log"]
    for node in (first, second):
        wipe(node)
    at_first, at_second = Held(first, log), Held(second, log)
    second.start()
    first.start(wait=False)
    of_origin = frame.process(origin, "O").begin()
    _, began = wait("A gets nothing", lambda: at_first.look()[0] > 0, 60, 0.002)
    leaves, _ = wait("B lacks leaves", lambda: at_second.look()[0] >= entries)
    whole_first, _ = wait("A lacks contents", lambda: at_first.whole(entries))
    whole, _ = wait("B lacks contents", lambda: at_second.whole(entries))
    of_first = frame.process(first, "A", fresh=True).end()
    of_second = frame.process(second, "B", fresh=True).end()
    of_origin.end()
    lags = [entries - held.look()[1] for held in (at_first, at_second)]
    rounds.add("rate", entries / (whole - began))
    rounds.add("leaves", entries / (leaves - began))
    rounds.add("first", entries / (whole_first - began))
    rounds.add("lag A", lags[0])
    rounds.add("lag B", lags[1])
    rounds.add("cpu", (of_origin.cpu_s + of_first.cpu_s + of_second.cpu_s) / entries * 1e6)
    wire = wire_bytes(second)
    for held in (at_first, at_second):
        held.close()
    for node in forum:
        for line in warnings(node)[:5]:
            frame.say("%s says: %s" % (node, line))
    return of_origin, of_first, of_second, wire


def run(frame):
    entries = frame.scale(100000, 5000)
    rounds = frame.medians()
    with filled(frame, entries, ["o.example", "a.example", "b.example"], chain(3)) as (forum, made):
        for _ in rounds:
            of_origin, of_first, of_second, wire = pull(frame, forum, made, rounds)
            frame.say("%.0f/s" % rounds.all("rate")[-1])
    relayed = peers.inn(frame, entries, made["payload"] / entries)  # None: not asked for, or not here
    frame.figure("O to A to B, all durable", rounds["rate"], "/s", limit=relayed,
                 target="≥ 3" if relayed else "",
                 note="%s%s" % ("INN is the limit here; " if relayed else "", rounds.spread("rate")))
    frame.figure("  leaves at B", rounds["leaves"], "/s")
    frame.figure("  all at A", rounds["first"], "/s")
    frame.figure("  A's views behind at that moment", rounds["lag A"], "entries")
    frame.figure("  B's views behind at that moment", rounds["lag B"], "entries")
    frame.figure("  CPU of O, A and B together", rounds["cpu"], "µs",
                 note="A and B with what they have folded meanwhile")
    frame.say("B got %.1f MB of frames for %.1f MB of entries" % (wire / 1e6, made["payload"] / 1e6))
    frame.used(of_origin, entries)
    frame.used(of_first, entries, made["payload"])
    frame.used(of_second, entries, made["payload"])
