# SPDX-License-Identifier: BSD-2-Clause
"""Many clients of one relay: what an idle one costs it in memory, and how fast many subscribers are
shown what is posted; also those that lose their connection, and ask for what they lack.

Memory is the relay's resident set, against that before the first client. What the kernel keeps is
told apart, for both ends of the connections, which are on one machine.
"""
import pathlib
import resource

import peers
from driver import Driver, forum_of, less_feeder, people, settle, shown_all
from frame import CORES, Failure

TEXT = 600        # bytes
POSTERS = 20
WINDOW = peers.WINDOW  # posts that not all subscribers have been shown
ADDRESSES = 8     # of the node: a client's address has 28,000 ports for each
REST_SECONDS = 3
FILES = 500       # that relay and feeder have open besides connections


def fields(path):
    pairs = (line.partition(":") for line in pathlib.Path(path).read_text().splitlines())
    return {name: value.split() for name, _, value in pairs}


def resident(node):
    """Bytes of the relay."""
    relay = node.child("convened-relay")
    return int(fields("/proc/%d/status" % relay)["VmRSS"][0]) * 1024


def kernel():
    """Bytes: what sockets hold queued, and all of the kernel's small objects."""
    tcp = fields("/proc/net/sockstat")["TCP"]
    return (int(tcp[tcp.index("mem") + 1]) * 4096,
            int(fields("/proc/meminfo")["Slab"][0]) * 1024)


def more_addresses(forum):
    for node in forum:
        node.addresses = ["127.0.0.%d:%d" % (i, node.port) for i in range(1, ADDRESSES + 1)]
        node.set_options(listen="{%s}" % ", ".join('"%s"' % a for a in node.addresses))


def idle(frame, forum, drive):
    node, count = forum[0], frame.scale(10000, 50)
    count = min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - FILES)
    before, queued, slab = resident(node), *kernel()
    opened = drive("idle", node.name, count)
    drive("wait", REST_SECONDS)
    after, queued_then, slab_then = resident(node), *kernel()
    frame.figure("idle TLS client, relay's memory", (after - before) / count / 1000, "kB",
                 target="≤ 20 kB", note="%d clients, %.1f to %.1f MB; connected within %.1f s" % (
                     count, before / 1e6, after / 1e6, opened["seconds"]))
    frame.figure("  the kernel's, both ends", (slab_then - slab) / count / 1000, "kB",
                 note="and %.2f kB queued" % ((queued_then - queued) / count / 1000))
    drive("leave", node.name)


def fan(frame, forum, drive, subscribers, peer):
    node = forum[0]
    count, posters = frame.scale(400, 40), frame.scale(POSTERS, 4)
    people(drive, node, posters)
    settle(forum)
    drive("watch", node.name, subscribers)
    rounds = frame.medians()
    for _ in rounds:
        drive("sign", node.name, posters, count, TEXT)
        with frame.process(node, "%d subscribers, per delivery" % subscribers) as used:
            ran = drive("fan", node.name, WINDOW, 0)
        shown_all(ran)
        rounds.add("rate", ran["deliveries"] / ran["seconds"])
        rounds.add("without", less_feeder(ran["deliveries"], ran["seconds"], ran["cpu_s"], CORES))
        rounds.add("p50", ran["shown"]["p50_ms"])
        settle(forum)
    name = "deliveries, %d subscribers" % subscribers
    frame.figure(name, rounds["rate"], "/s", limit=peer, target="≥ 1" if peer else "",
                 note="%s%.0f ms until the last is shown a post; %s" % (
                     "Mosquitto is the limit here; " if peer else "", rounds["p50"],
                     rounds.spread("rate")))
    frame.figure("  the same, feeder's CPU taken off", rounds["without"], "/s",
                 note="feeder %.1f µs per delivery" % (ran["cpu_s"] / ran["deliveries"] * 1e6))
    frame.used(used, messages=ran["deliveries"])
    one_by_one(frame, forum, drive, subscribers, posters)
    dropped(frame, forum, drive, count, subscribers, posters)


def one_by_one(frame, forum, drive, subscribers, posters):
    """A post has reached all before there is another: nothing can be sent together."""
    node, count, rounds = forum[0], frame.scale(50, 10), frame.medians()
    for _ in rounds:
        drive("sign", node.name, posters, count, TEXT)
        ran = shown_all(drive("fan", node.name, 1, 0))
        rounds.add("rate", ran["deliveries"] / ran["seconds"])
        rounds.add("p50", ran["shown"]["p50_ms"])
    frame.figure("  the same, one post at a time", rounds["rate"], "/s",
                 note="%.1f ms from the post to the last subscriber" % rounds["p50"])


def dropped(frame, forum, drive, count, subscribers, posters):
    """Some lose their connection with what was on its way, connect again, and name their cursor."""
    node, drops = forum[0], frame.scale(100, 5)
    drive("sign", node.name, posters, count, TEXT)
    ran = drive("fan", node.name, frame.scale(WINDOW // 4, 4), drops)
    frame.figure("lost by subscribers that were cut off", ran["lost"], "posts", target="≤ 0 posts",
                 note="%d connections cut; %d posts came twice" % (ran["drops"], ran["repeated"]))
    if ran["bare"] or ran["drops"] == 0:
        raise Failure("this shows nothing: %r" % ran)


def run(frame):
    frame.say("posts_per_hour and clients_per_address are raised: see driver.py")
    subscribers = frame.scale(1000, 20)
    peer = peers.mosquitto(frame, subscribers, TEXT)  # None: not asked for, or not here
    with forum_of(1) as forum:
        more_addresses(forum)
        forum.start()
        with Driver(frame, forum) as drive:
            idle(frame, forum, drive)
            fan(frame, forum, drive, subscribers, peer)
        forum.stop()
