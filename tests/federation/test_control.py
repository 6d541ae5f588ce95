#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The control socket, and WATCH that ends: what importers, exporters and copies of topics count on.

Over the control socket a node answers what participants ask, and takes messages without counting
them against a quota (SPEC.md 10.6); a WATCH with `end` stops at what had arrived (12.2).
"""
import base64
import os
import pathlib
import stat
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402
from rogue import Device, Gone, Guest, Wire, pb, reference, spec  # noqa: E402

QUOTA = 4


class Operator(Guest):
    """Requests over the control socket: no TLS, no HELLO."""

    def __init__(self, path, hello, forum):
        Wire.__init__(self, str(path), tls=False)
        self.forum, self.stream, self.hello = forum, 0, hello


def watched(guest, after=0, topic=b""):
    """(ids' arrival numbers, subjects) of a WATCH that ends."""
    guest.stream += 1
    guest.send("WATCH", pb.Watch(after=after, topic=topic, end=True), guest.stream)
    found = []
    while True:
        name, stream, answer = guest.receive()
        if stream != guest.stream:
            continue
        if name == "ERROR":
            return None
        for item in answer.items:
            content = pb.Content.FromString(item.content)
            found.append((item.arrival, content.subject.decode()))
        if answer.last:
            return found


def silent(guest):
    """Whether nothing comes any more."""
    guest.timeout = 1
    try:
        return guest.receive()[0] == "PING"
    except TimeoutError:
        return True


def refused_without_end(guest, frame, stop):
    """What a stranger asks again and again, several at a time; how often it was refused."""
    refused, under_way = 0, 0
    while not stop.is_set():
        while under_way < 6:
            guest.stream += 1
            guest.send("SUBMIT", frame, guest.stream)
            under_way += 1
        name, _, answer = guest.receive()
        if name == "SUBMITTED":
            under_way -= 1
            refused += all(o.status == pb.REFUSED for o in answer.outcomes)
    return refused


def others_go_on(tap, address, forum_id, operator, device, topic):
    """Somebody who is not enrolled keeps the workers busy; who is, gets an answer."""
    stranger = Device(forum_id, operator.hello.log)
    flood = Guest(address, forum_id, timeout=60)
    many = [stranger.write(subject="x", topic=topic)[0] for _ in range(1000)]
    frame = pb.Submit(forum=forum_id, log=operator.hello.log,
                      submissions=[pb.Submission(message=one) for one in many])
    stop, found = threading.Event(), []
    thread = threading.Thread(target=lambda: found.append(refused_without_end(flood, frame, stop)))
    thread.start()
    time.sleep(1)
    end = threading.Timer(20, stop.set)
    end.start()
    began = time.monotonic()
    outcomes = operator.submit(device.write(subject="Meanwhile", topic=topic))
    took = time.monotonic() - began
    stop.set()
    end.cancel()
    thread.join()
    flood.close()
    tap.ok(outcomes[0].status >= pb.ACCEPTED and took < 5,
           "who is enrolled is answered while others are refused without end", "%.1f s" % took)
    tap.ok(found and found[0] > 0, "and they were", str(found))


def main(tap):
    with harness.Forum(["a.example"], edges=[], limits={"posts_per_hour": QUOTA}) as forum:
        node = forum[0]
        forum.start()
        node.wait_sealing()
        forum_id = bytes.fromhex(node.status()["forum"])
        guest = Guest(("127.0.0.1", node.port), forum_id)
        path = node.folder / "data" / "convened.sock"
        operator = Operator(path, guest.hello, forum_id)
        tap.equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "the socket is its owner's alone")

        node.enrolled = node.enrol("reader")
        device = Device(forum_id, guest.hello.log)
        invite = node.ctl_json("invite")["invite"]
        secret = base64.urlsafe_b64decode(invite.rpartition("/")[2] + "==")
        tap.ok(not isinstance(guest.redeem(secret, device, "archive"), tuple), "somebody is enrolled")

        opened = device.write(spec.TOPIC, subject="Old mail")
        statuses = [outcome.status for outcome in guest.submit(opened)]
        tap.ok(statuses[0] >= pb.ACCEPTED, "a topic is opened")
        topic = reference(guest.hello.log, opened[0], forum_id)
        topic_id = topic[16:]

        many = [device.write(subject="Mail %d" % n, topic=topic) for n in range(3 * QUOTA)]
        outcomes = guest.submit(*many)
        refused = [o for o in outcomes if o.status == pb.REFUSED]
        tap.ok(refused and refused[0].code == pb.QUOTA, "a participant meets the quota",
               str([o.code for o in outcomes]))
        outcomes = operator.submit(*many)
        tap.ok(all(o.status >= pb.ACCEPTED for o in outcomes),
               "the same messages over the control socket don't", str(outcomes))
        again = operator.submit(*many)
        tap.equal([o.id for o in again], [o.id for o in outcomes],
                  "sent once more they get the same ids")
        harness.poll("all to be shown", 20,
                     lambda: len(watched(guest) or []) == 1 + len(many))

        for name, asks in (("TLS", guest), ("the control socket", operator)):
            found = watched(asks)
            tap.equal([subject for _, subject in found],
                      ["Old mail"] + ["Mail %d" % n for n in range(len(many))],
                      "over %s a WATCH that ends has all" % name)
            arrivals = [arrival for arrival, _ in found]
            tap.equal(arrivals, sorted(set(arrivals)), "in the order of arrival")
            tap.equal(watched(asks, after=arrivals[-1]), [], "behind the last there is nothing")
            tap.equal([s for _, s in watched(asks, arrivals[4], topic_id)],
                      ["Mail %d" % n for n in range(4, len(many))], "of one topic, from the middle")
            # Known of, but nothing in it: as a topic that is kept and silent.
            tap.equal(watched(asks, arrivals[-1], topic_id), [], "and of one topic behind its last")
            more = device.write(subject="Mail %d" % len(many), topic=topic)
            other = Operator(path, guest.hello, forum_id)
            other.submit(more)
            other.close()
            many.append(more)
            harness.poll("it to be shown", 10, lambda: len(
                node.enrolled.threads(topic_id.hex())) == len(many))
            tap.ok(silent(asks), "what comes later is not sent")
            asks.timeout = 10

        topics = operator.ask("TOPICS_GET", pb.TopicsGet())
        tap.equal([t.title for t in topics.topics], [b"Old mail"], "topics over the control socket")
        heads = operator.ask("LOGS_GET", pb.LogsGet())
        tap.equal(heads.frontier, guest.ask("LOGS_GET", pb.LogsGet()).frontier, "and the frontier")

        operator.timeout = 30
        others_go_on(tap, ("127.0.0.1", node.port), forum_id, operator, device, topic)
        operator.send("SUMMARY", pb.Summary(), 1)
        try:
            answer = operator.receive()
            tap.equal((answer[0], answer[2].code), ("ERROR", pb.UNEXPECTED),
                      "what nodes say to each other is refused there")
        except Gone as gone:
            tap.ok(False, "what nodes say to each other is refused there", str(gone))
        operator.close()
        guest.close()
        tap.ok(node.running() and node.dump_hash(), "the node goes on")


if __name__ == "__main__":
    harness.tap_run(main)
