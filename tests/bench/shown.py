# SPDX-License-Identifier: BSD-2-Clause
"""To *shown* on one node: author verified, in topic and thread views, all of it durable.

The node under test is fresh and pulls a log from its origin; the time is from the last moment at
which it held nothing until all is held, with contents, and folded. The origin feeds it from the same
cores: what it used of them is told apart, and the rate that is left when its time is taken off is
stated beside the plain one, never instead of it."""
from frame import CORES
from harness import chain
from nodes import Held, filled, wait, warnings, wipe, wire_bytes


def catch_up(frame, forum, made, rounds):
    """One fresh node from nothing to shown: what origin and node used."""
    origin, node = forum
    entries = made["entries"]
    wipe(node)
    held = Held(node, made["log"])
    node.start(wait=False)
    feeder = frame.process(origin, "the feeder").begin()
    _, began = wait("nothing arrives", lambda: held.look()[0] > 0, 60, 0.002)
    here, _ = wait("leaves are missing", lambda: held.look()[0] >= entries)
    whole, _ = wait("contents are missing", lambda: held.whole(entries))
    shown, _ = wait("it is not shown", lambda: held.shown(entries))
    used = frame.process(node, "the node", fresh=True).end()
    feeder.end()
    held.close()
    took = shown - began
    rounds.add("rate", entries / took)
    rounds.add("apart", entries / (took - feeder.cpu_s / CORES))
    rounds.add("leaves", entries / (here - began))
    rounds.add("whole", entries / (whole - began))
    rounds.add("node cpu", used.cpu_s / entries * 1e6)
    rounds.add("feeder cpu", feeder.cpu_s / entries * 1e6)
    rounds.add("written", used.written_bytes / made["payload"])
    rounds.add("wire", wire_bytes(node))
    for line in warnings(node)[:5]:
        frame.say("%s says: %s" % (node, line))
    return feeder, used


def run(frame):
    entries = frame.scale(100000, 5000)
    rounds = frame.medians(beside="verify")
    with filled(frame, entries, ["o.example", "n.example"], chain(2)) as (forum, made):
        for _ in rounds:
            feeder, used = catch_up(frame, forum, made, rounds)
            frame.say("%.0f/s" % rounds.all("rate")[-1])
    frame.figure("to shown, the feeder's time taken off", rounds["apart"], "/s", limit="verify_all",
                 target="≥ 75 %", note=rounds.spread("apart"))
    frame.figure("to shown, feeder and node on the same cores", rounds["rate"], "/s",
                 limit="verify_all", note=rounds.spread("rate"))
    frame.figure("  leaves here", rounds["leaves"], "/s")
    frame.figure("  contents here", rounds["whole"], "/s")
    verify = frame.limit("verify_cpu")
    frame.figure("  CPU of the node", rounds["node cpu"], "µs", limit="verify_cpu",
                 ratio=verify / rounds["node cpu"],
                 note="the ratio is verification's share; %.1f for all else" % (
                     rounds["node cpu"] - verify))
    frame.figure("  CPU of the feeder", rounds["feeder cpu"], "µs")
    frame.used(feeder, entries)
    frame.used(used, entries, made["payload"])
