#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Whose key it is: several devices of one person, endorsed, revoked, recovered; keys of the node
replaced while peers run; and what a client notices by itself: a node that goes back, devices that
are foreign, messages that are gone."""
import base64
import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True

import harness  # noqa: E402
import rogue  # noqa: E402
from harness import CommandFailure, Participant  # noqa: E402
from rogue import Guest, pb, spec, wait_for  # noqa: E402


def refusal(function, *args, **named):
    """(exit code, what was said) of a command that must fail."""
    try:
        function(*args, **named)
    except CommandFailure as failure:
        return failure.code, failure.out + failure.err
    return 0, "it did not fail"


def b64(text):
    text = text.rpartition(":")[2]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Identity:
    def __init__(self, tap, forum):
        self.tap, self.forum = tap, forum
        self.node, self.other = forum.nodes
        self.id = bytes.fromhex(self.node.status()["forum"])
        self.log = self.node.status()["log"].encode()

    def computer(self, name):
        """Another computer of alice's: a folder of its own."""
        return Participant(self.node, "alice", self.forum.folder / "people" / name)

    def request(self, computer, line):
        return computer.convene("join", line)

    def guest(self):
        return contextlib.closing(Guest(("127.0.0.1", self.node.port), self.id))

    def redeem(self, request, **fields):
        """What the node says to that request with other fields beside it."""
        message = pb.Redeem.FromString(b64(request))
        for name, value in fields.items():
            setattr(message, name, value)
        with self.guest() as guest:
            return guest.ask("REDEEM", message)

    def names(self, computer):
        return {item["device_key"]: item for item in computer.convene("devices")["devices"]}

    def item(self, reader, post):
        return next((i for i in reader.read(post) if i["id"] == post), None)

    # ---- several devices ----

    def devices(self):
        tap, node = self.tap, self.node
        self.alice = node.enrol("alice")
        self.bob = self.other.enrol("bob")
        self.eve = node.enrol("eve")
        self.topic = self.alice.topic("Keys")
        self.identity = self.alice.convene("whoami")["identity"]
        line = self.alice.convene("devices", "add")["line"]
        tap.ok(line.startswith("convene://%s/" % node.address) and "/1/" in line,
               "a device prints a line for another computer", line)
        self.phone = self.computer("phone")
        asked = self.request(self.phone, line)
        tap.equal(asked["identity"], self.identity, "the new one asks for the same identity")
        tap.equal(asked["fingerprint"].replace(" ", ""), asked["device_key"][:20],
                  "and shows the beginning of its key")
        tap.equal(self.request(self.phone, line)["device_key"], asked["device_key"],
                  "asked again it has the same key")
        tap.ok(len(asked["request"]) < 200, "its request is short", asked["request"])
        tap.equal(self.phone.convene("whoami")["state"], "requested", "and it waits")

        for words in (["devices"], ["post", self.topic, "--subject", "Early"]):
            code, said = refusal(self.phone.convene, *words)
            tap.ok(code != 0 and "devices approve REQUEST" in said,
                   "until it is let in, it says by whom: " + words[0], said)
        code, said = refusal(self.alice.convene, "devices", "approve", asked["request"],
                             "--fingerprint", asked["fingerprint"][:9])
        tap.ok(code == 1 and "20 digits" in said, "too few digits are called that", said)
        code, said = refusal(self.alice.convene, "devices", "approve", asked["request"],
                             "--fingerprint", "0" * 20)
        tap.ok(code == 4 and "Those are not the digits" in said,
               "other digits than the request's are noticed", said)
        code, said = refusal(self.eve.convene, "devices", "approve", asked["request"], "--yes")
        tap.ok(code == 2 and "somebody else" in said, "nobody approves another's request", said)
        done = self.alice.convene("devices", "approve", asked["request"], "--fingerprint",
                                  asked["fingerprint"].upper())
        tap.equal(done["device_key"], asked["device_key"], "approved, it is enrolled")
        again = self.alice.convene("devices", "approve", asked["request"], "--yes")
        tap.equal(again["status"], "enrolled", "approved again, the answer is the same")
        who = self.phone.convene("whoami")
        tap.equal((who["state"], who["handle"]), ("enrolled", "alice"),
                  "the new computer finds out who it is")
        one = self.alice.post(self.topic, "From the first", "One.")
        two = self.phone.post(self.topic, "From the second", "Two.")
        self.forum.settle()
        items = [self.item(self.bob, post) for post in (one, two)]
        tap.equal([(i["handle"], i["identity"]) for i in items], [("alice", self.identity)] * 2,
                  "both are shown elsewhere as posts of one person")
        tap.ok(items[0]["signer"] != items[1]["signer"], "by two keys")
        tap.ok(not any("recovered" in i for i in items), "and nothing was recovered")
        self.phone_key = asked["device_key"]
        self.amended(one)
        self.third()

    def amended(self, post):
        """Each device may amend what the other wrote."""
        self.phone.convene("amend", post, "--file", "-", stdin=b"One, from the other.")
        self.forum.settle()
        self.tap.equal(self.item(self.bob, post)["content"]["text"], "One, from the other.",
                       "a second device amends what the first wrote")

    def third(self):
        tap = self.tap
        self.tablet = self.computer("tablet")
        asked = self.request(self.tablet, self.phone.convene("devices", "add")["line"])
        self.phone.convene("devices", "approve", "-", "--yes", stdin=asked["request"].encode())
        self.tablet_key = asked["device_key"]
        known = self.names(self.tablet)
        tap.equal(len(known), 3, "the second device lets a third in")
        tap.equal(known[self.tablet_key].get("endorser"), self.phone_key,
                  "and is named as who did")
        tap.equal([d["this"] for d in known.values()], [False, False, True],
                  "each knows which one it is")

    # ---- what is refused ----

    def forged(self):
        tap = self.tap
        stolen = self.computer("stolen")
        request = self.request(stolen, self.alice.convene("devices", "add")["line"])["request"]
        key = bytes.fromhex(self.alice.convene("whoami")["device_key"])
        eve = bytes.fromhex(self.eve.convene("whoami")["device_key"])
        said = [self.redeem(request, endorser=key, endorsement=os.urandom(64)),
                self.redeem(request, endorser=os.urandom(32), endorsement=os.urandom(64)),
                self.redeem(request, endorser=eve, endorsement=os.urandom(64)),
                self.redeem(request, endorser=key),
                self.redeem(request)]
        tap.equal([one[0] for one in said],
                  ["BAD_SIGNATURE", "NOT_ENROLLED", "WRONG_SIGNER", "MALFORMED", "MALFORMED"],
                  "forged, unknown, foreign, half and no endorsements are refused")
        message = pb.Redeem.FromString(b64(request))
        mine = rogue.Key()
        message.device_key = mine.public
        said = self.redeem("x:" + base64.urlsafe_b64encode(message.SerializeToString()).decode()
                           .rstrip("="), endorser=key, endorsement=os.urandom(64))
        tap.equal(said[0], "BAD_SIGNATURE", "and another key in a request that was signed")
        tap.equal(len(self.names(self.alice)), 3, "nobody was enrolled by it")
        self.many()

    def endorsed(self, key, identity, fresh):
        """A request for a new key of the identity, endorsed by that key."""
        log_name = self.log
        device = rogue.Device(self.id, log_name, fresh)
        device.identity = identity
        statement = identity + device.key.public + spec.u8(0)
        return pb.Redeem(
            identity=identity, device_key=device.key.public, device_signature=device.consent(),
            endorser=key.public, endorsement=key.sign(
                spec.binding(b"convene/v1/endorse", self.id, log_name) + statement))

    def many(self):
        """One person has at most 16 devices in force."""
        mallory = self.node.enrol("mallory")
        key = rogue.Key.load(str(mallory.home / "device.key"))
        identity = bytes.fromhex(mallory.convene("whoami")["identity"])
        said, keys = [], [rogue.Key() for _ in range(16)]
        with self.guest() as guest:
            for fresh in keys:
                said.append(guest.ask("REDEEM", self.endorsed(key, identity, fresh)))
        self.tap.equal([isinstance(one, tuple) for one in said], [False] * 15 + [True],
                       "a person has at most 16 devices")
        self.tap.equal(said[-1][0], "QUOTA", "and is told that there are too many")
        self.tap.ok(len(self.ended(keys[:15], identity)) > 16, "all are ended by one command, those "
                    "that were enrolled meanwhile among them")

    def ended(self, keys, identity):
        """Revoke all while a thief goes on: what was revoked, or nothing if some are left."""
        stop = threading.Event()

        def thief():
            with self.guest() as guest:
                while not stop.is_set():
                    fresh = rogue.Key()
                    answer = guest.ask("REDEEM", self.endorsed(keys[-1], identity, fresh))
                    if not isinstance(answer, tuple):
                        keys.append(fresh)
                    elif answer[0] == "REVOKED":
                        keys.pop() if len(keys) > 1 else stop.wait(0.01)

        thread = threading.Thread(target=thief)
        thread.start()
        try:
            self.node.ctl("revoke", "mallory", "--reason", "left")
        finally:
            stop.set()
            thread.join()
        self.forum.settle()
        devices = [p for p in self.node.ctl_json("people")["people"] if p["handle"] == "mallory"]
        return devices if all(p["revoked"] for p in devices) else []

    # ---- one less ----

    def revoked(self):
        tap = self.tap
        code, said = refusal(self.phone.convene, "devices", "revoke", self.tablet_key, "--yes")
        tap.ok(code == 2 and "itself alone" in said, "no device revokes another", said)
        done = self.tablet.convene("devices", "revoke", "--reason", "replaced", "--yes")
        tap.equal(done["device_key"], self.tablet_key, "a device revokes itself")
        tap.equal(self.tablet.convene("whoami")["state"], "revoked", "and knows it")
        code, said = refusal(self.tablet.post, self.topic, "Late", "Too late.")
        tap.ok(code == 2 and "revoked" in said, "it can't write any more", said)
        said = harness.run([harness.CONVENE, "outbox"],
                           env={"CONVENE_HOME": str(self.tablet.home)})
        tap.ok("another device" in said and "--again" not in said,
               "and is not told to sign it again", said)
        asked = self.request(self.computer("next"), self.alice.convene("devices", "add")["line"])
        said = self.redeem(asked["request"], endorser=bytes.fromhex(self.tablet_key),
                           endorsement=os.urandom(64))
        tap.equal(said[0], "REVOKED", "nor vouch for others")
        said = self.node.ctl_json("revoke", "alice", "--device", self.phone_key[:8], "--reason",
                                  "lost")
        tap.equal(said["revoked"], [self.phone_key], "the operator ends one device of several")
        tap.equal([d["state"] for d in self.names(self.alice).values()],
                  ["good", "revoked", "revoked"], "the first stays")

    # ---- all keys lost ----

    def recovered(self):
        tap, node = self.tap, self.node
        lost = self.alice
        node.ctl("revoke", "alice", "--reason", "lost")
        line = node.ctl_json("recover", "participant", "alice")["line"]
        self.alice = self.computer("recovered")
        asked = self.request(self.alice, line)
        code, said = refusal(node.ctl, "recover", "participant", "eve", asked["request"],
                             "--yes")
        tap.ok(code == 2 and "somebody else" in said, "a recovery is for whom it is meant", said)
        for words, expected in (([], 1), (["--fingerprint", "0" * 20], 4)):
            code, said = refusal(node.ctl, "recover", "participant", "alice", asked["request"],
                                 *words)
            tap.equal(code, expected, "nobody is recovered unasked, nor with other digits")
        node.ctl("recover", "participant", "alice", asked["request"], "--fingerprint",
                 asked["fingerprint"])
        who = self.alice.convene("whoami")
        tap.ok(who["state"] == "enrolled" and who["identity"] == self.identity,
               "who lost all keys is recovered", who)
        tap.ok(abs(who.get("recovered", 0) / 1000 - time.time()) < 600, "which the device shows",
               who)
        self.back = post = self.alice.post(self.topic, "Again", "I am back.")
        self.forum.settle()
        shown = [self.item(reader, post) for reader in (self.bob, self.eve)]
        tap.ok(all(i["recovered"] == who["recovered"] and i["handle"] == "alice" for i in shown),
               "and everybody, with each post", [i.get("recovered") for i in shown])
        text = harness.run([harness.CONVENE, "read", post], env={"CONVENE_HOME":
                                                                 str(self.bob.home)})
        tap.ok("key was recovered by the organisation on 20" in text, "in words", text)
        self.inherited(who["recovered"])
        again = pb.Redeem.FromString(b64(asked["request"]))
        again.device_key = bytes.fromhex(lost.convene("whoami")["device_key"])
        code, said = refusal(node.ctl, "enrol", "convene-enrol:x")
        tap.equal(code, 2, "what is no request is refused")
        shutil.copytree(lost.home, self.forum.folder / "people/old")
        old = self.computer("old")
        text = (old.home / "node").read_text().replace("state: enrolled", "state: requested")
        (old.home / "node").write_text(text)
        request = self.request(old, self.alice.convene("devices", "add")["line"])["request"]
        code, said = refusal(self.alice.convene, "devices", "approve", request, "--yes")
        tap.ok(code == 2 and "never enrolled again" in said,
               "a key that was revoked is not endorsed", said)
        code, said = refusal(node.ctl, "recover", "participant", "alice", request, "--yes")
        tap.ok(code == 2 and "never enrolled again" in said, "nor recovered", said)

    def inherited(self, when):
        laptop = self.computer("laptop")
        asked = self.request(laptop, self.alice.convene("devices", "add")["line"])
        self.alice.convene("devices", "approve", asked["request"], "--yes")
        post = laptop.post(self.topic, "More", "From a further one.")
        self.forum.settle()
        self.tap.equal(self.item(self.bob, post).get("recovered"), when,
                       "also what a device writes for which the recovered one vouches")
        self.laptop = laptop

    # ---- the node's own keys ----

    def linked(self, up=True):
        return wait_for(lambda: all(
            peer["connected"] == up for node in (self.node, self.other)
            for peer in node.peers().values()), 20)

    def flows(self, name):
        """A post goes each way."""
        posts = [self.alice.post(self.topic, name, "From isoc."),
                 self.bob.post(self.topic, name, "From ripe.")]
        self.forum.settle()
        return all(self.item(reader, post)["signature"] == "good"
                   for reader in (self.alice, self.bob) for post in posts)

    def restart(self):
        self.node.stop()
        self.node.start()
        self.node.wait_sealing()

    def keys(self):
        folder = self.node.folder / "keys"
        return {role: (folder / (role + ".key")).read_bytes()
                for role in ("root", "log", "registrar", "cosigner", "tls")}

    def rotation(self):
        tap, node = self.tap, self.node
        folder = node.folder / "keys"
        configs = [n.config.read_bytes() for n in self.forum]
        registrar = rogue.Key.load(str(folder / "registrar.key"))
        code, said = refusal(node.ctl, "credential", "--new-key", "log")
        tap.ok("for life" in said, "a log keeps its key for life", said)
        (folder / "root.key").rename(folder / "away")
        code, said = refusal(node.ctl, "credential", "--new-key", "tls")
        (folder / "away").rename(folder / "root.key")
        tap.ok("root key" in said and not (folder / "tls.key.new").exists(),
               "without the root key no key is made", said)
        before = self.keys()
        for serial, role in enumerate(("registrar", "cosigner", "tls"), 2):
            answer = node.ctl_json("credential", "--new-key", role)
            now = self.keys()
            tap.equal((answer["serial"], [r for r in now if now[r] != before[r]]), (serial, [role]),
                      "the %s key is replaced, and no other" % role)
            before = now
            if role == "registrar":
                code, said = refusal(node.enrol, "carol")
                tap.ok("not started anew yet" in said,
                       "until the restart nobody is enrolled, and it is said why", said)
                tap.ok("restart convened" in node.status()["keys"] and
                       node.ctl_json("invite")["restart"], "status says so, and so does an invite",
                       node.status()["keys"])
            self.other.stop()
            self.other.start()
            tap.ok(self.linked(), "a peer that starts in between is linked")
            self.restart()
            tap.ok(self.linked(), "and so it is after the node's own restart")
            tap.ok(self.flows("After a new %s key" % role), "posts go both ways")
        tap.equal([n.config.read_bytes() for n in self.forum], configs,
                  "no configuration was changed, the peer's least of all")
        self.carol = node.enrol("carol")
        tap.ok(self.carol.convene("whoami")["state"] == "enrolled",
               "the new registrar enrols people")
        self.old_registrar(registrar)
        texts = {i["content"]["text"] for t in self.bob.threads(self.topic)
                 for i in self.bob.read(t["id"], whole=True)
                 if i["signature"] == "good" and "content" in i}
        tap.ok({"One, from the other.", "Two.", "I am back."} <= texts,
               "what was written before stays as it was", texts)
        self.interrupted(folder)

    def old_registrar(self, key):
        """An ENROL by the key that was replaced has no place in the log."""
        log_name = self.node.status()["log"].encode()
        device = rogue.Device(self.id, log_name)
        body = pb.EnrolBody(identity=device.identity, device_key=device.key.public,
                            device_signature=device.consent())
        path = self.forum.folder / "enrol"
        path.write_bytes(rogue.message(key, self.id, log_name, spec.ENROL, sequence=1 << 20,
                                       body=body.SerializeToString()))
        code, said = refusal(self.node.ctl, "submit", path)
        self.tap.ok(code == 2 and "revoked" in said, "the old registrar's key enrols nobody", said)

    def interrupted(self, folder):
        """A machine that stops between two steps of ctl_rotate.c."""
        tap, node = self.tap, self.node
        keys = ("tls.key", "registrar.key", "cosigner.key")
        old = {name: (folder / name).read_bytes() for name in ("credential", *keys)}
        node.ctl("credential", "--new-key", "tls", "--new-key", "registrar", "--new-key",
                 "cosigner")
        new = {name: (folder / name).read_bytes() for name in old}

        def put(name, content):
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o600)

        # Behind step 3: the message is in the log, and no file has its name yet.
        for name in old:
            put(name, old[name])
            put(name + ".new", new[name])
        self.restart()
        tap.ok(self.linked(), "after a crash behind step 3 the node starts, as it was")
        size = node.status()["logs"][0]["size"]
        tap.equal(node.ctl_json("credential", "--renew")["serial"], 5,
                  "the same command again goes on with what was signed")
        tap.equal((node.status()["logs"][0]["size"],
                   {name: (folder / name).read_bytes() for name in new}), (size, new),
                  "and signs nothing twice")
        tap.equal(sorted(p.name for p in folder.iterdir() if p.name.endswith(".new")), [],
                  "no unfinished file is left")
        # Behind step 4: the credential is the new one, the keys have their old names.
        for name in keys:
            put(name, old[name])
            put(name + ".new", new[name])
        self.restart()
        tap.ok(self.linked(), "after a crash behind step 4 it starts with the new keys")
        node.ctl("credential", "--renew")
        tap.equal([(folder / name).read_bytes() for name in keys], [new[name] for name in keys],
                  "which then get their names")
        self.restart()
        tap.ok(self.linked() and self.flows("At last"), "and all goes on")

    # ---- what a client notices ----

    def audit(self, person, *words):
        """(exit code, names of what is wrong, names of all findings, the answer)"""
        try:
            out, code = harness.run([harness.CONVENE, "audit", *words, "--json"],
                                    env={"CONVENE_HOME": str(person.home)}), 0
        except CommandFailure as failure:
            out, code = failure.out, failure.code
        answer = json.loads(out)
        found = answer.get("findings", [])
        return (code, [f["name"] for f in found if f["level"] == "wrong"],
                [f["name"] for f in found], answer)

    def wrong(self, person, names, what, code=4):
        got = self.audit(person)
        self.tap.ok(got[:2] == (code, names), what, got)
        return got[3]

    def audits(self):
        tap, node = self.tap, self.node
        answer = self.wrong(self.carol, [], "of somebody with one device nothing is odd", 0)
        tap.equal((answer["size"], len(answer["devices"])),
                  (node.status()["logs"][0]["size"], 1), "and the whole log was read")
        code, wrong, all_names, answer = self.audit(self.alice)
        tap.ok((code, wrong) == (0, []) and set(all_names) == {"recovery", "foreign", "revoked"},
               "recovery and revocations are told", answer)
        tap.equal({d["device_key"] for d in answer["devices"] if d["state"] == "good"},
                  {p.convene("whoami")["device_key"] for p in (self.alice, self.laptop)},
                  "with the devices in force")
        code, _, all_names, answer = self.audit(self.eve, self.identity)
        tap.ok(code == 0 and "recovery" in all_names, "anybody reads it of others", answer)
        code, _, _, answer = self.audit(self.eve, "00" * 16)
        tap.ok(code == 5, "of an identity that is nobody's there is none", answer)
        self.gap()
        self.foreign()
        self.lost()
        self.unsealed()

    def gap(self):
        state = self.carol.home / "outbox/state"
        text = state.read_text()
        number = int(text.split("sequence: ")[1].split()[0])
        state.write_text(text.replace("sequence: %d" % number, "sequence: %d" % (number + 3)))
        self.carol.post(self.topic, "Behind a gap", "Three are missing.")
        answer = self.wrong(self.carol, ["gap"], "numbers that are not in the log are found")
        self.tap.ok("%d to %d" % (number + 1, number + 3) in answer["findings"][0]["text"],
                    "and named", answer["findings"])
        (self.carol.home / "outbox/dropped").write_text(
            "".join("%d\n" % n for n in range(number + 1, number + 4)))
        self.wrong(self.carol, [], "those that their author has dropped are no gap", 0)

    def foreign(self):
        tap, node = self.tap, self.node
        other = self.computer("foreign")
        asked = self.request(other, node.ctl_json("recover", "participant", "carol")["line"])
        node.ctl("recover", "participant", "carol", asked["request"], "--yes")
        answer = self.wrong(self.carol, ["recovery"], "a device that the organisation has let in")
        tap.equal([d["known"] for d in answer["devices"]], [True, False], "is not taken for known")
        other.post(self.topic, "As carol", "Who am I?")
        second = self.computer("foreign-2")
        request = self.request(second, other.convene("devices", "add")["line"])["request"]
        other.convene("devices", "approve", request, "--yes")
        self.forum.settle()
        self.wrong(self.carol, ["recovery", "foreign"], "nor one for which that vouches")
        self.audit(self.carol, "--accept", asked["fingerprint"].upper())
        code, wrong, names, answer = self.audit(self.carol)
        tap.equal((code, wrong, names), (0, [], ["recovery", "endorsed"]),
                  "unless its owner says that it is theirs")
        # A thief with a copy of the key lets a device in.
        copy, third = self.computer("copy"), self.computer("foreign-3")
        shutil.copytree(self.carol.home, copy.home)
        request = self.request(third, copy.convene("devices", "add")["line"])["request"]
        copy.convene("devices", "approve", request, "--yes")
        copy.post(self.topic, "As carol again", "With her key.")
        self.forum.settle()
        answer = self.wrong(self.carol, ["stranger", "stranger"], "a copy of the key is noticed")
        tap.ok(all("another copy of the key" in f["text"] for f in answer["findings"]
                   if f["level"] == "wrong"), "and called so", answer["findings"])

    def lost(self):
        eve = self.eve
        eve.convene("sync")
        kept = eve.convene("read", self.back, "--offline")["items"][0]
        self.tap.ok(kept.get("recovered", 0) > 0, "a copy that is read offline shows recoveries, too",
                    kept)
        self.node.stop()
        code, _ = refusal(eve.post, self.topic, "Lost", "To be lost.")
        waiting = [p for p in (eve.home / "outbox").iterdir() if p.name.endswith(".message")]
        self.tap.equal((code, len(waiting)), (3, 1), "a message waits for the node")
        sent = eve.home / "outbox/sent" / waiting[0].name
        waiting[0].rename(sent)
        submit = pb.Submit.FromString(sent.read_bytes())
        post = spec.message_id(submit.submissions[0].message[:-64], self.id, self.log).hex()
        self.node.start()
        self.node.wait_sealing()
        code, wrong, _, answer = self.audit(eve)
        # What is kept may be sent again before anybody looks.
        self.tap.ok((code, wrong) == (4, ["lost"]) or wait_for(lambda: self.item(eve, post)),
                    "one that was sealed and is not in the log is found", answer)
        with contextlib.suppress(FileNotFoundError):
            sent.unlink()
        self.forum.settle()
        self.wrong(eve, [], "then nothing is wrong", 0)

    def unsealed(self):
        eve, node = self.eve, self.node
        signer = node.child("convened-signer")
        os.kill(signer, signal.SIGSTOP)
        try:
            code = refusal(eve.post, self.topic, "Unsealed", "Waits.")[0]
            got = self.audit(eve)
            self.tap.ok(got[:3] == (0, [], ["unsealed"]), "what is not sealed yet is told", code, got)
            self.old_message(eve)
            self.wrong(eve, ["unsealed"], "and is wrong when it lasts")
        finally:
            os.kill(signer, signal.SIGCONT)
        self.forum.settle()
        self.wrong(eve, [], "until it is sealed", 0)

    def old_message(self, person):
        """A message in the outbox that was signed an hour ago."""
        log_name = self.node.status()["log"].encode()
        device = rogue.Device(self.id, log_name,
                              rogue.Key.load(str(person.home / "device.key")))
        text = (person.home / "outbox/state").read_text()
        names = [int(p.name.split(".")[0]) for p in (person.home / "outbox").iterdir()
                 if p.name.endswith(".message")]
        device.sequence = max(names + [int(text.split("sequence: ")[1].split()[0])])
        topic = spec.parse_log_name(log_name).digest + bytes.fromhex(self.topic)
        message, content = device.write(text="An hour ago.", topic=topic,
                                        time=rogue.now_ms() - 3600000)
        submit = pb.Submit(forum=self.id, log=log_name, submissions=[
            pb.Submission(message=message, salt=content.salt, content=content.bytes)])
        path = person.home / "outbox" / ("%016d.message" % device.sequence)
        path.write_bytes(submit.SerializeToString())
        path.chmod(0o600)

    # ---- a node that goes back ----

    def rollback(self):
        tap, node = self.tap, self.node
        carried = self.alice.convene("whoami")["head"]
        head = (self.alice.home / "head").read_bytes()
        tap.equal((int(head.split(b"\n")[1]), carried), (node.status()["logs"][0]["size"],) * 2,
                  "a client carries the head that it has seen")
        self.forum.stop()
        data, backup = node.folder / "data", self.forum.folder / "backup"
        shutil.copytree(data, backup)
        self.forum.start()
        self.alice.post(self.topic, "Before the rollback", "Sealed.")
        seen = int((self.alice.home / "head").read_bytes().split(b"\n")[1])
        tap.ok(seen > carried, "and what was sealed for it at once", carried, seen)
        self.forum.stop()
        shutil.rmtree(data)
        shutil.copytree(backup, data)
        node.start()
        code, said = refusal(self.alice.convene, "whoami")
        tap.ok(code == 4 and "it has gone back" in said, "a node that was rolled back is noticed",
               said)
        evidence = self.alice.home / "evidence"
        tap.ok((evidence / ("seen-%d.note" % seen)).exists() and
               len(list(evidence.glob("shown-*.note"))) == 1, "and both heads are kept",
               list(evidence.iterdir()))
        code, said = refusal(self.alice.post, self.topic, "Not now", "Not sent.")
        tap.ok(code == 4, "nothing is sent to it", said)
        node.wait_sealing()
        # In ignorance of what it had signed, it goes another way.
        dave = node.enrol("dave")
        while node.status()["logs"][0]["size"] <= seen:
            dave.post(self.topic, "Fork", "Another history.")
        code, said = refusal(self.alice.convene, "topics")
        tap.ok(code == 4 and "another history" in said, "and when it shows another history", said)
        proofs = list(evidence.glob("fork-*"))
        tap.equal(len(proofs), 1, "there is a proof of it")
        tap.ok(self.proves(proofs[0].read_text()), "which holds")

    def proves(self, text):
        """The fork proof, checked by itself (9.6)."""
        first, *lines = text.splitlines()
        proof = pb.ForkProof.FromString(base64.b64decode("".join(lines)))
        notes = [spec.split_note(note)[0].split(b"\n") for note in (proof.smaller, proof.larger)]
        hashes = [proof.proof[i:i + 32] for i in range(0, len(proof.proof), 32)]
        sizes = [int(note[1]) for note in notes]
        roots = [base64.b64decode(note[2]) for note in notes]
        return (first == "convene fork proof v1" and notes[0][0] == notes[1][0] and
                proof.root != roots[0] and
                consistent(sizes[0], sizes[1], hashes, proof.root, roots[1]))


def consistent(m, n, proof, root_m, root_n):
    """RFC 9162 2.1.4.2."""
    def node(a, b):
        return spec.sha256(b"\1", a + b)
    proof = list(proof)
    if m & (m - 1) == 0:
        proof.insert(0, root_m)
    fn, sn = m - 1, n - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof.pop(0)
    for c in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == root_m and sr == root_n


def main(tap):
    with harness.Forum(["isoc.example", "ripe.example"], edges=harness.pair()) as forum:
        forum.start()
        tests = Identity(tap, forum)
        tests.devices()
        tests.forged()
        tests.revoked()
        tests.recovered()
        tests.rotation()
        tests.audits()
        tests.rollback()


if __name__ == "__main__":
    harness.tap_run(main)
