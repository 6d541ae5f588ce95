#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reads everything that a running node holds, as a client, and verifies every byte of it."""
import argparse
import contextlib
import json
import sys

sys.dont_write_bytecode = True

import convene_spec as spec  # noqa: E402
from convene_spec import Disconnected, Failure, need  # noqa: E402

STATES = ("live", "suspect", "disputed", "broken")


class LogCheck:
    """One log as this node holds it, and what was verified of it."""

    def __init__(self, info):
        self.info, self.name, self.digest = info, info.name, info.log
        self.parts = spec.parse_log_name(info.name)
        need(self.digest == self.parts.digest, "the log's digest is not that of its name")
        need(len(info.root) == 32 and info.size > 0, "the log has no head")
        self.leaves, self.messages, self.notes = [], [], {}
        self.roster = self.tree = None
        self.valid = self.unknown = self.effective = 0
        self.contents, self.absent, self.cosigned = {}, {"missing": 0, "erased": 0}, set()

    def predecessor(self):
        """(name, size) of the log before, from entry 0."""
        _, body = spec.verify_credential(self.leaves[0], self.forum, self.name)
        return body.get("previous_log"), body.get("previous_size"), body.get("previous_root")

    def fetch(self, client):
        """Entries with their range proofs, each against a checkpoint signed by the log."""
        self.forum = client.forum
        _, body = spec.verify_credential(self.info.credential, self.forum, self.name)
        self.key = spec.VerifierKey(self.name, 1, body["log_key"])
        hashes = []
        while len(self.leaves) < self.info.size:
            first = len(self.leaves)
            data = client.entries(self.digest, first, min(1024, self.info.size - first))
            leaves = spec.split_leaves(data.leaves)
            need(1 <= len(leaves) <= 1024, "DATA of %d entries" % len(leaves))
            checkpoint = self.note(data.checkpoint)
            fresh = [spec.leaf_hash(leaf) for leaf in leaves]
            root = spec.range_root(fresh, first, checkpoint.size, spec.split_hashes(data.proof))
            need(root == checkpoint.root,
                 "the range proof of entries from %d does not give the root" % first)
            self.leaves += leaves
            hashes += fresh
        self.tree = spec.Tree(hashes)
        need(self.leaves[0] == self.info.credential, "entry 0 is not the credential")
        need(self.tree.root(0, self.info.size) == self.info.root,
             "the entries do not give the root that the node states")
        if self.info.checkpoint:
            self.note(self.info.checkpoint)

    def note(self, note):
        checkpoint = spec.open_checkpoint(note, self.key)
        self.notes.setdefault(note, checkpoint)
        return checkpoint

    def fold(self, charter, logs, fail):
        """Every message: well-formed, signed, in sequence, by a signer who may (6.1)."""
        previous, (name, size, root) = None, self.predecessor()
        if name is not None:
            before = logs.get(name)
            need(before is not None, "the predecessor is not here")
            need(size <= len(before.leaves) and before.tree.root(0, size) == root,
                 "the predecessor's history is another one")
            previous = before.folded(charter, size, logs)
        self.roster = spec.Roster(charter, self.name, self.leaves[0], previous)
        for index, leaf in enumerate(self.leaves):
            message, why = None, None
            try:
                message, why = self.roster.add(leaf)
                self.valid += 1
                self.effective += why is None
                need(index or why is None, "entry 0 has no effect: %s" % why)
            except spec.UnknownVersion:
                self.unknown += 1
            except Failure as failure:
                fail(self, index, failure)
            self.messages.append(message)

    def folded(self, charter, size, logs):
        """The roster over the first `size` entries, for a successor."""
        previous, (name, before, _) = None, self.predecessor()
        if name is not None:
            previous = logs[name].folded(charter, before, logs)
        roster = spec.Roster(charter, self.name, self.leaves[0], previous)
        for leaf in self.leaves[:size]:
            with contextlib.suppress(Failure):
                roster.add(leaf)
        return roster

    def check_notes(self, cosigners):
        """No two heads of one size, and each the root of the entries; and the cosignatures."""
        roots = {}
        for note in self.notes:
            checkpoint = spec.open_checkpoint(note, self.key, cosigners)
            need(roots.setdefault(checkpoint.size, checkpoint.root) == checkpoint.root,
                 "two checkpoints of size %d: a fork" % checkpoint.size)
            if checkpoint.size <= len(self.leaves):
                need(self.tree.root(0, checkpoint.size) == checkpoint.root,
                     "the checkpoint of size %d has another root" % checkpoint.size)
            self.cosigned.update((checkpoint.size, key.name) for key in checkpoint.signers
                                 if key != self.key)

    def check_content(self, client, index, limit):
        message = self.messages[index]
        if message.header.commitment is None:
            return
        salt, content = client.content(message.id, self.digest, index)
        if salt is None:
            self.absent[content] += 1
            return
        spec.verify_content(message.header, self.forum, self.name, salt, content, limit)
        erased = self.roster.erasure(self.digest + message.id)
        need(erased is None or erased >= self.info.folded,
             "content is served that entry %s has erased" % erased)
        self.contents[index] = salt, content

    def check_proof(self, client, index, cosigners):
        message = self.messages[index]
        answer = client.proof(message.id)
        need(answer.log == self.name and answer.message == message.data,
             "the proof of another message")
        at, checkpoint = spec.open_tlog_proof(answer.proof, message.data, self.key, cosigners)
        need(at == index, "the proof names index %d" % at)
        self.note(answer.proof.partition(b"\n\n")[2])

    def summary(self):
        line = "%s: %d entries, root %s…, %d valid, %d with effect" % (
            self.name.decode(), len(self.leaves), self.info.root.hex()[:16], self.valid,
            self.effective)
        for count, what in ((self.unknown, "of unknown version"), (len(self.contents), "contents"),
                            (self.absent["missing"], "contents missing"),
                            (self.absent["erased"], "contents erased"),
                            (len(self.notes), "checkpoints"), (len(self.cosigned), "cosigned")):
            line += ", %d %s" % (count, what) if count else ""
        state = self.info.state
        return line + ", " + (STATES[state] if state < len(STATES) else "state %d" % state)

    def as_json(self):
        entries = []
        for index, message in enumerate(self.messages):
            entry = {"index": index, "size": len(self.leaves[index])}
            if message is not None:
                entry.update(id=message.id.hex(), kind=message.header.kind,
                             signer=message.header.signer.hex(),
                             sequence=message.header.sequence)
            if index in self.contents:
                content = self.contents[index][1]
                entry["content_size"] = len(content)
                entry["content_sha256"] = spec.sha256(content).hex()
                with contextlib.suppress(Failure):  # nobody shows what does not parse (7)
                    parsed = spec.parse_content(content)
                    entry["text_size"] = len(parsed.text)
                    entry["text_sha256"] = spec.sha256(parsed.text).hex()
            entries.append(entry)
        return {"name": self.name.decode(), "size": len(self.leaves),
                "root": self.info.root.hex(), "entries": entries}


