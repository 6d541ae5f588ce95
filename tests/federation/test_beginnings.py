#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Logs that don't begin with their credential (SPEC.md 4.3), or of which a peer shows another one."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402
from rogue import Key, Link, Log, Rogue, message, pb, pin, spec, wait_for  # noqa: E402
from test_forks import first_log, successor  # noqa: E402


def info(node, organisation):
    found = [log for log in node.status()["logs"] if log["organisation"] == organisation]
    return found[0] if found else None


def link(node, rogue, credential, newest):
    """A link that shows the rogue's log with this credential."""
    def told(it, stream, asked):
        it.send("LOG", pb.Log(name=rogue.log.name, credential=credential))
    return Link(rogue, ("127.0.0.1", node.port), answers={"LOG_GET": told}, credential=newest)


def two_credentials(organisation):
    """A log, one that follows it, and another NODE of that, which says something else of the first."""
    one = first_log(organisation, Key())
    after = successor(organisation, one.log, 2)
    less = Log(one.log_name, one.log_key, one.log.entries[:2])
    body = pb.NodeBody(
        serial=2, log_key=after.log_key.public, registrar_key=after.registrar.public,
        cosigner=bytes(spec.VerifierKey(after.name + b"/cosigner", 4, after.cosigner.public)),
        tls_pins=after.tls.pin(), previous_log=one.log_name, previous_size=len(less.entries),
        previous_root=less.root())
    return one, after, message(after.root, after.forum, after.log_name, spec.NODE, sequence=2,
                               body=body.SerializeToString())


def main(tap):
    with harness.Forum(["a.example", "m.example", "n.example", "r.example"], edges=[]) as forum:
        node = forum[0]
        charter = (node.folder / "forum.charter").read_bytes()
        junk, later = (Rogue(other.name, str(other.folder / "keys"), charter)
                       for other in forum.nodes[1:3])
        one, after, other_credential = two_credentials((str(forum[3].folder / "keys"), charter))
        for rogue in (junk, later, one):
            pin(node, rogue.log.name.decode().partition("/")[0], rogue.verifier())
        node.start()
        alice = node.enrol("alice")
        topic = alice.topic("T")

        credential = junk.log.entries[0]
        junk.log.entries = [b"junk"]
        bad = link(node, junk, credential, credential)
        tap.ok(wait_for(lambda: any("entry 0 is not its credential" in line
                                    for line in node.log_lines())),
               "a log that begins with something else is named")
        tap.ok(not (info(node, "m.example") or {}).get("size"), "and none of it is taken",
               info(node, "m.example"))
        tap.equal(bad.error_told, None, "which isn't held against the peer")
        first = alice.post(topic, "First", "The node goes on.")
        tap.ok(first, "the node goes on")

        # A NODE of that log, signed by its root key, but not the one it begins with.
        good = link(node, later, later.credential(serial=2), later.log.entries[0])
        tap.ok(wait_for(lambda: (info(node, "n.example") or {}).get("size") == 1),
               "a log that was shown by a later NODE begins with its own", good.error_told)

        # A successor whose entry 0 says something else of what stands than the NODE that was shown.
        shown, after.log.entries = after.log.entries[0], [other_credential]
        both = Link(after, ("127.0.0.1", node.port), logs=[one.log, after.log], credential=shown,
                    answers={"LOG_GET": lambda it, stream, asked: it.send("LOG", pb.Log(
                        name=it.find(asked.log).name, credential=shown
                        if asked.log == after.log.digest else one.log.entries[0]))})
        tap.ok(wait_for(lambda: any(
            "log %s: its entry 0 is not its credential" % after.log_name.decode() in line
            for line in node.log_lines())), "so is a successor that says two things", both.error_told)
        tap.equal([log["size"] for log in node.status()["logs"]
                   if log["organisation"] == "r.example" and log["size"]], [3],
                  "of which none is taken either")
        node.stop()
        node.start()
        tap.ok(alice.post(topic, "Second", "And starts again."), "and starts again")


if __name__ == "__main__":
    harness.tap_run(main)
