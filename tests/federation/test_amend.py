#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Amending and erasing, on the wire: what one node accepts is shown by the others and by one that
joins later, what it must not accept is refused by a sentence, and what was erased is in no file of
any of them (SPEC.md 6.2, 13.5)."""
import base64
import os
import pathlib
import sqlite3
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402
from rogue import (  # noqa: E402
    Device, Guest, Key, Text, code_name, message, pb, reference, spec, wait_for)

# What is to be gone in the end; no other text has such words.
GONE = [b"quincejelly", b"rhubarbpie", b"marzipanroll", b"medlarjam", b"sloegin", b"sloeberry",
        b"damsonbutter"]
KEPT = [b"barleybread", b"oatcakes"]


class Person(Device):
    """Somebody at a node."""

    def __init__(self, node, forum, guest, handle):
        super().__init__(forum, guest.hello.log)
        invite = node.ctl_json("invite")["invite"]
        self.enrolment = guest.redeem(base64.urlsafe_b64decode(
            invite.rpartition("/")[2] + "=="), self, handle)
        spec.need(not isinstance(self.enrolment, tuple), self.enrolment)
        self.profile_ref = self.ref(self.enrolment.message)

    def ref(self, leaf):
        return reference(self.log_name, leaf, self.forum)

    def amend(self, target, text="", subject="", content=None):
        body = pb.AmendBody(target=target).SerializeToString()
        made = self.write(spec.AMEND, text, subject, body=body)
        if content is None:
            return made
        return message(self.key, self.forum, self.log_name, spec.AMEND, sequence=self.sequence,
                       body=body, **content.fields), content

    def rename(self, handle):
        return self.amend(self.profile_ref, content=self.profile(handle, self.key.public))

    def erase(self, target, reason=1):
        self.sequence += 1
        return message(self.key, self.forum, self.log_name, spec.ERASE, sequence=self.sequence,
                       body=pb.EraseBody(target=target, reason=reason).SerializeToString()), None


def items(guest, identifier, alone=False):
    """A thread's items by id."""
    answer = guest.ask("THREAD_GET", pb.ThreadGet(id=identifier, alone=alone))
    if isinstance(answer, tuple):
        return {}
    return {spec.message_id(item.message[:-64], guest.forum, item.log): item
            for item in answer.items}


def text_of(item):
    return pb.Content.FromString(item.content).text.decode() if item else None


def subjects(guest, topic):
    answer = guest.ask("THREADS_GET", pb.ThreadsGet(topic=topic))
    return {} if isinstance(answer, tuple) else {t.id: t.subject.decode() for t in answer.threads}


def watched(guest, topic=b"", after=0):
    guest.stream += 1
    guest.send("WATCH", pb.Watch(after=after, topic=topic, end=True), guest.stream)
    found = []
    while True:
        name, stream, answer = guest.receive()
        if stream != guest.stream:
            continue
        spec.need(name == "ITEMS", name)
        found.extend(answer.items)
        if answer.last:
            return found


def files_with(node, words):
    """(file, word) of what is in the store's files."""
    found = []
    for path in sorted((node.folder / "data").iterdir()):
        if path.is_file() and path.name.startswith("convene.db"):
            data = path.read_bytes()
            found += [(path.name, word.decode()) for word in words if word in data]
    return found