def flips(data):
    """`data` with every single bit inverted in turn."""
    for bit in range(8 * len(data)):
        yield data[:bit >> 3] + bytes([data[bit >> 3] ^ 1 << (bit & 7)]) + data[(bit >> 3) + 1:]


def flip_all(what, data, verify):
    """Every bit of `data` matters to `verify`; returns how many there are."""
    verify(data)
    count = 0
    for count, changed in enumerate(flips(data), 1):
        try:
            verify(changed)
        except Failure:
            continue
        raise Failure("bit %d of the %s can be changed" % (count - 1, what))
    return count


def flip_report(forum, name, key, message, salt, content, note, limit):
    """The counts of a message, its salt and content, and a checkpoint, as one line."""
    header = message.header
    alone = spec.strip_cosignatures(note, key)
    counts = (
        ("message", flip_all("message", message.data,
                             lambda data: spec.verify_message(data, forum, name))),
        ("salt", flip_all("salt", salt, lambda data: spec.verify_content(
            header, forum, name, data, content, limit))),
        ("content", flip_all("content", content, lambda data: spec.verify_content(
            header, forum, name, salt, data, limit))),
        ("checkpoint", flip_all("checkpoint", alone,
                                lambda data: spec.open_checkpoint(data, key))))
    return "flipped every bit, each refused: " + ", ".join("%s %d" % item for item in counts)


