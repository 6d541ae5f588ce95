#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""compress = yes: what comes then, how `convenectl peers` shows it, and peers that know nothing of
it, pack by a program of their own, or pack badly (SPEC.md 11.7)."""
import random
import re
import struct
import sys

sys.dont_write_bytecode = True

import harness  # noqa: E402
from rogue import Link, Rogue, pb, pin, wait_for  # noqa: E402

WORDS = ("record", "meeting", "between", "those", "who", "keep", "it", "and", "read", "later", "is",
         "the", "forum", "that", "nobody", "owns", "agreed", "draft", "of", "what", "was", "said")
FEATURE = b"zstd-contents"
PEER = '\npeer "%s" {'
HEAD = b"\x28\xb5\x2f\xfd\x00\x40"


def ask(node, name, word):
    """Whether a node asks a peer, from here on and without a new link."""
    text = re.sub(r"\tcompress = (yes|no)\n", "", node.config.read_text())
    node.config.write_text(text.replace(PEER % name, PEER % name + "\n\tcompress = %s" % word))
    if node.running():
        node.ctl("reload")


def block(data):
    """A block that is not the last, and holds the bytes as they are."""
    return struct.pack("<I", len(data) << 3)[:3] + data


def links(node):
    return sum("linked" in line for line in node.log_lines())


def two(tap, alpha, beta):
    chance = random.Random(1)
    alice, bob = alpha.enrol("alice"), beta.enrol("bob")
    topic = alice.topic("Roadmap")
    forum = alpha.forum
    forum.settle(nodes=[alpha, beta])
    for person, count in ((alice, 40), (bob, 10)):
        for number in range(count):
            person.post(topic, "No. %d" % number, " ".join(chance.choices(WORDS, k=110)))
    forum.settle(nodes=[alpha, beta])
    tap.equal(beta.dump_hash(), alpha.dump_hash(), "both nodes show the same texts")
    giver, taker = alpha.peers()["beta.example"], beta.peers()["alpha.example"]
    tap.ok(taker["packs_in"] and giver["packs_out"], "contents come packed where it was asked for")
    tap.ok(not taker["packs_out"] and taker["packed_out"] == 0 and giver["packed_in"] == 0,
           "and go plain where it was not", taker, giver)
    tap.ok(taker["unpacked_in"] > 20000 and taker["packed_in"] < taker["unpacked_in"] / 2,
           "in less than half of their bytes", taker)
    tap.equal((giver["packed_out"], giver["unpacked_out"]),
              (taker["packed_in"], taker["unpacked_in"]), "as many as the other side counts")
    percent = 100 * taker["packed_in"] / taker["unpacked_in"]
    told = " ".join(beta.ctl("peers").split())
    found = re.search(r"alpha\.example: contents come compressed \((\d+)% of [^)]+\)\.", told)
    tap.ok(found and abs(int(found.group(1)) - percent) <= 1, "`convenectl peers` says how much",
           told)

    before = links(alpha), links(beta)
    ask(alpha, "beta.example", "yes")
    ask(beta, "alpha.example", "no")
    held = taker["packed_in"]
    for number in range(5):
        bob.post(topic, "More %d" % number, " ".join(chance.choices(WORDS, k=110)))
        alice.post(topic, "Also %d" % number, " ".join(chance.choices(WORDS, k=110)))
    forum.settle(nodes=[alpha, beta])
    giver, taker = alpha.peers()["beta.example"], beta.peers()["alpha.example"]
    tap.equal(beta.dump_hash(), alpha.dump_hash(), "after reloads the texts are the same")
    tap.ok(giver["packs_in"] and giver["packed_in"] > 0 and not taker["packs_in"] and
           taker["packed_in"] == held, "and come packed the other way", giver, taker)
    tap.equal((links(alpha), links(beta)), before, "over the same link")


class Third:
    """A member whose node is this test's."""

    def __init__(self, tap, alpha, rogue, device):
        self.tap, self.alpha, self.rogue, self.device = tap, alpha, rogue, device

    def link(self, give=None, **hello):
        """give: (link, want) answers a WANT."""
        answers = {"WANT": lambda link, stream, want: give(link, want)} if give else {}
        return Link(self.rogue, ("127.0.0.1", self.alpha.port), answers=answers, **hello)

    def held(self):
        return wait_for(lambda: any(
            log["organisation"] == "rogue.example" and log["contents_missing"] == 0 and
            log["size"] == len(self.rogue.log.entries) for log in self.alpha.status()["logs"]))

    def plain(self):
        link = self.link()
        self.tap.ok(self.held(), "a peer without the feature gives plain contents")
        self.tap.ok(link.has_seen("WANT") and not any(
            want.packed for name, _, want in link.seen if name == "WANT"), "and is asked for those")
        told = " ".join(self.alpha.ctl("peers").split())
        self.tap.ok("rogue.example is to compress what it sends (peer.compress), and its version "
                    "cannot: contents come as they are." in told, "`convenectl peers` says so", told)
        link.close()

    def own_program(self):
        sent = []

        def give(link, want):
            self.tap.ok(want.packed, "a WANT says that contents may come packed")
            for index in want.index:
                text = self.rogue.log.contents[index]
                head = HEAD if not sent else b""
                half = len(text.bytes) // 2
                sent.append(head + block(text.bytes[:half]) + block(b"") + block(text.bytes[half:]))
                link.send("CONTENT", pb.ContentChunk(
                    log=want.log, index=index, total=len(text.bytes), salt=text.salt,
                    packed=sent[-1]))

        for number in range(3):
            self.rogue.write(self.device, text="Packed by hand, %d" % number)
        link = self.link(give, features=[b"x-unknown", FEATURE])
        self.tap.ok(self.held(), "what another program packed is unpacked")
        peer = self.alpha.peers()["rogue.example"]
        self.tap.ok(len(sent) == 3 and peer["packed_in"] == sum(map(len, sent)),
                    "and counted", peer, sent)
        link.close()

    def bad(self):
        texts = {
            "holds more or fewer bytes than it should": HEAD + block(b"too short"),
            "damaged, or none": b"no stream at all",
            "a window of more than 256 KiB": HEAD[:5] + b"\x48" + block(b"x"),
            "has an end": HEAD + b"\x09\0\0x",
        }
        self.rogue.write(self.device, text="It does not come")
        for why, packed in texts.items():
            link = self.link(lambda link, want, packed=packed: link.send(
                "CONTENT", pb.ContentChunk(log=want.log, index=want.index[0], total=40,
                                           salt=bytes(32), packed=packed)), features=[FEATURE])
            code, text = link.refusal()
            self.tap.ok(code == "MALFORMED" and why in text, "refused: %s" % why, code, text)


def main(tap):
    names = ["alpha.example", "beta.example", "rogue.example"]
    with harness.Forum(names, edges=[(0, 1)]) as forum:
        alpha, beta = forum[0], forum[1]
        ask(beta, "alpha.example", "yes")
        rogue = Rogue("rogue.example", str(forum[2].folder / "keys"),
                      (alpha.folder / "forum.charter").read_bytes())
        for node in (alpha, beta):
            node.start(wait=False)
        for node in (alpha, beta):
            node.wait_sealing()
        two(tap, alpha, beta)
        pin(alpha, "rogue.example", rogue.verifier())
        ask(alpha, "rogue.example", "yes")
        third = Third(tap, alpha, rogue, rogue.enrol("trent"))
        third.plain()
        third.own_program()
        third.bad()
        for node in (alpha, beta):
            node.stop()


if __name__ == "__main__":
    harness.tap_run(main)
