# SPDX-License-Identifier: BSD-2-Clause
"""Forks and successors with real daemons: two organisations whose servers were put back to an older
snapshot, lock file and all, show two histories to two halves of the federation; the halves meet.
Then an orderly successor, and one after a lost log key.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import (CONVENE, CONVENECTL, CommandFailure, Failure, Forum, poll, run,  # noqa: E402
                     tap_run)
from rogue import Key, Link, Log, Rogue, message, pb, pin, spec  # noqa: E402

HALVES = ["a.example", "b.example", "c.example", "d.example"]
FORKED = ["r.example", "s.example"]
ROUND = 5  # seconds in which what a new link shows must have been heard everywhere


def log_of(node, organisation, number=1):
    for log in node.status()["logs"]:
        if log["organisation"] == organisation and log["name"].endswith("/%d" % number):
            return log
    return None


def state_of(node, organisation, number=1):
    log = log_of(node, organisation, number)
    return log["state"] if log else None


def code_of(*words):
    """The exit code of a command."""
    try:
        run(words)
    except CommandFailure as failure:
        return failure.code
    return 0


def texts_of(person, topic):
    return sorted(item["content"]["text"] for thread in person.threads(topic)
                  for item in person.read(thread["id"], whole=True) if item.get("content"))


def fork(forum, people, others, topic):
    """Each forked node posts to the first half, is put back, and posts to the second."""
    a, _, c, _ = forum.nodes[:4]
    sizes = {}
    for node in forum.nodes[4:]:
        node.stop()
        shutil.copytree(node.folder / "data", node.folder / "snapshot")
    for node in forum.nodes[4:]:
        node.start()
        node.wait_sealing()
        people[node.name].post(topic, "One side", "This %s said to the first half." % node.name)
    forum.settle(nodes=[*forum.nodes[:2], *forum.nodes[4:]])
    for node in forum.nodes[4:]:
        node.stop()
        shutil.rmtree(node.folder / "data")
        shutil.copytree(node.folder / "snapshot", node.folder / "data")
        pin(node, a.name, None)
        node.add_peer(c)
        c.add_peer(node)
    c.ctl("reload")
    for node in forum.nodes[4:]:
        node.start()
        node.wait_sealing()
        for number in range(1 if node.name == "r.example" else 3):
            others[node.name].post(topic, "Other side %d" % number,
                                   "This %s said to the second half, %d." % (node.name, number))
    forum.settle(nodes=forum.nodes[2:])
    for name in FORKED:
        sizes[name] = [log_of(node, name)["size"] for node in (a, c)]
    return sizes


def check_proof(tap, forum, name):
    a = forum[0]
    log = log_of(a, name)
    proof = forum.folder / ("%s.fork" % name)
    a.ctl("prove-fork", name, "--output", proof)
    tap.ok(proof.stat().st_size < 4096, "the proof against %s has %d bytes" % (
        name, proof.stat().st_size))
    credential = forum[name].folder / "keys" / "credential"
    words = [CONVENECTL, "verify-fork", "--credential", credential,
             "--charter", a.folder / "forum.charter"]
    said = run([*words, proof])
    tap.ok("PROVEN" in said and log["name"] in said, "it verifies without a node", said)
    tap.equal(code_of(CONVENECTL, "-c", forum[3].config, "verify-fork", proof), 0,
              "and at another node, by the log that it holds")
    for other in FORKED:
        if other != name:
            tap.equal(code_of(CONVENECTL, "verify-fork", "--credential",
                              forum[other].folder / "keys" / "credential", "--charter",
                              a.folder / "forum.charter", proof), 4, "not for another log's key")
    good, wrong = proof.read_bytes(), forum.folder / "flipped"
    failed = []
    for at in range(0, len(good), 23):
        wrong.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        if code_of(*words, wrong) != 4:
            failed.append(at)
    tap.equal(failed, [], "and not with a byte changed")


def succeed(tap, forum, node, *words):
    """An organisation begins another log; what it says of it."""
    node.stop()
    said = node.ctl_json("recover", "successor", *words)
    tap.equal(code_of(CONVENECTL, "-c", node.config, "credential"), 0,
              "%s: the new credential is in place" % node.name)
    node.start()
    node.wait_sealing()
    # A cut lets the views begin anew.
    poll("%s does not fold" % node.name, 20, lambda: all(
        log["folded"] == log["size"] for log in node.status()["logs"]))
    return said


def over(node, frontier):
    """Whether a node has ended, or got to where the others are."""
    if not node.running():
        return True
    try:
        status = node.status()
    except CommandFailure:
        return False
    return status["frontier"] == frontier and all(
        log["folded"] == log["size"] and log["contents_missing"] == 0 for log in status["logs"])


def crashes(tap, forum, node, points, rng):
    """Kill a node before a sync, again and again, while it cuts and takes successors up; each time
    from where it was before."""
    library, data = forum.folder / "kill_at.so", node.folder / "data"
    if not shutil.which("cc"):
        tap.skip("a kill before each sync", "there is no compiler")
        return
    run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library,
         pathlib.Path(__file__).resolve().parent / "kill_at.c", "-ldl"])
    frontier, shown = forum[0].status()["frontier"], forum[0].dump_hash()
    step, tried, wrong = 1, 0, []
    while True:
        shutil.rmtree(data)
        shutil.copytree(node.folder / "before", data)
        node.enter = ["env", "LD_PRELOAD=%s" % library, "KILL_AT=%d" % step, "KILL_CALLS=d",
                      "KILL_THREADS=convened-relay,store", "KILL_GROUP=1"]
        node.start(wait=False)
        node.enter = []
        poll("%s neither ends nor gets there" % node.name, 30, lambda: over(node, frontier), 0.05)
        if node.running():
            break
        code = node._reap(10)
        if code != -signal.SIGKILL:
            raise Failure("%s ended with %s" % (node.name, code))
        tried += 1
        node.start()
        forum.settle(20)
        if node.dump_hash() != shown:
            wrong.append(step)
        node.stop()
        step += 1 + (rng.randrange(1 + tried * 4 // points) if points else 0)
    node.kill()  # its last step may be yet to come
    node.start()
    tap.ok(tried > 2 and not wrong, "killed before %d syncs, up to the %dth: it ends the same" % (
        tried, step), wrong)


def test_fork(tap, points=4, seed=1):
    with Forum(HALVES + FORKED, edges=[(0, 1), (2, 3), (0, 4), (0, 5)]) as forum:
        a, b, c, d, r, s = forum.nodes
        forum.start()
        people = {node.name: node.enrol("p") for node in (a, r, s)}
        # Who has seen the one history refuses a node that shows the other.
        others = {node.name: node.enrol("q") for node in (r, s)}
        topic = people["a.example"].topic("Principles")
        forum.settle(nodes=[a, b, r, s])
        for name in FORKED:
            others[name].post(topic, "Before", "All have this of %s." % name)
        forum.settle(nodes=[a, b, r, s])
        base = {name: log_of(a, name)["size"] for name in FORKED}
        sizes = fork(forum, people, others, topic)
        one_side = next(thread["id"] for thread in people["a.example"].threads(topic)
                        if thread["subject"] == "One side")
        tap.ok(sizes["r.example"][0] == sizes["r.example"][1], "two histories of one size", sizes)
        tap.ok(sizes["s.example"][0] < sizes["s.example"][1], "and two of different sizes", sizes)
        tap.equal({state_of(node, name) for node in (a, b, c, d) for name in FORKED}, {"live"},
                  "nobody knows yet")

        carol = people["a.example"]
        carol.convene("sync")
        b.add_peer(c)
        c.add_peer(b)
        b.ctl("reload")
        c.ctl("reload")
        poll("b and c do not link", 20, lambda: b.peers()[c.name]["connected"])
        poll(lambda: "not disputed everywhere: %s" % [
            (node.name, name, state_of(node, name)) for node in forum for name in FORKED], ROUND,
            lambda: all(state_of(node, name) == "disputed" for node in forum for name in FORKED))
        tap.ok(True, "within %d s both are disputed everywhere, by themselves too" % ROUND)
        tap.ok(all("disputed" in node.status()["sealing"] for node in (r, s)),
               "and seal nothing more")
        for name in FORKED:
            check_proof(tap, forum, name)
        tap.equal(code_of(CONVENECTL, "-c", a.config, "prove-fork", "a.example"), 5,
                  "of an honest log there is no proof")

        said = run([CONVENE, "read", one_side], env={"CONVENE_HOME": str(carol.home)})
        tap.ok("log is DISPUTED" in said, "readers are told", said)
        try:
            said, code = run([CONVENE, "verify", one_side], env={"CONVENE_HOME": str(carol.home)}), 0
        except CommandFailure as failure:
            said, code = failure.out, failure.code
        tap.ok(code == 4 and "this log is DISPUTED" in said, "and who verifies a message", said)
        post = carol.post(topic, "Meanwhile", "The others go on.")
        poll("the post does not reach d", 20,
             lambda: (log_of(d, "a.example") or {}).get("size") == log_of(a, "a.example")["size"])
        tap.ok(post, "posts of other logs go on")
        said = run([CONVENE, "post", topic, "--subject", "Too late", "--file", "-"],
                   b"Accepted, and never sealed.", {"CONVENE_HOME": str(others["r.example"].home)})
        tap.ok("disputed, and takes nothing in" in said, "who posts there is told", said)
        tap.equal(r.status()["inbox"], 1, "a disputed log's node accepts, and does not seal")
        b.stop()
        b.start()
        tap.equal([state_of(b, name) for name in FORKED], ["disputed"] * 2,
                  "it is remembered over a restart")

        d.stop()
        shutil.copytree(d.folder / "data", d.folder / "before")
        said = succeed(tap, forum, r)
        tap.equal(said["size"], sizes["r.example"][1], "r lets its second history stand")
        said = succeed(tap, forum, s, "--size", str(base["s.example"]))
        tap.equal(said["size"], base["s.example"], "s only what all have had")
        kept = [path.read_text() for path in (r.folder / "data").glob("inbox-*.json")]
        tap.ok(len(kept) == 1 and "Accepted, and never sealed." in kept[0],
               "what was accepted for the old log is in a file", kept)
        again = others["r.example"].convene("outbox", "--again", "all")["messages"]
        tap.equal(again, [], "and its author has signed it again")
        home = people["r.example"].home
        done = subprocess.run([CONVENE, "whoami"], capture_output=True, check=False,
                              env=dict(os.environ, CONVENE_HOME=str(home)))
        names = sorted(path.name for path in (home / "evidence").glob("*"))
        tap.ok(b"ANOTHER HISTORY" in done.stderr and "successor-2" in names,
               "who was shown the other history is told, and keeps it", (done.stderr, names))
        # Each cuts what does not stand when its bundle is written, and folds anew after that.
        poll("r and s do not fold what stands", 20, lambda: all(
            log["state"] != "disputed" and log["folded"] == log["size"]
            for node in (r, s) for log in node.status()["logs"]))
        people["r.example"].post(topic, "Again", "In the successor of r.")
        people["s.example"].post(topic, "Again", "In the successor of s.")
        forum.settle(30, nodes=[a, b, c, r, s])
        crashes(tap, forum, d, points, random.Random(seed))
        forum.settle(30)
        tap.equal(len({node.dump_hash() for node in forum}), 1, "all are identical")
        tap.equal({state_of(node, name) for node in forum for name in FORKED}, {"live"},
                  "nothing is disputed any more")
        texts = texts_of(carol, topic)
        wanted = ["Accepted, and never sealed.", "In the successor of r.",
                  "In the successor of s.", "This r.example said to the second half, 0."]
        tap.ok(all(text in texts for text in wanted)
               and not any("first half" in text for text in texts)
               and not any("s.example said" in text for text in texts),
               "what is shown is what stands", texts)

        early = next(item["id"] for thread in carol.threads(topic)
                     for item in carol.read(thread["id"], whole=True)
                     if item["content"]["text"] == "All have this of s.example.")
        try:
            said = run([CONVENE, "verify", early], env={"CONVENE_HOME": str(carol.home)})
        except CommandFailure as failure:
            said = " ".join(failure.err.split())
        tap.ok("this log has ended" in said and "again later" not in said,
               "of a log that was cut back nothing is proven, and it is said why", said)

        cut = {node.name: sorted((node.folder / "data" / "cut").glob("*.bundle"))
               for node in forum if (node.folder / "data" / "cut").exists()}
        tap.equal({name: len(files) for name, files in cut.items()},
                  dict.fromkeys(HALVES[:2], 2) | dict.fromkeys(HALVES[2:] + FORKED, 1),
                  "what was cut is kept where it was held")
        for name in sorted(cut):
            for file in cut[name]:
                text = run([CONVENECTL, "bundle", "look", file])
                half = "first" if name in ("a.example", "b.example") else "second"
                tap.ok("%s half" % half in text, "it can be read at %s" % name, text)
        for node in (a, c):
            node.stop()
            node.start()
        forum.settle(30)
        tap.equal(len({node.dump_hash() for node in forum}), 1, "and so after a restart")
        carol.reply(post, "Still here.")
        carol.convene("sync")


def test_orderly(tap):
    with Forum(["a.example", "b.example", "c.example"]) as forum:
        a, b, c = forum.nodes
        forum.start()
        alice, bob = a.enrol("alice"), b.enrol("bob")
        topic = alice.topic("Minutes")
        first = bob.post(topic, "First", "In the first log.")
        forum.settle()
        tap.equal(code_of(CONVENECTL, "-c", b.config, "recover", "successor"), 2,
                  "not while convened runs")
        (b.folder / "keys" / "log.key").unlink()
        b.stop()
        tap.ok(code_of(CONVENECTL, "-c", b.config, "credential", "--renew") != 0,
               "without its log key the old log can't go on")
        said = b.ctl_json("recover", "successor")
        b.start()
        b.wait_sealing()
        reply = bob.reply(first, "In the second log, by the same key.")
        alice.reply(reply, "An answer across.")
        forum.settle()
        tap.equal({log_of(node, "b.example", 2)["name"] for node in forum}, {said["log"]},
                  "after a lost log key all carry the successor")
        tap.equal({log_of(node, "b.example")["ends"] for node in forum}, {said["size"]},
                  "and the old log has ended")
        tap.equal(len({node.dump_hash() for node in forum}), 1, "all show the same")
        tap.equal([item["handle"] for item in alice.read(first, whole=True)],
                  ["bob", "bob", "alice"], "by the same people")

        # Once more, with the key at hand; one that was away learns both at once.
        c.stop()
        b.stop()
        for part in ("data", "keys"):
            shutil.copytree(b.folder / part, b.folder / ("old " + part))
        b.start()
        b.wait_sealing()
        sealed = bob.convene("whoami")["sealed_sequence"]
        b.enrol("erin")  # so that more stands than bob has seen
        succeed(tap, forum, b)
        done = subprocess.run([CONVENE, "whoami", "--json"], capture_output=True, check=False,
                              env=dict(os.environ, CONVENE_HOME=str(bob.home)))
        tap.equal(done.returncode, 0, "what is sealed in another log is not missed in this one")
        tap.ok(b"begun another log" in done.stderr and b"does not show" not in done.stderr,
               "and what stands of the log before it goes on from what was seen there")
        who = json.loads(done.stdout)
        tap.ok(who["node_sequence"] < sealed == who["sealed_sequence"],
               "numbers begin anew there")
        tap.ok(bob.convene("audit")["good"], "audit reads the new log at once")
        bob.reply(first, "In the third log.")
        tap.ok(bob.convene("audit")["good"], "and finds all numbers accounted for in three")
        dave = b.enrol("dave")
        dave.reply(first, "Enrolled in the third log.")
        c.start()
        forum.settle()
        tap.equal(log_of(c, "b.example", 3)["follows"], said["log"], "a third log follows")
        tap.equal(len({node.dump_hash() for node in forum}), 1, "all show the same")
        tap.equal(len(alice.read(first, whole=True)), 5, "and the whole thread")
        c.ctl("rebuild")
        poll("c does not fold again", 20, lambda: all(
            log["folded"] == log["size"] for log in c.status()["logs"]))
        tap.equal(c.dump_hash(), a.dump_hash(), "also when it is folded anew")

        b.stop()
        for part in ("data", "keys"):
            shutil.rmtree(b.folder / part)
            (b.folder / ("old " + part)).rename(b.folder / part)
        b.start()
        poll(lambda: "b: %s" % b.peers(), 20, lambda: all(
            "serial" in peer["last_error"] for peer in b.peers().values()))
        tap.ok(True, "peers refuse a node that was put back behind its successor, and say why")


def first_log(organisation, key):
    """A first log of an organisation under this log key."""
    keys, note = organisation
    rogue = Rogue("r.example", keys, note)
    rogue.log_key = key
    rogue.log_name = rogue.name_log(key)
    rogue.log = Log(rogue.log_name, key, [rogue.credential()])
    rogue.write(rogue.enrol("rita"), text="In a log of mine.", topic=bytes(48))
    return rogue


def successor(organisation, previous, serial):
    """A log of the same organisation that follows another."""
    keys, note = organisation
    rogue = Rogue("r.example", keys, note)
    rogue.log_key = Key()
    rogue.log_name = rogue.name_log(rogue.log_key, 2)
    body = pb.NodeBody(
        serial=serial, log_key=rogue.log_key.public, registrar_key=rogue.registrar.public,
        cosigner=bytes(spec.VerifierKey(rogue.name + b"/cosigner", 4, rogue.cosigner.public)),
        tls_pins=rogue.tls.pin(), previous_log=previous.name,
        previous_size=len(previous.entries), previous_root=previous.root())
    rogue.log = Log(rogue.log_name, rogue.log_key, [message(
        rogue.root, rogue.forum, rogue.log_name, spec.NODE, sequence=serial,
        body=body.SerializeToString())])
    return rogue


def test_rivals(tap):
    """A root key that signs two first logs, and two successors of one."""
    witness = {"features": [b"witness"]}
    with Forum(["a.example", "b.example", "c.example", "r.example"],
               edges=[(0, 3), (1, 3), (1, 2)]) as forum:
        a, b, c = forum.nodes[:3]
        for node in (a, b, c):
            node.start()
        for node in (a, b, c):
            node.wait_sealing()
        organisation = (forum[3].folder / "keys", (a.folder / "forum.charter").read_bytes())
        one, two = (first_log(organisation, Key()) for _ in range(2))
        links = [Link(one, ("127.0.0.1", a.port), **witness),
                 Link(two, ("127.0.0.1", b.port), **witness)]
        for node, rogue in ((a, one), (b, two), (c, two)):
            poll("%s does not take the log" % node, 20, lambda node=node: (
                log_of(node, "r.example") or {}).get("size") == 3)
        links[0].send("FORK", pb.ForkProof(smaller=one.log.entries[0], larger=one.log.entries[0]))
        tap.equal(links[0].refusal()[0], "BAD_PROOF", "one credential proves nothing: a fault")
        a.add_peer(b)
        b.add_peer(a)
        a.ctl("reload")
        b.ctl("reload")

        def states(node, least=0):
            return sorted((log["name"], log["state"]) for log in node.status()["logs"]
                          if log["organisation"] == "r.example" and log["size"] >= least)
        both = sorted((rogue.log_name.decode(), "disputed") for rogue in (one, two))
        for node in (a, b):
            poll(lambda node=node: "%s: %s" % (node, states(node)), 20,
                 lambda node=node: states(node) == both)
        poll(lambda: "c: %s" % states(c), 20, lambda: ("disputed" in dict(states(c)).values()
             and "live" not in dict(states(c)).values()))
        tap.ok(True, "two first logs of one root key are disputed everywhere")
        proof = forum.folder / "rivals"
        c.ctl("prove-fork", two.log_name.decode(), "--output", proof)
        said = run([CONVENECTL, "verify-fork", "--charter", a.folder / "forum.charter", proof])
        tap.ok("PROVEN" in said and one.log_name.decode() in said and proof.stat().st_size < 4096,
               "the proof verifies with the charter alone", said)
        a.stop()
        a.start()
        tap.equal(states(a, 1), [(one.log_name.decode(), "disputed")],
                  "of the one that is held it is remembered")

        after = successor(organisation, one.log, 2)
        other = successor(organisation, one.log, 3)
        link = Link(after, ("127.0.0.1", a.port), logs=[one.log, after.log], **witness)
        ended = sorted([(one.log_name.decode(), "live"), (after.log_name.decode(), "live")])
        for node, disputed in ((a, []), (b, [(two.log_name.decode(), "disputed")])):
            poll(lambda node=node: "%s: %s" % (node, states(node)), 20,
                 lambda node=node, disputed=disputed: states(node, 1) == sorted(ended + disputed))
        tap.ok(True, "the one that has a successor is disputed no longer")
        poll(lambda: "the frontiers differ: %s" % [
            (node.status()["frontier"][:8], states(node)) for node in (a, b, c)], 20,
             lambda: len({node.status()["frontier"] for node in (a, b, c)}) == 1)
        link.close()
        link = Link(other, ("127.0.0.1", a.port), logs=[one.log, after.log, other.log], **witness)
        poll("a does not hear of the second", 20, lambda: log_of(a, "r.example", 2)["proof"])
        tap.equal(states(a, 1), ended, "a second successor changes nothing, and is proven")
        for open_link in [*links, link]:
            open_link.close()


def main(tap, points, seed):
    tap.say("seed %d (replay: --points %d --seed %d)" % (seed, points, seed))
    test_orderly(tap)
    test_rivals(tap)
    test_fork(tap, points, seed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Forks, cuts and successors.")
    parser.add_argument("--points", type=int, default=4, help="kills, about; 0: at every sync")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    tap_run(main, options.points, options.seed)
