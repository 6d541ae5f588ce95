#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stopping, starting, rebuilding, and reading the configuration again."""
import sys
import threading

sys.dont_write_bytecode = True

from harness import (CommandFailure, Failure, Forum, REFUSED,  # noqa: E402
                     in_parallel, poll, tap_run)


def arrivals(person, count):
    """(arrival number, id) of the first `count` items at this person's node."""
    follower = person.follow(0)
    guard = threading.Timer(20, follower.process.kill)
    guard.start()
    result = []
    try:
        for item in follower.items():
            result.append((item["arrival"], item["id"]))
            if len(result) == count:
                break
    finally:
        guard.cancel()
        follower.stop()
    return result


def shown(nodes, people, count):
    """Everything that must outlive a restart, for each node."""
    return in_parallel(lambda pair: (pair[0].status()["frontier"], pair[0].dump_hash(),
                                     arrivals(pair[1], count)), zip(nodes, people), 2)


def discussion(people):
    """A little of everything; returns how many items there are."""
    alice, bob = people
    topic = alice.topic("Principles")
    alice.node.forum.settle(30, [person.node for person in people])
    post = bob.post(topic, "First", "Text\n\n  with space at its end. \n", raw=True)
    alice.node.forum.settle(30, [person.node for person in people])
    for number in range(5):
        alice.reply(post, "From Alice, %d." % number)
        bob.reply(post, "From Bob, %d." % number)
    alice.node.forum.settle(30, [person.node for person in people])
    return 12


def peer_text(node):
    block = node.ctl_json("block")
    return '\npeer "%s" {\n\taddress = "%s"\n\tkey = "%s"\n}\n' % (
        block["name"], block["address"], block["key"])


def logged(node, text, seconds=10):
    return poll("%s does not log: %s" % (node, text), seconds,
                lambda: [line for line in node.log_lines() if text in line])


def connected(node, other, wanted=True):
    return poll("%s's link to %s is not %s" % (node, other, "up" if wanted else "down"), 20,
                lambda: node.peers().get(other.name, {}).get("connected", False) == wanted)


def refusal(function, *args):
    try:
        function(*args)
    except CommandFailure as failure:
        return failure
    raise Failure("it was not refused")


def restarts(tap, forum, people, count):
    nodes = [person.node for person in people]
    before = shown(nodes, people, count)
    tap.equal(len(before[0][2]), count, "%d items to begin with" % count)
    followers = [person.follow(count) for person in people]
    in_parallel(lambda node: node.stop(10), nodes)
    tap.ok(True, "SIGTERM ends both nodes well, with readers connected")
    for follower in followers:
        follower.stop()
    for node in nodes:
        node.start(wait=False)
    for node in nodes:
        node.wait_sealing()
    tap.equal(shown(nodes, people, count), before, "after a restart all is as it was")

    nodes[0].ctl("stop")
    poll("the node does not stop", 10, lambda: not nodes[0].running())
    tap.equal(nodes[0].process.poll(), 0, "convenectl stop ends it well")
    nodes[0].stop()
    nodes[0].start()
    nodes[0].wait_sealing()
    tap.equal(shown(nodes, people, count), before, "and again")

    nodes[1].kill_relay()
    logged(nodes[1], "it is started again")
    logged(nodes[1], "%s is up" % nodes[1].name)
    poll("the relay is not back", 20, lambda: any(
        "is up" in line for line in nodes[1].log_lines()[-8:]))
    nodes[1].wait_up()
    nodes[1].wait_sealing()
    tap.equal(shown(nodes, people, count), before, "a killed relay is started again by its parent")


def rebuilds(tap, people, count):
    nodes = [person.node for person in people]
    before = shown(nodes, people, count)
    for node in nodes:
        entries = node.ctl_json("rebuild")["entries"]
        tap.equal(entries, sum(log["size"] for log in node.status()["logs"]),
                  "%s folds every entry anew" % node)
        logged(node, "the views are rebuilt")
    tap.equal(shown(nodes, people, count), before, "the same dump and arrival numbers afterwards")
    post = people[0].post("Principles", "After", "Written after the rebuild.")
    people[0].node.forum.settle(30, nodes)
    for person in people:
        numbers = [number for number, _ in arrivals(person, count + 1)]
        tap.ok(numbers == sorted(set(numbers)) and arrivals(person, count + 1)[-1][1] == post,
               "%s gives the next item the next arrival number" % person.node, numbers)


def reloads(tap, forum, people):
    a, b, c = forum
    alice = people[0]
    for node, other in (a, c), (c, a):
        with open(node.config, "a") as config:
            config.write(peer_text(other))
    tap.ok("c.example" not in a.peers(), "a changed file alone changes nothing")
    a.hangup()
    c.hangup()
    connected(a, c)
    forum.settle(20)
    tap.equal({node.dump_hash() for node in forum}, {a.dump_hash()},
              "SIGHUP adds a peer, and it gets everything")

    good = a.config.read_text()
    since = {name: peer["since_s"] for name, peer in a.peers().items()}
    a.set_options(posts_per_hour="many")
    number = a.config.read_text().splitlines().index("\tposts_per_hour = many") + 1
    a.hangup()
    line = logged(a, "the old config stays")[-1]
    tap.ok("convened.conf:%d: " % number in line, "a mistake is logged with its line", line)
    failure = refusal(a.ctl, "reload")
    tap.ok("convened.conf:%d: " % number in failure.err, "and told by convenectl reload",
           failure.err)
    a.config.write_text(good)
    peers = a.peers()
    tap.ok(sorted(peers) == ["b.example", "c.example"] and
           all(peer["connected"] and peer["since_s"] >= since[name]
               for name, peer in peers.items()), "the old links stay", peers)
    alice.post("Principles", "Still", "Written under the old config.")
    tap.ok(True, "and the node takes posts")

    a.set_options(workers="3")
    failure = refusal(a.ctl, "reload")
    tap.ok("workers" in failure.err and "restart" in failure.err,
           "an option that needs a restart is named", failure.err)

    a.config.write_text(good)
    a.set_options(posts_per_hour="1")
    a.ctl("reload")
    failure = refusal(lambda: [alice.post("Principles", "Much", "Too much.") for _ in range(3)])
    waiting = alice.node.ctl_json("status")["inbox"]
    tap.ok(failure.code == REFUSED and waiting == 0, "a lower limit is in force at once",
           failure)
    a.config.write_text(good)
    a.ctl("reload")
    left = poll("the outbox does not get empty", 10, lambda: alice.outbox() == [])
    tap.ok(left, "what was refused for a while is sent when the limit is gone")

    a.config.write_text(good.replace(peer_text(c), ""))
    a.hangup()
    poll("the peer is still there", 10, lambda: "c.example" not in a.peers())
    connected(c, a, False)
    error = poll("no word about it", 20, lambda: c.peers()["a.example"]["last_error"])
    tap.ok("not a peer" in error, "a peer that was taken out is refused, and told", error)
    a.config.write_text(good)
    a.hangup()
    poll("the links do not come back", 60, lambda: c.peers()["a.example"]["connected"])
    forum.settle(20)
    tap.equal(len({node.dump_hash() for node in forum}), 1, "put back, it has everything again")


def main(tap):
    with Forum(["a.example", "b.example", "c.example"], [(0, 1)]) as forum:
        forum.start()
        people = [forum[0].enrol("alice"), forum[1].enrol("bob")]
        count = discussion(people)
        restarts(tap, forum, people, count)
        rebuilds(tap, people, count)
        reloads(tap, forum, people)
        forum.stop()


tap_run(main)