class Amending:
    def __init__(self, tap, forum):
        self.tap, self.forum = tap, forum
        self.a, self.b, self.late = forum.nodes
        self.forum_id = None
        self.guests = []

    def guest(self, node):
        return Guest(("127.0.0.1", node.port), self.forum_id)

    def submit(self, *made, at=None):
        outcomes = (at or self.guests[0]).submit(*made)
        spec.need(all(o.status >= pb.ACCEPTED for o in outcomes), str(outcomes))
        return [o.id for o in outcomes]

    def refused(self, name, made, code, words):
        """Refused, with these words; the sequence is free again."""
        answer = self.guests[0].submit(made)[0]
        self.tap.ok((answer.status, code_name(answer.code)) == (pb.REFUSED, code)
                    and words in answer.text.decode(), "refused: " + name, str(answer))

    def refused_soon(self, name, make, code, words):
        """Refused so, when the node has taken in what was accepted before."""
        answer = None

        def refused():
            nonlocal answer
            answer = self.guests[0].submit(make())[0]
            return code_name(answer.code) != "BUSY"
        wait_for(refused, 20)
        self.tap.ok((answer.status, code_name(answer.code)) == (pb.REFUSED, code)
                    and words in answer.text.decode(), "refused: " + name, str(answer))

    def everywhere(self, name, check):
        """check(guest) becomes true at every node that runs."""
        for guest in self.guests:
            good = wait_for(lambda g=guest: check(g), 20)
            self.tap.ok(good, "%s at %s" % (name, guest.hello.log.decode().partition("/")[0]))

    # ---- the test ----

    def run(self):
        for node in (self.a, self.b):
            node.start(wait=False)
        for node in (self.a, self.b):
            node.wait_sealing()
        self.forum_id = bytes.fromhex(self.a.status()["forum"])
        self.guests = [self.guest(self.a), self.guest(self.b)]
        self.alice = Person(self.a, self.forum_id, self.guests[0], "alice")
        self.carol = Person(self.a, self.forum_id, self.guests[0], "carol")
        self.bob = Person(self.b, self.forum_id, self.guests[1], "bob")
        self.amend()
        self.refusals()
        self.profiles()
        self.erase()
        self.arrivals()
        self.gone("while the nodes run", [self.a, self.b], 15)
        self.joins_late()
        self.rebuilt()
        for guest in self.guests:
            guest.close()
        self.forum.stop()
        self.gone("after the nodes stopped", self.forum.nodes, 0)

    def amend(self):
        tap, alice = self.tap, self.alice
        opened = alice.write(spec.TOPIC, "What it is about", "Old title")
        self.topic = self.submit(opened)[0]
        topic = self.topic_ref = alice.ref(opened[0])
        self.root = alice.write(text="quincejelly", subject="A subject", topic=topic)
        self.root_ref = alice.ref(self.root[0])
        self.reply = self.carol.write(text="barleybread", topic=topic, parent=self.root_ref)
        self.reply_ref = self.carol.ref(self.reply[0])
        self.submit(self.root, self.reply)
        self.everywhere("a thread is shown",
                        lambda g: text_of(items(g, self.reply_ref[16:]).get(self.reply_ref[16:])))
        other = self.carol.write(text="ryebread", topic=topic, parent=self.reply_ref)
        other_id = self.carol.ref(other[0])[16:]
        self.submit(other)
        root, reply = self.root_ref[16:], self.reply_ref[16:]
        self.everywhere("a post alone comes with its thread's root, and nothing else", lambda g: (
            set(items(g, root)) == {root, reply, other_id}
            and set(items(g, other_id, True)) == {root, other_id}
            and set(items(g, root, True)) == {root}))
        made = alice.amend(self.root_ref, "rhubarbpie", "Another subject")
        self.amendment = made
        self.submit(made)

        def amended(guest):
            item = items(guest, self.root_ref[16:]).get(self.root_ref[16:])
            return (item and item.amendment == made[0] and text_of(item) == "rhubarbpie"
                    and item.salt == made[1].salt and item.message == self.root[0]
                    and item.content_state == pb.CONTENT_PRESENT and item.amendment_index > 0
                    and not item.amendment_log and not item.erasure)
        self.everywhere("a post is shown amended", amended)
        self.everywhere("its thread has the new subject", lambda g: subjects(g, self.topic).get(
            self.root_ref[16:]) == "Another subject")
        self.submit(alice.amend(topic, "What it is about now", "New title"))
        self.everywhere("a topic has a new title", lambda g: [
            t.title for t in g.ask("TOPICS_GET", pb.TopicsGet()).topics] == [b"New title"])

        # Both in one batch: the target is accepted, and in no view yet.
        self.second = alice.write(text="oatcakes", subject="Second", topic=topic)
        self.second_ref = alice.ref(self.second[0])
        self.second_change = alice.amend(self.second_ref, "marzipanroll", "Second, again")
        self.submit(self.second, self.second_change)
        self.everywhere("an amendment of what has only been accepted", lambda g: text_of(
            items(g, self.second_ref[16:]).get(self.second_ref[16:])) == "marzipanroll")
        again = self.guests[0].submit(self.second_change)
        tap.equal(again[0].status, pb.SEALED, "the same amendment again gets the same answer")

    def refusals(self):
        alice, carol = self.alice, self.carol
        far = self.bob.write(text="elsewhere", topic=self.topic_ref)
        self.submit(far, at=self.guests[1])
        self.everywhere("a post of the other node", lambda g: items(g, reference(
            self.bob.log_name, far[0], self.forum_id)[16:]))
        nowhere = self.root_ref[:16] + os.urandom(32)
        wrong_log = bytes(16) + self.root_ref[16:]
        change_ref = alice.ref(self.amendment[0])
        missing = "the message to amend is not in this log"
        self.refused("an amendment of nothing", alice.amend(nowhere, "x"), "NOT_FOUND", missing)
        self.refused("an amendment of another log's post", alice.amend(
            self.bob.ref(far[0]), "x"), "NOT_FOUND", missing)
        self.refused("an amendment that names another log", alice.amend(wrong_log, "x"),
                     "NOT_FOUND", missing)
        self.refused("an amendment by another", carol.amend(self.root_ref, "x"), "WRONG_SIGNER",
                     "only its author can amend a message")
        self.refused("an amendment of an amendment", alice.amend(change_ref, "x"), "NOT_FOUND",
                     "only posts, topics and profiles can be amended")
        self.refused("an erasure of nothing", alice.erase(nowhere), "NOT_FOUND",
                     "the message to erase is not in this log")
        self.refused("an erasure by another", carol.erase(self.root_ref), "WRONG_SIGNER",
                     "only its author, or the registrar, can erase a message")
        self.refused("an amendment of somebody's profile", carol.amend(
            alice.profile_ref, content=carol.profile("anybody", carol.key.public)),
            "WRONG_SIGNER", "only its author can amend a message")
        self.refused("a handle that is taken", alice.rename("carol"), "HANDLE",
                     "the handle carol is taken")
        self.refused("a handle that looks like one", alice.rename("caro1"), "HANDLE",
                     "looks like carol")
        self.refused("a profile that is none", alice.amend(alice.profile_ref, "x"), "HANDLE",
                     "there is no profile in it")

    def profiles(self):
        alice, carol = self.alice, self.carol

        def handles(guest):
            found = items(guest, self.reply_ref[16:])
            return [found[ref[16:]].handle for ref in (self.root_ref, self.reply_ref)
                    if ref[16:] in found]
        rename = alice.rename("sloegin")
        # What is accepted and in no view yet counts as well.
        outcomes = self.guests[0].submit(rename, carol.rename("sloegin"))
        self.tap.ok(outcomes[0].status >= pb.ACCEPTED and outcomes[1].status == pb.REFUSED
                    and outcomes[1].text == b"somebody has just taken such a handle",
                    "of two who want a handle at once, one gets it", str(outcomes))
        self.everywhere("somebody has another handle",
                        lambda g: handles(g) == [b"sloegin", b"carol"])
        taken = carol.rename("alice")
        self.submit(taken)
        self.everywhere("and another has the old one",
                        lambda g: handles(g) == [b"sloegin", b"alice"])
        self.refused("a profile that comes back to a handle that is taken", alice.erase(
            alice.ref(rename[0])), "HANDLE",
            "the profile before it can't come back: the handle alice is taken")
        # One by one the first of these is fine, and then the second is not.
        later = alice.rename("sloeberry")
        self.submit(later)
        self.everywhere("a third handle", lambda g: handles(g) == [b"sloeberry", b"alice"])
        outcomes = self.guests[0].submit(alice.erase(alice.ref(rename[0])),
                                         alice.erase(alice.ref(later[0])))
        self.tap.ok(outcomes[0].status >= pb.ACCEPTED and outcomes[1].status == pb.REFUSED
                    and code_name(outcomes[1].code) in ("BUSY", "HANDLE"),
                    "nor is it reached by two erasures at once", str(outcomes))
        self.refused_soon("nor by one after the other", lambda: alice.erase(
            alice.ref(later[0])), "HANDLE", "the handle alice is taken")
        self.tap.equal(handles(self.guests[0]), [b"sloeberry", b"alice"], "handles stay apart")
        self.submit(carol.erase(carol.ref(taken[0])))
        self.everywhere("a profile's amendment is erased",
                        lambda g: handles(g) == [b"sloeberry", b"carol"])
        self.submit(alice.erase(alice.profile_ref))
        self.everywhere("a profile is erased", lambda g: handles(g) == [b"", b"carol"])
        self.submit(alice.rename("alys"))
        self.everywhere("and written anew", lambda g: handles(g) == [b"alys", b"carol"])

    def erase(self):
        alice, carol = self.alice, self.carol
        made = self.erasure = alice.erase(self.root_ref)
        self.submit(made)

        def erased(guest):
            item = items(guest, self.root_ref[16:]).get(self.root_ref[16:])
            return (item and item.content_state == pb.CONTENT_ERASED and item.erasure == made[0]
                    and item.erasure_index > 0 and not item.erasure_log and not item.content
                    and not item.amendment)
        self.everywhere("a post is shown as erased", erased)
        self.everywhere("its subject is gone", lambda g: subjects(g, self.topic).get(
            self.root_ref[16:]) == "")
        for ref, name in ((self.root_ref, "a post"), (alice.ref(self.amendment[0]),
                                                      "its amendment")):
            self.everywhere("CONTENT_GET of %s says that it was erased" % name, lambda g, r=ref:
                            g.ask("CONTENT_GET", pb.ContentGet(id=r[16:])).reason == pb.ERASED)
        self.refused("an amendment of what was erased", alice.amend(self.root_ref, "x"),
                     "NOT_FOUND", "the message to amend was erased")
        self.refused("another erasure of it", alice.erase(self.root_ref), "NOT_FOUND",
                     "the message was erased before")
        self.refused("an erasure of an erasure", alice.erase(alice.ref(made[0])), "NOT_FOUND",
                     "only posts, topics, profiles and amendments can be erased")

        self.submit(alice.erase(alice.ref(self.second_change[0])))
        self.everywhere("an amendment is erased, and the text before it back", lambda g: text_of(
            items(g, self.second_ref[16:]).get(self.second_ref[16:])) == "oatcakes")
        registrar = Key.load(self.a.folder / "keys" / "registrar.key")
        third = carol.write(text="medlarjam", subject="Third", topic=self.topic_ref)
        fourth = carol.write(text="damsonbutter", subject="Fourth", topic=self.topic_ref)
        self.submit(third, fourth)
        third_ref, fourth_ref = carol.ref(third[0]), carol.ref(fourth[0])
        self.everywhere("two posts more", lambda g: len(subjects(g, self.topic)) == 5)
        self.submit((message(registrar, self.forum_id, carol.log_name, spec.ERASE, sequence=1000,
                             body=pb.EraseBody(target=third_ref, reason=2).SerializeToString()),
                     None))
        # Erased in the batch that amends it: what comes later is erased as well.
        late = carol.amend(fourth_ref, "damsonbutter once more")
        self.submit(late, carol.erase(fourth_ref))
        self.refused("an amendment of what is being erased", carol.amend(fourth_ref, "x"),
                     "NOT_FOUND", "the message to amend was erased")
        for ref, name in ((third_ref, "by the registrar"), (fourth_ref, "by its author")):
            self.everywhere("a post is erased " + name, lambda g, r=ref: items(g, r[16:])[
                r[16:]].content_state == pb.CONTENT_ERASED)

    def arrivals(self):
        """AMEND and ERASE are items of a WATCH, in the place of what they are about."""
        seen = []
        for guest in self.guests:
            found = watched(guest, self.topic)
            kinds = [spec.parse_header(item.message[:-64]).kind for item in found]
            numbers = [item.arrival for item in found]
            self.tap.ok(numbers == sorted(set(numbers)) and kinds.count(spec.AMEND) == 4
                        and kinds.count(spec.ERASE) == 4 and kinds.count(spec.POST) == 7,
                        "a WATCH tells of all amendments and erasures of a topic", str(kinds))
            by_message = {item.message: item for item in found}
            change = by_message[self.amendment[0]]
            self.tap.ok(change.topic == self.topic and change.thread == self.root_ref[16:]
                        and change.content_state == pb.CONTENT_ERASED
                        and change.erasure == self.erasure[0],
                        "an amendment has the place of its post, and is erased with it")
            erasure = by_message[self.erasure[0]]
            self.tap.ok(erasure.topic == self.topic and erasure.thread == self.root_ref[16:]
                        and erasure.content_state == pb.CONTENT_NONE_NEEDED,
                        "an erasure has the place of what it erased")
            seen.append(sorted(by_message))
        self.tap.ok(all(s == seen[0] for s in seen), "both nodes tell the same")
        every = watched(self.guests[1])
        self.tap.equal(len([i for i in every if i.topic != self.topic]), 0,
                       "changes of profiles don't arrive")

    def gone(self, when, nodes, seconds):
        for node in nodes:
            left = wait_for(lambda n=node: not files_with(n, GONE), seconds) or None
            self.tap.ok(left, "%s %s: nothing that was erased is in its files" % (node, when),
                        str(files_with(node, GONE)))
            self.tap.equal({word for _, word in files_with(node, KEPT)},
                           {word.decode() for word in KEPT}, "and the rest is")

    def joins_late(self):
        self.late.start(wait=False)
        self.late.wait_sealing()
        self.guests.append(self.guest(self.late))
        self.forum.settle(60)
        late = self.guests[2]
        self.tap.equal(len({node.dump_hash() for node in self.forum}), 1,
                       "a node that joins late shows the same")
        found = items(late, self.root_ref[16:])[self.root_ref[16:]]
        self.tap.ok(found.content_state == pb.CONTENT_ERASED and found.erasure == self.erasure[0],
                    "an erased post is erased there")
        answer = late.ask("CONTENT_GET", pb.ContentGet(id=self.root_ref[16:]))
        self.tap.equal(answer.reason, pb.ERASED, "and CONTENT_GET says so there")
        self.tap.equal(text_of(items(late, self.second_ref[16:])[self.second_ref[16:]]),
                       "oatcakes", "what was amended for a while is as before")

    def rebuilt(self):
        want = self.a.dump_hash()
        numbers = [(i.arrival, i.message) for i in watched(self.guests[1])]
        self.b.ctl("rebuild")
        self.tap.ok(wait_for(lambda: self.b.dump_hash() == want, 20), "a rebuild changes nothing")
        self.guests[1].close()
        self.b.stop()
        with sqlite3.connect(str(self.b.folder / "data" / "convene.db")) as store:
            store.execute("DELETE FROM meta WHERE key = 'views'")
            store.execute("DROP TABLE amendment")
        store.close()
        self.b.start()
        self.guests[1] = self.guest(self.b)
        self.tap.ok(wait_for(lambda: self.b.dump_hash() == want, 20),
                    "views of an older version are made anew")
        self.tap.ok(any("made by another version" in line for line in self.b.log_lines()),
                    "and the operator is told")
        self.tap.equal([(i.arrival, i.message) for i in watched(self.guests[1])], numbers,
                       "with the arrival numbers of before")


def main(tap):
    with harness.Forum(["a.example", "b.example", "late.example"], harness.chain(3)) as forum:
        Amending(tap, forum).run()


if __name__ == "__main__":
    harness.tap_run(main)
