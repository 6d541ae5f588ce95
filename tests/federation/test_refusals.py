#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a node must refuse, and that both sides are told why: the sender by an ERROR or an outcome
with the right code and a sentence, the operator by a line in the daemon's log."""
import base64
import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True

import harness  # noqa: E402
import rogue  # noqa: E402
from rogue import (  # noqa: E402
    Device, Guest, Key, Link, Rogue, Wire, pb, pin, root_of, spec, wait_for)

HANDSHAKE_SECONDS = 2
FRAME_SECONDS = 60


def outcome(answer):
    """(code's name, text) of a SUBMIT of one message; ("", "") when it was taken."""
    if isinstance(answer, tuple):
        return answer
    return rogue.code_name(answer[0].code) if answer[0].code else "", answer[0].text.decode()


def relay_pid(node):
    """The process that holds the connections."""
    with open("/proc/%d/task/%d/children" % ((node.process.pid,) * 2), encoding="ascii") as file:
        return int(file.read().split()[0])


def resident_mib(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


class Refusals:
    def __init__(self, tap, forum):
        self.tap, self.forum = tap, forum
        self.alpha, self.beta, self.gamma = forum.nodes[:3]
        self.at = "127.0.0.1", self.alpha.port
        self.charter = (self.alpha.folder / "forum.charter").read_bytes()
        self.rogue = Rogue("rogue.example", str(forum[3].folder / "keys"), self.charter)
        self.mark = 0

    # ---- tools ----

    def listen(self):
        """From here on the log of alpha counts."""
        self.mark = len(self.alpha.log_lines())

    def logged(self, node, *words, since=0):
        return wait_for(lambda: any(all(word in line for word in words)
                                    for line in node.log_lines()[since:]), 10)

    def refused(self, name, got, code, words):
        """Told with this code and these words, and logged at alpha since listen()."""
        told = got[0] == code and words in got[1]
        line = told and self.logged(self.alpha, words, since=self.mark)
        self.tap.ok(told and line, name, "told: %s, %s" % got,
                    "wanted: %s, … %s …, %s" % (code, words, "and a line in the log"),
                    *self.alpha.log_lines()[self.mark:])
        self.listen()

    def guest(self, **hello):
        return Guest(self.at, self.rogue.forum, **hello)

    def invite(self, *words):
        text = self.alpha.ctl_json("invite", *words)["invite"]
        return text, base64.urlsafe_b64decode(text.rpartition("/")[2] + "==")

    def both_sides(self, name, node, words, shown="it refuses us: "):
        """alpha has refused `node`: its log says why, and so do the log and `peers` of the node."""
        here = self.logged(self.alpha, words, since=self.mark)
        there = self.logged(node, "peer alpha.example: " + shown, words)
        peers = node.peers()["alpha.example"]
        self.tap.ok(here and there and words in (peers["last_error"] or ""), name,
                    "alpha's log: %s; the log of %s: %s; its peers: %s" % (
                        bool(here), node.name, bool(there), peers["last_error"]))
        self.listen()

    # ---- between nodes ----

    def wrong_root(self):
        other = Key()
        self.listen()
        log_name = self.rogue.name_log(self.rogue.log_key, root=other)
        link = Link(self.rogue, self.at, log=log_name,
                    credential=self.rogue.credential(log_name=log_name, root=other))
        self.refused("a credential signed by another root key than the pinned one", link.refusal(),
                     "WRONG_ROOT", "the root key of rogue.example is not the one in the peer block")
        pin(self.alpha, "gamma.example",
                 bytes(spec.VerifierKey(b"gamma.example", 1, other.public)).decode())
        self.gamma.add_peer(self.alpha)
        self.gamma.start()
        self.both_sides("the same between two daemons", self.gamma,
                        "the root key of gamma.example is not the one in the peer block of "
                        "alpha.example")
        self.gamma.stop()

    def wrong_tls_key(self):
        link = Link(self.rogue, self.at, tls_key=Key())
        self.refused("a credential that doesn't name the TLS key", link.refusal(), "WRONG_TLS_KEY",
                     "the TLS key in use is not one that the credential of rogue.example names")
        pin(self.alpha, "gamma.example", root_of(self.gamma))
        path = self.gamma.folder / "keys" / "tls.key"
        good = path.read_bytes()
        Key().save(path, "tls")
        self.listen()
        self.gamma.start()
        self.both_sides("the same between two daemons", self.gamma,
                        "the TLS key in use is not one that the credential of gamma.example names")
        self.gamma.stop()
        path.write_bytes(good)
        self.gamma.start()
        self.tap.ok(wait_for(lambda: self.gamma.peers()["alpha.example"]["connected"]),
                    "with the right keys again they are linked")
        self.gamma.stop()

    def bad_credentials(self):
        self.listen()
        mine = self.rogue.log.entries[0]
        link = Link(self.rogue, self.at, credential=mine[:-1] + bytes([mine[-1] ^ 1]))
        self.refused("a credential with a bad signature", link.refusal(), "BAD_SIGNATURE",
                     "the credential of rogue.example does not verify")
        link = Link(self.rogue, self.at, log=b"nobody.example" + self.rogue.log_name[13:])
        self.refused("somebody without a peer block", link.refusal(), "NOT_A_PEER",
                     "nobody.example is not a peer of alpha.example")
        link = Link(self.rogue, self.at, log=b"rogue.example")
        self.refused("a HELLO without a log name", link.refusal(), "MALFORMED",
                     "HELLO holds no log name")

    def other_charter(self):
        self.listen()
        link = Link(self.rogue, self.at, forum=os.urandom(32))
        self.refused("a node of another forum", link.refusal(), "WRONG_FORUM",
                     "rogue.example and alpha.example have different charters")
        wire = Wire(self.at)
        wire.send("HELLO", pb.Hello(version_min=1, version_max=1, role=pb.CLIENT,
                                    forum=os.urandom(32)))
        self.refused("a client of another forum", wire.error(), "WRONG_FORUM",
                     "this node belongs to another forum")
        with harness.Forum(["omega.example"], edges=[]) as elsewhere:
            omega = elsewhere[0]
            try:
                omega.add_peer(self.alpha)
                said = "nothing"
            except harness.CommandFailure as failure:
                said = failure.err
            self.tap.ok("alpha.example belongs to another forum than this node" in said,
                        "convenectl peer says that a block is of another forum", said)
            pin(self.alpha, "omega.example", root_of(omega))
            pin(omega, "alpha.example", root_of(self.alpha), self.alpha.address)
            self.listen()
            omega.start()
            # Each sees the other's HELLO, and refuses; what omega shows may be either's sentence.
            here = self.logged(self.alpha, "have different charters", since=self.mark)
            there = self.logged(omega, "peer alpha.example: ", "have different charters")
            shown = omega.peers()["alpha.example"]["last_error"] or ""
            self.tap.ok(here and there and "have different charters" in shown,
                        "two daemons of different forums", here, there, shown)
            omega.stop()

    def incomplete_charter(self):
        node = harness.Node(self.forum, "delta.example", self.forum.folder / "delta.example")
        node.make(self.forum.limits)
        path = node.folder / "forum.charter"
        lines = self.charter.split(b"\n")
        at = next(n for n, line in enumerate(lines)
                  if line.startswith(b"\xe2\x80\x94 beta.example "))
        path.write_bytes(b"\n".join(lines[:at] + lines[at + 1:]))
        self.charter_refused(node, "a charter that one has not signed", "has not signed",
                             "the charter lacks the signature of beta.example")
        name, key, data = lines[at].split(b" ")
        raw = bytearray(base64.b64decode(data))
        raw[20] ^= 1
        lines[at] = b" ".join((name, key, base64.b64encode(raw)))
        path.write_bytes(b"\n".join(lines))
        self.charter_refused(node, "a charter with a wrong signature", "SIGNATURE WRONG",
                             "the signature of beta.example does not verify")

    def charter_refused(self, node, name, shown, words):
        done = subprocess.run([harness.CONVENED, "-c", node.config], capture_output=True,
                              timeout=20, check=False, text=True)
        self.tap.ok(done.returncode not in (0, 1) and words in done.stderr,
                    name + ": convened doesn't start and names them", done.returncode, done.stderr)
        page = node.ctl("charter", "show")
        founders = node.ctl_json("charter", "show")["founders"]
        unsigned = [founder["name"] for founder in founders if not founder["signed"]]
        lines = [line for line in page.splitlines() if shown in line]
        self.tap.ok(unsigned == ["beta.example"] and len(lines) == 1 and "beta.example" in lines[0],
                    name + ": convenectl charter show says who", page, unsigned)

    def version(self):
        self.listen()
        wire = Wire(self.at)
        wire.send("HELLO", pb.Hello(version_min=2, version_max=3, role=pb.CLIENT))
        self.refused("a protocol version that isn't spoken; both ranges are named", wire.error(),
                     "VERSION", "you speak 2 to 3, alpha.example speaks 1 to 1")
        link = Link(self.rogue, self.at, version_min=2, version_max=2)
        self.refused("the same of a node", link.refusal(), "VERSION", "you speak 2 to 2")

    # ---- frames ----

    def frames(self):
        self.listen()
        wire = Wire(self.at)
        wire.send("HELLO", bytes(8193))
        self.refused("a frame over 8,192 bytes before HELLO", wire.error(), "FRAME_TOO_LARGE",
                     "a HELLO frame of 8193 bytes is over its limit of 8192")
        wire = Wire(self.at)
        wire.send("TOPICS_GET", stream=1)
        self.refused("another frame before HELLO", wire.error(), "UNEXPECTED",
                     "HELLO is expected first, not a frame of type 66")
        wire = Wire(self.at)
        wire.send("HELLO", b"\xff" * 16)
        self.refused("a HELLO that doesn't parse", wire.error(), "MALFORMED",
                     "HELLO does not parse")
        guest = self.guest()
        with contextlib.suppress(OSError):
            guest.send("SUBMIT", bytes(2162689), 1)
        self.refused("a SUBMIT over its limit that is sent whole", guest.error(),
                     "FRAME_TOO_LARGE", "a SUBMIT frame of 2162689 bytes is over its limit")
        for kind, limit in (("SUBMIT", 2162688), ("TOPICS_GET", 65536), ("PING", 64),
                            ("DATA", 1048576)):
            guest = self.guest()
            guest.send_bytes(spec.u32be(limit + 1) + spec.u8(rogue.FRAMES[kind]) + spec.u32be(1))
            self.refused("a %s over its limit" % kind, guest.error(), "FRAME_TOO_LARGE",
                         "a %s frame of %d bytes is over its limit of %d" % (kind, limit + 1,
                                                                             limit))
        guest = self.guest()
        guest.send(99)
        self.refused("a frame of no known type", guest.error(), "UNEXPECTED",
                     "no frame of type 99 is known")
        guest = self.guest()
        guest.send("DATA", b"", 1)
        self.refused("a node's frame from a client", guest.error(), "UNEXPECTED",
                     "a client sends no frames of this type")
        guest = self.guest()
        guest.send("THREADS_GET", b"\x0a\xff", 1)
        self.refused("a request that doesn't parse", guest.error(), "MALFORMED",
                     "a request does not parse")
        link = Link(self.rogue, self.at)
        link.send_bytes(spec.u32be(1048577) + spec.u8(rogue.FRAMES["DATA"]) + spec.u32be(1))
        self.refused("a DATA over its limit from a node", link.refusal(), "FRAME_TOO_LARGE",
                     "a DATA frame of 1048577 bytes is over its limit of 1048576")
        link = Link(self.rogue, self.at)
        link.send("SUBMIT", b"", 1)
        self.refused("a client's frame from a node", link.refusal(), "UNEXPECTED",
                     "a frame of this type is not expected between nodes")

    # ---- messages ----

    def messages(self):
        alpha, tap = self.alpha, self.tap
        self.alice = alpha.enrol("alice")
        self.topic = self.alice.topic("Refusals")
        log_name = alpha.status()["log"].encode()
        beta_log = self.beta.status()["log"].encode()
        topic = spec.parse_log_name(log_name).digest + bytes.fromhex(self.topic)
        guest = self.guest()
        forum = self.rogue.forum
        bob = Device(forum, log_name)
        answer = guest.redeem(self.invite()[1], bob, "bob")
        tap.ok(not isinstance(answer, tuple) and answer.handle == b"bob",
               "an invite is redeemed", answer)
        self.bob, self.post_topic = bob, topic

        def post(device=bob, **fields):
            return device.write(text="Text.", topic=topic, **fields)

        def refuse(name, submission, code, words, **how):
            self.listen()
            self.refused(name, outcome(guest.submit(submission, **how)), code, words)

        first = post()
        answer = guest.submit(first)
        tap.ok(outcome(answer) == ("", ""), "a good message is accepted", answer)

        stranger = Device(forum, log_name)
        refuse("an author who is not enrolled", post(stranger), "NOT_ENROLLED",
               "the signer is not enrolled at this organisation")
        message, content = post()
        refuse("a bad signature", (message[:-1] + bytes([message[-1] ^ 1]), content),
               "BAD_SIGNATURE", "the signature does not verify for this forum and log")
        refuse("a header with another bit", (message[:60] + bytes([message[60] ^ 1]) + message[61:],
                                             content), "BAD_SIGNATURE", "the signature does not")
        refuse("no message at all", (b"\xff" * 100, None), "MALFORMED", "the message")
        self.sequences(guest, post, refuse, first)

        refuse("a message signed for another log", post(log_name=beta_log), "BAD_SIGNATURE",
               "the signature does not verify for this forum and log")
        refuse("a message signed for another forum", post(forum=os.urandom(32)), "BAD_SIGNATURE",
               "the signature does not verify for this forum and log")
        refuse("a SUBMIT that names another log", post(log_name=beta_log), "WRONG_LOG",
               "these messages are signed for another log than this node's", log_name=beta_log)
        refuse("a SUBMIT that names another forum", post(), "WRONG_FORUM",
               "these messages are signed for another forum", forum=bytes(32))
        refuse("a time more than ten minutes ahead", post(time=rogue.now_ms() + 605000),
               "IN_THE_FUTURE", "the message is dated more than ten minutes ahead")
        answer = guest.submit(post(time=rogue.now_ms() + 595000))
        tap.ok(outcome(answer) == ("", ""), "a time less than ten minutes ahead is accepted",
               answer)
        refuse("a message over 2,048 bytes", post(body=bytes(2000)), "TOO_LARGE",
               "the message is over 2,048 bytes")
        refuse("an unknown envelope version", post(version=2), "VERSION",
               "an envelope version that this node does not speak (it speaks 1)")
        refuse("an unknown kind", bob.write(77, "Text."), "UNKNOWN_KIND",
               "this node does not know that kind of message")
        refuse("a kind that is the registrar's", bob.write(spec.ENROL, "Text."), "WRONG_SIGNER",
               "a message of this kind by this signer would have no effect")

        message, content = post()
        other = rogue.Text(forum, log_name, bob.key.public, "Text?")
        refuse("another content than the committed one", (message, other), "BAD_COMMITMENT",
               "content and salt are not those that the message commits to")
        other.bytes = content.bytes
        refuse("another salt", (message, other), "BAD_COMMITMENT", "content and salt")
        refuse("no content", (message, None), "NO_CONTENT",
               "the content that the message commits to is missing")
        limit = spec.parse_charter(self.charter).content_limit
        large = rogue.Text(forum, log_name, bob.key.public, "x" * limit)
        bob.sequence += 1
        refuse("content over the charter's limit",
               (rogue.message(bob.key, forum, log_name, sequence=bob.sequence, topic=topic,
                              **large.fields), large),
               "TOO_LARGE", "the content is over the forum's limit")
        answer = guest.submit((message, content))
        tap.ok(outcome(answer) == ("", ""), "and with its own content it is accepted", answer)
        answer = guest.submit(post(), post(stranger), post())
        tap.equal([rogue.code_name(o.code) for o in answer],
                  ["CODE_NONE", "NOT_ENROLLED", "NOT_FIRST"],
                  "of a batch a prefix is accepted, and the rest told so")
        guest.close()

    def sequences(self, guest, post, refuse, first):
        tap, bob = self.tap, self.bob
        sealed = wait_for(lambda: next(
            (o for o in guest.submit(first) if o.status >= pb.SEALED), None))
        again = guest.submit(first)
        tap.ok(sealed and again[0].id == sealed.id and again[0].index == sealed.index
               and again[0].status == sealed.status,
               "the very same message again gets the same answer", sealed, again)
        bob.sequence = 10
        tenth = post()
        tap.ok(outcome(guest.submit(tenth)) == ("", ""), "a gap in the sequence is legal")
        bob.sequence -= 1
        refuse("the same sequence with other bytes", post(), "SEQUENCE",
               "another message of this signer has that sequence or a higher one")
        bob.sequence = 4
        refuse("a lower sequence", post(), "SEQUENCE",
               "another message of this signer has that sequence or a higher one")
        bob.sequence = 11
        tap.ok(outcome(guest.submit(tenth)) == ("", ""),
               "and the message itself still gets the same answer")

    # ---- people ----

    def invites(self):
        forum, alpha, tap = self.rogue.forum, self.alpha, self.tap
        guest = self.guest()
        log_name = guest.hello.log
        text, secret = self.invite()

        def redeem(name, with_secret, handle, words, code="INVITE", device=None):
            self.listen()
            answer = guest.redeem(with_secret, device or Device(forum, log_name), handle)
            self.refused(name, answer if isinstance(answer, tuple) else ("", str(answer)), code,
                         words)

        redeem("an invite that nobody made", os.urandom(16), "carol", "no such invite")
        redeem("a handle that is taken", secret, "alice", "the handle alice is taken", "HANDLE")
        redeem("a handle that looks like another", secret, "a1ice",
               "the handle a1ice looks like alice, which exists", "HANDLE")
        redeem("a handle of mixed scripts", secret, "\u0430lice", "script", "HANDLE")
        redeem("a handle that isn't prepared", secret, "Carol",
               "the handle is not in its prepared form, which is carol", "HANDLE")
        forged = Device(forum, log_name)
        forged.consent = lambda custody=0: bytes(64)
        redeem("a device key that hasn't agreed", secret, "carol",
               "the device key has not signed this enrolment", "BAD_SIGNATURE", forged)
        redeem("an invite for another handle", self.invite("--handle", "dora")[1], "carol",
               "the invite is for another handle", "HANDLE")
        carol = Device(forum, log_name)
        answer = guest.redeem(secret, carol, "carol")
        again = guest.redeem(secret, carol, "carol")
        tap.ok(not isinstance(answer, tuple) and answer.message == again.message,
               "redeemed again with the same key, an invite gives the same answer", answer, again)
        redeem("an invite that was used", secret, "carla",
               "the invite has been used; ask the operator for another")
        self.joining(text)

        message = self.bob.write(text="Before.", topic=self.post_topic)
        tap.ok(outcome(guest.submit(message)) == ("", ""), "before its end a device may post")
        alpha.ctl("revoke", "bob", "--reason", "lost")
        alpha.ctl("revoke", "alice", "--reason", "left")
        self.listen()
        self.refused("a revoked device", outcome(guest.submit(
            self.bob.write(text="After.", topic=self.post_topic))), "REVOKED",
            "the signer's key was revoked")
        redeem("a revoked device that comes again", self.invite()[1], "bobby",
               "that device key was revoked, and is never enrolled again", "REVOKED", self.bob)
        redeem("an enrolled device that comes again", self.invite()[1], "carla",
               "that device key is enrolled already", "INVITE", carol)
        try:
            self.alice.post(self.topic, "After", "Text.")
            code, said = 0, ""
        except harness.CommandFailure as failure:
            code, said = failure.code, failure.err + failure.out
        tap.ok(code == harness.REFUSED and "revoked" in said,
               "convene post says that the device was revoked", code, said)
        guest.close()
        self.expired(redeem)

    def joining(self, used):
        """What `convene join` says."""
        for name, invite, handle, words in (
                ("a used invite", used, "erin", "the invite has been used"),
                ("a handle that looks like another", self.invite()[0], "a1ice", "looks like")):
            person = harness.Participant(self.alpha, handle, self.forum.folder / "joins" / handle)
            try:
                person.convene("join", invite, "--handle", handle)
                code, said = 0, ""
            except harness.CommandFailure as failure:
                code, said = failure.code, failure.err + failure.out
            self.tap.ok(code == harness.REFUSED and words in said, "convene join says: " + name,
                        code, said)

    def expired(self, redeem):
        """An invite lives a day at least; age one in the store."""
        secret = self.invite("--days", "1")[1]
        self.alpha.stop()
        with contextlib.closing(sqlite3.connect(self.alpha.folder / "data/convene.db")) as store:
            with store:
                changed = store.execute("UPDATE invite SET expires = 1 WHERE hash = ?",
                                        (spec.sha256(secret),)).rowcount
        # A node that starts waits for its peers before it seals.
        for name in ("gamma.example", "omega.example", "rogue.example"):
            pin(self.alpha, name, None)
        self.alpha.start()
        self.alpha.wait_sealing()
        pin(self.alpha, "rogue.example", self.rogue.verifier())
        self.listen()
        guest = self.guest()
        answer = guest.redeem(secret, Device(self.rogue.forum, guest.hello.log), "frank")
        guest.close()
        self.tap.equal(changed, 1, "the invite is in the store")
        self.refused("an invite that has expired",
                     answer if isinstance(answer, tuple) else ("", str(answer)),
                     "INVITE", "the invite has expired; ask the operator for another")

    # ---- hostile bytes ----

    def serving(self, what, seconds=3):
        """An honest client connects, posts something large and reads, within this time."""
        began = time.monotonic()
        guest = self.guest()
        posted = outcome(guest.submit(self.honest.write(
            text="Large. " * 15000, topic=self.post_topic)))
        topics = guest.ask("TOPICS_GET")
        guest.close()
        took = time.monotonic() - began
        self.tap.ok(posted == ("", "") and not isinstance(topics, tuple) and took < seconds,
                    "others are served meanwhile: " + what, posted, "%.1f s" % took)

    def hostile(self):
        tap, pid = self.tap, relay_pid(self.alpha)
        guest = self.guest()
        self.honest = Device(self.rogue.forum, guest.hello.log)
        guest.redeem(self.invite()[1], self.honest, "grace")
        guest.close()
        self.serving("nothing is wrong yet")
        before = resident_mib(pid)
        self.listen()

        garbage = []
        for _ in range(50):
            wire = Wire(self.at, tls=False)
            wire.send_bytes(os.urandom(400))
            garbage.append(wire)
        ends = [wire.error() for wire in garbage]
        tap.ok(all("not closed" not in end[1] for end in ends),
               "garbage instead of TLS closes the connection", *ends[:3])
        tap.ok(self.logged(self.alpha, "TLS: ", since=self.mark), "and the log names TLS")
        self.listen()

        began = time.monotonic()
        half = Wire(self.at)
        half.send_bytes(spec.u32be(500) + spec.u8(1) + spec.u32be(0) + bytes(100))
        idle = [Wire(self.at, tls=False) for _ in range(100)]
        idle += [Wire(self.at) for _ in range(100)]
        self.serving("200 connections are idle")
        self.refused("half a HELLO and silence", half.error(), "TIMEOUT", "no HELLO in time")
        took = time.monotonic() - began
        tap.ok(HANDSHAKE_SECONDS - 1 < took < HANDSHAKE_SECONDS + 4,
               "that took as long as the config says", "%.1f s" % took)
        ends = [wire.error() for wire in idle]
        tap.ok(all("not closed" not in end[1] for end in ends),
               "and all 200 idle connections are closed", *[e for e in ends if "not" in e[1]][:3])

        # Large frames that are begun and never ended.
        begun = []
        for _ in range(60):
            guest = self.guest(source="127.0.0.2")
            guest.send_bytes(spec.u32be(2162000) + spec.u8(rogue.FRAMES["SUBMIT"])
                             + spec.u32be(1) + bytes(70000))
            begun.append(guest)
        self.serving("60 large frames are begun and not ended")
        for guest in begun:
            guest.close()

        floods = self.flood()
        self.serving("20 clients send requests and never read")
        for wire, _ in floods:
            wire.close()
        for _, thread in floods:
            thread.join()
        link = Link(self.rogue, self.at)
        for _ in range(3000):
            link.send("SUMMARY", pb.Summary(hash=bytes(32), logs=1))
        link.send("PING", b"done")
        tap.ok(wait_for(lambda: ("PONG", 0, b"done") in link.seen, 20),
               "3,000 SUMMARY frames of a peer are taken", link.error_told)
        link.close()

        after = resident_mib(relay_pid(self.alpha))
        tap.say("%.0f MiB before, %.0f after" % (before, after))
        # A build with AddressSanitizer keeps what was freed, up to 256 MiB.
        bound = 500 if b"__asan_init" in harness.CONVENED.read_bytes() else 120
        tap.ok(relay_pid(self.alpha) == pid and after < before + bound,
               "after all that the same process runs, and its memory is bounded",
               "%.0f MiB before, %.0f after" % (before, after))
        tap.ok(self.alpha.peers()["beta.example"]["connected"], "and its link is up")
        self.forum.settle(nodes=[self.alpha, self.beta])
        tap.equal(self.alpha.dump_hash(), self.beta.dump_hash(),
                  "all that was accepted, and nothing else, is at both nodes")

    def flood(self):
        """Requests with large answers, as fast as they go, and not one answer read."""
        floods = []
        for _ in range(20):
            guest = self.guest()
            guest.raw.settimeout(3)

            def run(guest=guest):
                with contextlib.suppress(OSError, ValueError):
                    for stream in range(1, 20000):
                        guest.send("CHARTER_GET", b"", stream)
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            floods.append((guest, thread))
        time.sleep(1)
        return floods


def slow_frame(tests):
    """After HELLO a frame has 60 seconds. Begun first, looked at last, and only if asked to wait:
    the deadline before HELLO is the same code, and is always tested."""
    guest = tests.guest()
    guest.timeout = FRAME_SECONDS + 10
    guest.send_bytes(spec.u32be(500) + spec.u8(rogue.FRAMES["SUBMIT"]) + spec.u32be(1) + b"x")
    return guest


def main(tap):
    names = ["alpha.example", "beta.example", "gamma.example", "rogue.example"]
    with harness.Forum(names, edges=[(0, 1)]) as forum:
        tests = Refusals(tap, forum)
        forum[0].set_options(handshake_seconds=HANDSHAKE_SECONDS)
        for node in forum[:2]:
            node.start(wait=False)
        for node in forum[:2]:
            node.wait_up()
            node.wait_sealing()
        pin(forum[0], "rogue.example", tests.rogue.verifier())
        tests.wrong_root()
        tests.wrong_tls_key()
        tests.bad_credentials()
        tests.other_charter()
        tests.incomplete_charter()
        tests.version()
        tests.frames()
        tests.messages()
        tests.invites()
        # From here on alpha runs without a restart.
        begun = slow_frame(tests) if os.environ.get("CONVENE_SLOW") else None
        tests.hostile()
        if begun:
            tests.listen()
            tests.refused("half a frame and silence", begun.error(), "TIMEOUT",
                          "a frame took too long to arrive")
        else:
            tap.skip("half a frame and silence", "takes 60 s; set CONVENE_SLOW")


if __name__ == "__main__":
    harness.tap_run(main)
