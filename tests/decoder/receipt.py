#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Receipts (SPEC.md 9.5), checked by the charter alone.

    receipt.py RECEIPT CHARTER [--flip N]

--flip also changes a bit in each N-th byte, which must not go unnoticed. Exit status 1 when it does not verify."""
import collections
import pathlib
import re
import sys

sys.dont_write_bytecode = True
import convene_spec as spec  # noqa: E402
from convene_spec import need  # noqa: E402

Paper = collections.namedtuple("Paper", "log name message body")
Receipt = collections.namedtuple("Receipt", "message log index cosigners")


def take_line(data):
    line, separator, rest = data.partition(b"\n")
    need(separator, "a receipt is cut short")
    return line, rest


def read_paper(line, forum):
    match = re.fullmatch(rb"paper ([^ ]+) ([^ ]+)", line)
    need(match, "not a paper")
    log, data = match[1], spec.base64_decode(match[2])
    name = spec.parse_log_name(log)
    message = spec.verify_message(data, forum, log)
    need(message.header.kind in (spec.NODE, spec.ADMIT), "a paper is a NODE or an ADMIT")
    if message.header.kind == spec.NODE:
        spec.verify_credential(data, forum, log)
    return Paper(log, name, message, spec.read_body(message.header.kind, message.header.body))


def organisation(paper):
    return paper.name.organisation, paper.message.header.signer


def members_of(charter, nodes, admits):
    """Those who are members by these papers."""
    roots = {}
    for node in nodes:
        roots.setdefault(node.log, organisation(node))
    admissions = {}
    for admit in admits:
        need(admit.log in roots, "an ADMIT without a NODE of its log")
        need(roots[admit.log][1] == admit.message.header.signer, "an ADMIT by another key")
        need(admit.body["root_key"] != admit.message.header.signer, "an ADMIT of itself")
        admissions.setdefault(roots[admit.log], []).append(
            (admit.body["name"], admit.body["root_key"]))
    return spec.membership(charter, admissions)


def seat(charter, who):
    """What counts once; None: this organisation does not."""
    names = charter.anchor[1]
    if names is None:
        return who[1]
    founders = {member.name: member.key for member in charter.members}
    if who[0] not in names or founders.get(who[0], who[1]) != who[1]:
        return None
    return who[0]


def verify(data, note):
    charter = spec.parse_charter(note)
    line, data = take_line(data)
    need(line == b"convene receipt v1", "not a receipt")
    line, data = take_line(data)
    need(line == charter.forum.hex().encode(), "a receipt of another forum")
    line, data = take_line(data)
    entry = spec.base64_decode(line)
    papers = []
    while True:
        line, data = take_line(data)
        if not line:
            break
        papers.append(read_paper(line, charter.forum))
    nodes = [paper for paper in papers if paper.message.header.kind == spec.NODE]
    admits = [paper for paper in papers if paper.message.header.kind == spec.ADMIT]
    members = members_of(charter, nodes, admits)

    seats, origin, index = {}, None, None
    while data:
        line, data = take_line(data)
        match = re.fullmatch(rb"proof (0|[1-9][0-9]*)", line)
        need(match and int(match[1]) <= len(data), "not a proof")
        proof, data = data[:int(match[1])], data[int(match[1]):]
        if origin is None:
            log = proof.partition(b"\n\n")[2].partition(b"\n")[0]
            origin = next((node for node in nodes if node.log == log), None)
            need(origin, "no NODE of the entry's log")
            need(organisation(origin) in members, "the log's organisation is no member")
        # Cosigners are members, of another name and root key than the log's organisation.
        keys = {}
        for node in nodes:
            who = organisation(node)
            if who in members and seat(charter, who) is not None and \
                    who[0] != origin.name.organisation and \
                    who[1] != origin.message.header.signer:
                keys[spec.VerifierKey.parse(node.body["cosigner"], 4)] = who
        at, checkpoint = spec.open_tlog_proof(
            proof, entry, spec.VerifierKey(origin.log, 1, origin.body["log_key"]), keys)
        need(index in (None, at), "proofs of two entries")
        index = at
        for key in checkpoint.signers:
            if key in keys:
                seats[seat(charter, keys[key])] = keys[key][0]
    need(origin, "a receipt without a proof")
    need(charter.anchor[0] > 0 and len(seats) >= charter.anchor[0], "too few have cosigned")
    message = spec.verify_message(entry, charter.forum, origin.log)
    return Receipt(message, origin.log, index, sorted(seats.values()))


def survivors(data, note, step):
    """Bytes, of each so many, in which a flipped bit goes unnoticed."""
    found = []
    for at in range(0, len(data), step):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        try:
            verify(bytes(changed), note)
            found.append(at)
        except (spec.Failure, spec.UnknownVersion):
            pass
    return found


def main():
    data, note = (pathlib.Path(path).read_bytes() for path in sys.argv[1:3])
    try:
        receipt = verify(data, note)
    except spec.Failure as failure:
        sys.exit("receipt.py: %s" % failure)
    print("%s at %d of %s, cosigned by %s" % (
        receipt.message.id.hex(), receipt.index, receipt.log.decode(),
        b", ".join(receipt.cosigners).decode()))
    if "--flip" in sys.argv:
        step = int(sys.argv[4])
        left = survivors(data, note, step)
        print("%d bytes changed, %d unnoticed" % (len(range(0, len(data), step)), len(left)))
        if left:
            sys.exit("receipt.py: unnoticed: %s" % left[:20])


if __name__ == "__main__":
    main()
