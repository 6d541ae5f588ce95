#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Cosignatures between real daemons: a post becomes anchored everywhere, and stays sealed where too
few are there to cosign it; nobody cosigns a log whose contents it lacks; a receipt verifies offline.
"""
import base64
import json
import pathlib
import shutil
import sys
import time

sys.dont_write_bytecode = True
TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "decoder"))

import convene_spec as spec  # noqa: E402
from harness import CONVENE, CommandFailure, Forum, poll, ring, run, tap_run  # noqa: E402

RECEIPT = TESTS / "decoder" / "receipt.py"
COMPAT = TESTS / "compat" / "cosigned" / "verify.go"
UNVERIFIED = 4

NAMES = ["a.example", "b.example", "c.example", "d.example"]
TERMS = ["--anchor", "2 of b.example c.example d.example"]


def log_of(node, origin):
    return next((log for log in node.status()["logs"] if log["organisation"] == origin), None)


def anchored(node, origin):
    log = log_of(node, origin)
    return log is not None and log["size"] > 0 and log["anchored"] == log["size"]


def wait_anchored(nodes, origin, seconds=20):
    """Seconds until all of these take the whole log for anchored."""
    began = time.monotonic()

    def describe():
        return "not anchored: " + "; ".join(
            "%s %d of %d" % (node, log["anchored"], log["size"]) if log else "%s -" % node
            for node, log in ((node, log_of(node, origin)) for node in nodes))
    poll(describe, seconds, lambda: all(anchored(node, origin) for node in nodes))
    return time.monotonic() - began


def check_all_up(tap, forum, alice, topic):
    for i in range(3):
        alice.post(topic, "One %d" % i, "Text %d." % i)
        forum.settle()
        took = wait_anchored(forum, "a.example")
        tap.ok(took < 8, "a post is anchored on all four nodes, within %.1f s" % took)
    log = log_of(forum[0], "a.example")
    tap.ok(len(log["cosigned"]) == 2 and all(c["size"] == log["size"] for c in log["cosigned"]),
           "the origin knows by whom", log["cosigned"])
    tap.ok("a.example" not in [c["organisation"] for c in log["cosigned"]], "itself doesn't count")
    for origin in NAMES[1:]:
        wait_anchored(forum, origin)
    tap.ok(True, "so are the logs of the other three")


def check_down(tap, forum, alice, topic):
    forum["d.example"].stop()
    alice.post(topic, "Two", "Text.")
    rest = [forum["a.example"], forum["b.example"], forum["c.example"]]
    took = wait_anchored(rest, "a.example")
    tap.ok(took < 8, "with one cosigner down, within %.1f s" % took)
    forum["c.example"].stop()
    before = log_of(forum[0], "a.example")["anchored"]
    post = alice.post(topic, "Three", "Text.")
    time.sleep(5)
    log = log_of(forum[0], "a.example")
    tap.equal((log["anchored"], log["size"]), (before, before + 1), "with two down it is sealed, no more")
    text = forum[0].ctl("status")
    tap.ok("ANCHORED" in text, "the operator is shown that")
    tap.ok(alice.convene("outbox")["sealed"] > 0, "its author keeps it")
    tap.ok("1 message is sealed" in run([CONVENE, "outbox"], env={"CONVENE_HOME": str(alice.home)}),
           "and is told so")
    forum["c.example"].start()
    took = wait_anchored(rest, "a.example")
    tap.say("anchored %.1f s after the start of a cosigner" % took)
    forum["d.example"].start()
    wait_anchored(forum, "a.example")
    tap.ok(True, "and it is anchored when they return, on those that were down too")
    return post


def check_restart(tap, forum):
    """What was cosigned is known after a start, without a peer."""
    forum.stop()
    for node in forum:
        node.start()
        status = log_of(node, "a.example")
        tap.equal(status["anchored"], status["size"], "%s knows after its start" % node)
        node.stop()
    forum.start()


def check_receipt(tap, forum, alice, post):
    """The receipt says by whom, and needs nobody: another program, without our code, takes it too, and
    neither takes it with a bit changed."""
    file, charter = forum.folder / "receipt", forum[0].folder / "forum.charter"
    shown = alice.convene("verify", post, "--receipt", str(file))
    names = {check["name"]: check["result"] for check in shown["checks"]}
    tap.equal(names.get("anchored"), "good", "the participant sees that a post is anchored")
    offline = verify_file(file, charter)
    tap.equal((offline["id"], offline["result"], offline["cosigned"]), (post, "good", 2),
              "its receipt verifies offline, by the charter alone")
    tap.equal(verify_file(file, None, home=alice.home)["result"], "good",
              "and by the charter that a participant keeps")
    done = run(["/usr/bin/python3", RECEIPT, file, charter, "--flip", "7"], timeout=240)
    tap.ok(done.startswith(post) and ", 0 unnoticed" in done, "an independent program says the same, "
           "and notices each change: " + done.splitlines()[-1])
    data = file.read_bytes()
    check_go(tap, forum, data)
    changed, unnoticed = forum.folder / "changed", []
    for at in range(0, len(data), len(data) // 40):
        changed.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1:])
        try:
            verify_file(changed, charter)
            unnoticed.append(at)
        except CommandFailure as failure:
            if failure.code != UNVERIFIED:
                unnoticed.append((at, failure.code))
    changed.write_text("Something else.\n")
    for words, code, text in (([], UNVERIFIED, "is no receipt, or it is damaged"),
                              (["--receipt", str(changed) + "2"], 1, "writes one for a message")):
        try:
            run([CONVENE, "verify", changed, "--charter", charter, *words])
            said = (0, "")
        except CommandFailure as failure:
            said = (failure.code, failure.err)
        tap.ok(said[0] == code and text in said[1], "a file that is none: " + text, said)
    tap.equal(unnoticed, [], "convene verify notices forty changed bytes, and calls each by its name")
    tap.say("a receipt of %d bytes" % len(data))


def check_go(tap, forum, receipt):
    """The proofs in a receipt, with golang.org/x/mod/sumdb."""
    if not shutil.which("go") or not pathlib.Path("/usr/share/gocode/src/golang.org/x/mod").is_dir():
        tap.skip("cosignatures by another's program", "there is no Go with golang.org/x/mod")
        return
    program, file, entry = (forum.folder / name for name in ("go-verify", "proof", "entry"))
    run(["go", "build", "-o", program, COMPAT],
        env={"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "",
             "GOCACHE": str(forum.folder / "go")}, timeout=240)
    head, _, rest = receipt.partition(b"\n\n")
    lines = head.split(b"\n")
    entry.write_bytes(base64.b64decode(lines[2]))
    nodes = [spec.verify_credential(base64.b64decode(line.split()[2]), bytes.fromhex(lines[1].decode()),
                                    line.split()[1])[1] for line in lines[3:]]
    keys = [bytes(spec.VerifierKey(lines[3].split()[1], 1, nodes[0]["log_key"]))] + \
        [node["cosigner"] for node in nodes[1:]]
    word, rest = rest.split(b"\n", 1)
    proof = rest[:int(word.split()[1])]
    file.write_bytes(proof)
    argv = [program, file, entry, *(key.decode() for key in keys)]
    signed = run(argv).split()
    tap.ok(signed and all(name.endswith("/cosigner") for name in signed),
           "golang.org/x/mod/sumdb verifies a head cosigned by %s" % ", ".join(signed))
    unnoticed = []
    note = proof.index(b"\n\n") + 2
    for at in range(note, len(proof) - 1, 41):
        file.write_bytes(proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1:])
        try:
            if run(argv).split() == signed:
                unnoticed.append(at)
        except CommandFailure:
            pass
    tap.equal(unnoticed, [], "and no changed byte of it")


def verify_file(file, charter, home=None):
    words = [CONVENE, "verify", file, "--json"] + (["--charter", charter] if charter else [])
    return json.loads(run(words, env={"CONVENE_HOME": str(home or "/nonexistent")}))


def check_outbox(tap, forum, alice):
    """What is anchored is kept by its author no longer."""
    kept = alice.home / "outbox" / "sent"
    poll(lambda: "still in the outbox: %s" % sorted(kept.iterdir()), 15,
         lambda: alice.convene("outbox")["sealed"] == 0)
    tap.equal(list(kept.iterdir()), [], "what is anchored leaves the outbox")
    text = run([CONVENE, "outbox"], env={"CONVENE_HOME": str(alice.home)})
    tap.ok("Nothing waits" in text, "and nothing is said of it", text)


def check_lost(tap, forum, alice, topic):
    """What the node does not know any more is sent again."""
    alice.convene("sync")
    alice.convene("post", topic, "--offline", "--subject", "Four", "--file", "-", stdin=b"Text.")
    box = alice.home / "outbox"
    waiting = sorted(box.glob("*.message"))[-1]
    waiting.rename(box / "sent" / waiting.name)  # as if it had been sealed before a disk was lost
    said = alice.convene("outbox")
    tap.equal(said["messages"], [], "what the node has lost is sent again")
    tap.ok("Four" in [thread["subject"] for thread in alice.threads(topic)], "and shown")
    wait_anchored(forum, "a.example")
    poll("the outbox keeps it", 10, lambda: alice.convene("outbox")["sealed"] == 0)
    tap.ok(True, "and anchored")


def check_rotation(tap, forum, alice, topic):
    """A cosigner goes on with another key; what the old one has signed stays."""
    b = forum["b.example"]
    b.ctl("credential", "--new-key", "cosigner")
    forum.settle()
    alice.post(topic, "Five", "Text.")
    wait_anchored(forum, "a.example")
    time.sleep(3)
    log = "\n".join(b.log_lines())
    tap.ok("our cosigner key is another one" in log and "error" not in log,
           "until it is restarted, a node whose cosigner key was replaced cosigns nothing")
    b.stop()
    b.start()
    forum["d.example"].stop()
    rest = [forum["a.example"], b, forum["c.example"]]
    post = alice.post(topic, "Six", "Text.")
    wait_anchored(rest, "a.example")
    tap.equal(sorted(c["organisation"] for c in log_of(forum[0], "a.example")["cosigned"]),
              ["b.example", "c.example"], "then with the new one, which the others have learned")
    file, charter = forum.folder / "rotated", forum[0].folder / "forum.charter"
    alice.convene("verify", post, "--receipt", str(file))
    tap.equal(verify_file(file, charter)["result"], "good", "and receipts show that it is b's")
    run(["/usr/bin/python3", RECEIPT, file, charter])
    forum["d.example"].start()
    wait_anchored(forum, "a.example")


def check_withheld(tap):
    """Entries without their contents are not cosigned: they could not be given to anybody."""
    with Forum(["a.example", "w.example"], [], terms=["--anchor", "1 of w.example"]) as forum:
        forum.start()
        a, w = forum
        alice = a.enrol("alice")
        alice.post(alice.topic("Principles"), "One", "Text.")
        for words, missing in ((["--no-contents"], True), ([], False)):
            bundle = forum.folder / ("bundle%d" % missing)
            a.ctl("bundle", "export", "--output", bundle, *words)
            w.ctl("bundle", "import", bundle)
            poll("it is not read", 10, lambda: log_of(w, "a.example"))
            if missing:
                time.sleep(4)
                log = log_of(w, "a.example")
                tap.ok(log["contents_missing"] > 0 and log["folded"] == log["size"] > 3,
                       "a cosigner holds the entries, and lacks contents")
                tap.equal((log["cosigned"], log["anchored"]), ([], 0), "it does not cosign")
        wait_anchored([w], "a.example")
        tap.equal([c["organisation"] for c in log_of(w, "a.example")["cosigned"]], ["w.example"],
                  "when they are here, it does")


def check_admitted(tap):
    """A receipt of one who was admitted shows by whom, and nothing of others who were."""
    with Forum(["a.example", "b.example"], [(0, 1)],
               terms=["--admit", "1", "--anchor", "2 of all"]) as forum:
        forum.start()
        a = forum[0]
        other, late = (forum.later(name) for name in ("o.example", "l.example"))
        for node in (other, late):
            a.ctl("admit", node.block(), "--peer")
        late.add_peer(a)
        late.start()
        late.wait_sealing()
        lea = late.enrol("lea")
        post = lea.post(lea.topic("Late"), "From one who was admitted", "Text.")
        wait_anchored([late], "l.example")
        file, charter = forum.folder / "receipt", a.folder / "forum.charter"
        lea.convene("verify", post, "--receipt", str(file))
        said = verify_file(file, charter)
        tap.equal((said["result"], said["cosigned"]), ("good", 2),
                  "a receipt of one who was admitted verifies by the charter alone")
        run(["/usr/bin/python3", RECEIPT, file, charter])
        tap.equal(file.read_bytes().count(b"\npaper "), 4,
                  "three NODEs and one ADMIT are its papers")
        late.stop()


def check_nobody(tap):
    """By a charter that asks nobody to cosign there are no receipts, ever."""
    with Forum(["a.example"]) as forum:
        forum.start()
        alice = forum[0].enrol("alice")
        post = alice.post(alice.topic("Principles"), "One", "Text.")
        try:
            alice.convene("verify", post, "--receipt", str(forum.folder / "receipt"))
            said = (0, "")
        except CommandFailure as failure:
            said = (failure.code, failure.err)
        tap.ok(said[0] == UNVERIFIED and "nobody has to cosign" in said[1],
               "where nobody has to cosign, that is why there is no receipt", said)
        try:
            alice.convene("erase", "--status", post)
            said = (0, "")
        except CommandFailure as failure:
            said = (failure.code, failure.err)
        tap.ok(said[0] == 5 and "Only what was erased" in said[1],
               "nor has what was not erased a list of who has confirmed", said)


def main(tap):
    with Forum(NAMES, ring(4), terms=TERMS) as forum:
        forum.start()
        alice = forum[0].enrol("alice")
        topic = alice.topic("Principles")
        check_all_up(tap, forum, alice, topic)
        post = check_down(tap, forum, alice, topic)
        check_receipt(tap, forum, alice, post)
        check_outbox(tap, forum, alice)
        check_lost(tap, forum, alice, topic)
        check_rotation(tap, forum, alice, topic)
        check_restart(tap, forum)
    check_withheld(tap)
    check_admitted(tap)
    check_nobody(tap)


tap_run(main)
