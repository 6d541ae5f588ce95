# SPDX-License-Identifier: BSD-2-Clause
"""Posting: 200 connected clients, each with one post under way at a time; and one alone.

Inside the time: SUBMIT over TLS, verification, the transaction with its sync, SUBMITTED with ACCEPTED.
Outside: connecting, enrolment, signing. Sealing, views and everything behind them go on beside; how
long they take after the last acknowledgement is said.
"""
from driver import Driver, forum_of, less_feeder, people, settle
from frame import CORES, Failure

TEXT = 600  # bytes


def crowd(frame, forum, drive):
    node, clients = forum[0], frame.scale(200, 8)
    count = frame.scale(40000, 200)
    people(drive, node, clients)
    settle(forum)
    rounds, before = frame.medians(beside="verify"), entries(node)
    for _ in rounds:
        drive("sign", node.name, clients, count, TEXT)
        with frame.process(node, "posting, %d clients" % clients) as used:
            ran = drive("post", 1)
        rounds.add("rate", count / ran["seconds"])
        rounds.add("without", less_feeder(count, ran["seconds"], ran["cpu_s"], CORES))
        rounds.add("feeder", ran["cpu_s"] / count * 1e6)
        rounds.add("p50", ran["accepted"]["p50_ms"])
        rounds.add("p99", ran["accepted"]["p99_ms"])
        rounds.add("behind", settle(forum))
        rounds.add("whole", count / (ran["seconds"] + rounds.all("behind")[-1]))
    if entries(node) - before != count * rounds.times:
        raise Failure("not every post became one entry")
    frame.figure("posts, %d clients, durable" % clients, rounds["rate"], "/s", limit="verify_all",
                 target="≥ 60 %", note=rounds.spread("rate"))
    frame.figure("  the same, feeder's CPU taken off", rounds["without"], "/s", limit="verify_all",
                 note="feeder %.1f µs per post" % rounds["feeder"])
    frame.figure("  round trip, median", rounds["p50"], "ms",
                 note="99th percentile %.1f ms" % rounds["p99"])
    frame.figure("  until sealed and in the views", rounds["whole"], "/s", limit="verify_all",
                 note="%.2f s behind" % rounds["behind"])
    frame.used(used, messages=count, received_bytes=ran["bytes"])


def entries(node):
    return sum(log["size"] for log in node.status()["logs"])


def alone(frame, forum, drive):
    node, count = forum[0], frame.scale(1000, 30)
    rounds = frame.medians(beside="sync")
    for _ in rounds:
        drive("sign", node.name, 1, count, TEXT)
        with frame.process(node, "posting, one client") as used:
            ran = drive("post", 1)
        rounds.add("p50", ran["accepted"]["p50_ms"])
        rounds.add("p99", ran["accepted"]["p99_ms"])
        settle(forum)
    limit = 2 * frame.limit("sync_p50") + 1
    frame.figure("one client, round trip, median", rounds["p50"], "ms", limit=limit, target="≤ 1",
                 note="limit: 2 × sync + 1 ms; 99th percentile %.2f ms" % rounds["p99"])
    frame.used(used, messages=count, received_bytes=ran["bytes"])


def run(frame):
    frame.say("posts_per_hour, clients_per_address and inbox are raised: see driver.py")
    with forum_of(1) as forum:
        forum.start()
        with Driver(frame, forum) as drive:
            crowd(frame, forum, drive)
            alone(frame, forum, drive)
        forum.stop()