def check_members(charter, logs):
    admissions = {}
    for log in logs:
        admissions.setdefault((log.parts.organisation, log.roster.root), set()).update(
            log.roster.admitted)
    members = spec.membership(charter, admissions)
    for log in logs:
        need((log.parts.organisation, log.roster.root) in members,
             "%s belongs to no member" % log.name.decode())


def check_newest(client, logs):
    """HELLO's credential is the newest NODE of the node's root key (4.3, 10.3)."""
    newest = max((log.roster.serial for log in logs if log.roster.root == client.root_key.key),
                 default=0)
    need(client.serial >= newest, "HELLO's credential is not the newest")


def verify_node(client, options, failures):
    def fail(log, index, failure):
        where = log.name.decode() + ("" if index is None else " entry %d" % index)
        failures.append(where)
        print("FAILED %s: %s" % (where, failure), file=sys.stderr)

    charter = client.charter()
    infos, frontier = client.logs()
    infos = [info for info in infos if info.size]
    need(len({info.log for info in infos}) == len(infos), "a log is listed twice")
    need(spec.frontier_hash([(i.log, i.size, i.root) for i in infos]) == frontier,
         "the frontier's hash is not that of the heads")

    logs, good = {}, []
    for info in sorted(infos, key=lambda info: info.name):
        log = LogCheck(info)
        try:
            log.fetch(client)
        except Failure as failure:
            fail(log, None, failure)
            continue
        logs[log.name] = log
    for log in sorted(logs.values(), key=lambda log: log.parts.number):
        try:
            log.fold(charter, logs, fail)
            good.append(log)
        except Failure as failure:
            fail(log, None, failure)
    check_members(charter, good)
    check_newest(client, good)

    cosigners = {key for log in good for key in log.roster.cosigners}
    for log in good:
        for index, message in enumerate(log.messages):
            if message is None:
                continue
            for check, argument in ((log.check_content, charter.content_limit),
                                    (log.check_proof, cosigners)):
                try:
                    check(client, index, argument)
                except Failure as failure:
                    fail(log, index, failure)
        try:
            log.check_notes(cosigners)
        except Failure as failure:
            fail(log, None, failure)
        print(log.summary())

    if options.flip:
        flip_one(good, charter)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"forum": charter.forum.hex(),
                       "logs": [log.as_json() for log in good]}, out, indent=1)
            out.write("\n")
    if failures:
        print("%d failures" % len(failures), file=sys.stderr)
    print("verified %d messages, %d contents, %d checkpoints in %d logs" % (
        sum(log.valid for log in good), sum(len(log.contents) for log in good),
        sum(len(log.notes) for log in good), len(good)))


def flip_one(logs, charter):
    """Of the POST with the shortest content."""
    found = min(((len(log.contents[index][1]), n, index) for n, log in enumerate(logs)
                 for index in log.contents
                 if log.messages[index].header.kind == spec.POST), default=None)
    need(found, "there is no POST with content to flip")
    log, index = logs[found[1]], found[2]
    salt, content = log.contents[index]
    print(flip_report(charter.forum, log.name, log.key, log.messages[index], salt, content,
                      next(iter(log.notes)), charter.content_limit))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="HOST:PORT, or [IPV6]:PORT")
    parser.add_argument("root", help="verifier key of the organisation's root")
    parser.add_argument("forum", help="forum id, in hexadecimal")
    parser.add_argument("--json", metavar="FILE", help="write ids, sizes and hashes of texts")
    parser.add_argument("--flip", action="store_true",
                        help="flip every bit of one post and of a checkpoint")
    options = parser.parse_args()
    host, separator, port = options.address.rpartition(":")
    if not separator or not port.isdigit() or len(options.forum) != 64:
        parser.error("an address is HOST:PORT, a forum id 64 hexadecimal digits")
    failures = []
    try:
        root = spec.VerifierKey.parse(options.root.encode(), 1)
        client = spec.Client(host.strip("[]"), int(port), root, bytes.fromhex(options.forum))
        with contextlib.closing(client):
            verify_node(client, options, failures)
    except (Failure, Disconnected, OSError, ValueError) as error:
        print("FAILED %s: %s" % (options.address, error), file=sys.stderr)
        return 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
