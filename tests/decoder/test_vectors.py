#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks tests/vectors/v1.json with the independent decoder, and the decoder itself.  TAP."""
import base64
import hashlib
import importlib.util
import json
import os
import shutil
import sys

sys.dont_write_bytecode = True
for module in ("nacl", "google.protobuf"):
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None or not shutil.which(os.environ.get("PROTOC", "protoc")):
        print("1..0 # SKIP python3-nacl, python3-protobuf and protoc are needed")
        sys.exit(77)

import nacl.bindings  # noqa: E402

import convene_spec as spec  # noqa: E402
import verify_node  # noqa: E402
from convene_spec import Failure, need  # noqa: E402

VECTORS = os.path.join(spec.HERE, "..", "vectors", "v1.json")
SPEC = os.path.join(spec.HERE, "..", "..", "proto", "SPEC.md")
TESTS = []
BASE = (15112221349535400772501151409588531511454012693041857206046113283949847762202,
        46316835694926478169428394003475163141307993866256225615783033603165251855960)
BASE = BASE + (1, BASE[0] * BASE[1] % spec.P)


def test(function):
    TESTS.append(function)
    return function


def refused(function, *arguments):
    try:
        function(*arguments)
    except Failure:
        return
    raise Failure("%s accepted what it must refuse" % function.__name__)


def equal(found, expected, what):
    need(found == expected, "%s: %r, expected %r" % (what, found, expected))


def load(path):
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    vectors["forum"] = bytes.fromhex(vectors["charter"]["forum"])
    vectors["name"] = vectors["log"]["name"].encode()
    vectors["key"] = spec.VerifierKey.parse(vectors["log"]["verifier_key"].encode(), 1)
    for message in vectors["messages"]:
        for name in ("header", "signature", "id", "leaf_hash", "content", "salt"):
            if name in message:
                message[name] = bytes.fromhex(message[name])
        message["data"] = message["header"] + message["signature"]
    return vectors


def encode_varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def encode_strict(fields, schema):
    out = b""
    for number, (name, kind) in sorted(schema.items()):
        value = fields.get(name)
        if value:
            out += encode_varint(number << 3 | (2 if kind is bytes else 0))
            out += encode_varint(len(value)) + value if kind is bytes else encode_varint(value)
    return out


def seed_pair(byte):
    return nacl.bindings.crypto_sign_seed_keypair(bytes([byte]) * 32)


def sign(secret, data):
    return nacl.bindings.crypto_sign(data, secret)[:64]


class Forge:
    """A small log of our own, to show what the roster refuses."""

    def __init__(self, vectors):
        self.charter = spec.parse_charter(vectors["charter"]["note"].encode())
        self.forum, self.name = vectors["forum"], vectors["name"]
        self.root, self.registrar, self.device = seed_pair(1), seed_pair(3), seed_pair(5)
        self.roster = spec.Roster(self.charter, self.name, vectors["messages"][0]["data"])
        self.roster.add(vectors["messages"][0]["data"])
        self.sequence = 1

    def message(self, pair, kind, body=None, **fields):
        self.sequence += 1
        fields = dict({"version": 1, "signer": pair[0], "sequence": self.sequence, "kind": kind,
                       "time": 1, "body": body}, **fields)
        header = encode_strict(fields, spec.HEADER)
        return header + sign(pair[1], spec.binding(b"convene/v1/message", self.forum, self.name)
                             + header)

    def enrolment(self, device, identity=bytes(15) + b"1", **body):
        statement = identity + device[0] + b"\0"
        body = dict({"identity": identity, "device_key": device[0], "device_signature": sign(
            device[1], spec.binding(b"convene/v1/device", self.forum, self.name) + statement)},
            **body)
        return encode_strict(body, spec.BODIES[spec.ENROL][0])

    def endorsement(self, by, device, identity=bytes(15) + b"1"):
        return sign(by[1], spec.binding(b"convene/v1/endorse", self.forum, self.name)
                    + identity + device[0] + b"\0")

    def effect(self, pair, kind, body=None, **fields):
        """True: valid with effect; False: valid without; None: not valid."""
        try:
            return self.roster.add(self.message(pair, kind, body, **fields))[1] is None
        except Failure:
            return None


# ---- the vectors ----

@test
def keys(vectors):
    for name, key in vectors["keys"].items():
        public, _ = nacl.bindings.crypto_sign_seed_keypair(bytes.fromhex(key["seed"]))
        equal(public.hex(), key["public"], name)
        need(spec.is_usable_key(public), "%s is not usable" % name)
        if "verifier_key" in key:
            text = key["verifier_key"].encode()
            kind = 4 if b"/cosigner+" in text else 1
            parsed = spec.VerifierKey.parse(text, kind)
            equal(parsed.key, public, name)
            equal(bytes(parsed), text, name)
            refused(spec.VerifierKey.parse, text, 5 - kind)


@test
def charter(vectors):
    note = vectors["charter"]["note"].encode()
    parsed = spec.parse_charter(note)
    equal(parsed.forum, vectors["forum"], "forum id")
    equal(spec.split_note(note)[0].decode(), vectors["charter"]["text"], "text")
    for old, new in ((b"admit: 1", b"admit: 01"), (b"admit: 1", b"admit: 2"),
                     (b"0 of all", b"1001 of all"), (b"v1\n", b"v2\n"), (b"1048576", b"65535"),
                     (b"participants", b"anybody")):
        refused(spec.parse_charter, note.replace(old, new))
    verify_node.flip_all("charter", note, spec.parse_charter)
    member = spec.VerifierKey(b"zzz.example", 1, seed_pair(9)[0])
    text = spec.split_note(note)[0] + b"member: " + bytes(member) + b"\n"
    signed = [text + b"\n"]
    for key, seed in ((parsed.members[0], 1), (member, 9)):
        refused(spec.parse_charter, b"".join(signed))  # one of two does not suffice
        signature = base64.b64encode(key.id + sign(seed_pair(seed)[1], text))
        signed.append(b"\xe2\x80\x94 " + key.name + b" " + signature + b"\n")
    equal(len(spec.parse_charter(b"".join(signed)).members), 2, "members")


@test
def log_name(vectors):
    keys = vectors["keys"]
    name = spec.parse_log_name(vectors["name"])
    digest = spec.log_digest(vectors["forum"], bytes.fromhex(keys["root"]["public"]),
                             bytes.fromhex(keys["log"]["public"]), name.number,
                             name.organisation)
    equal(digest.hex(), vectors["log"]["digest"], "digest")
    equal(digest, name.digest, "digest of the name")
    equal(vectors["key"].name, vectors["name"], "the verifier key's name")
    for bad in (b"isoc/%s/1", b"Isoc.example/%s/1", b"isoc.example/%s/01", b"-a.example/%s/1",
                b"isoc.example/%s/0", b"isoc.example/%s", b"a.%s/1"):
        refused(spec.parse_log_name, bad.replace(b"%s", digest.hex().encode()))


@test
def bindings(vectors):
    for domain, expected in vectors["bindings"].items():
        found = spec.binding(domain.encode(), vectors["forum"], vectors["name"])
        equal(found.hex(), expected, domain)


@test
def headers(vectors):
    for message in vectors["messages"]:
        header = spec.parse_header(message["header"])
        fields = dict(message["fields"])
        for name, kind in spec.HEADER.values():
            if kind is bytes and name in fields:
                text = fields[name]
                fields[name] = text.encode() if name == "lang" else bytes.fromhex(text)
        found = {name: value for name, value in header._asdict().items() if value is not None}
        equal(found, fields, message["what"])
        equal(encode_strict(fields, spec.HEADER), message["header"], message["what"])


@test
def messages(vectors):
    for message in vectors["messages"]:
        parsed = spec.verify_message(message["data"], vectors["forum"], vectors["name"])
        equal(parsed.id, message["id"], "id of " + message["what"])
        equal(spec.leaf_hash(message["data"]), message["leaf_hash"], "leaf hash")
        signed = spec.binding(b"convene/v1/message", vectors["forum"], vectors["name"])
        equal((signed + message["header"]).hex(), message["signed"], "signed bytes")
        refused(spec.verify_message, message["data"], vectors["forum"], vectors["name"] + b"0")
        refused(spec.verify_message, message["data"], bytes(32), vectors["name"])


@test
def contents(vectors):
    for message in vectors["messages"]:
        header = spec.parse_header(message["header"])
        if header.commitment is None:
            need("content" not in message, "content without commitment")
            continue
        arguments = vectors["forum"], vectors["name"], message["salt"], message["content"]
        spec.verify_content(header, *arguments, 1048576)
        equal(hashlib.sha256(bytes.fromhex(message["committed"])).digest(), header.commitment,
              "committed bytes")
        refused(spec.verify_content, header, *arguments, len(message["content"]) - 1)
        refused(spec.verify_content, header._replace(bucket=header.bucket + 1), *arguments,
                1048576)


@test
def roster(vectors):
    parsed = spec.parse_charter(vectors["charter"]["note"].encode())
    fold = spec.Roster(parsed, vectors["name"], vectors["messages"][0]["data"])
    for message in vectors["messages"]:
        _, why = fold.add(message["data"])
        need(why is None, "%s: %s" % (message["what"], why))
        equal(fold.size, message["index"] + 1, "index")
    refused(fold.add, vectors["messages"][-1]["data"])
    founder = (parsed.members[0].name, fold.root)
    members = spec.membership(parsed, {founder: fold.admitted})
    equal(members, {founder} | fold.admitted, "members")


@test
def tree(vectors):
    leaves = spec.Tree(m["leaf_hash"] for m in vectors["messages"])
    for size, root in vectors["roots"].items():
        equal(leaves.root(0, int(size)).hex(), root, "root at " + size)
    range_proof = vectors["range_proof"]
    first, end, size = (range_proof[name] for name in ("first", "end", "size"))
    proof = [bytes.fromhex(text) for text in range_proof["hashes"]]
    equal(leaves.range_proof(first, end, size), proof, "range proof")
    equal(spec.range_root(leaves.hashes[first:end], first, size, proof), leaves.root(0, size),
          "range proof's root")


@test
def checkpoint(vectors):
    parsed = spec.open_checkpoint(vectors["checkpoint"].encode(), vectors["key"])
    size = len(vectors["messages"])
    equal((parsed.size, parsed.root.hex()), (size, vectors["roots"][str(size)]), "checkpoint")
    head = bytes.fromhex(vectors["log"]["digest"]), parsed.size, parsed.root
    equal(spec.frontier_hash([head]).hex(), vectors["frontier"], "frontier")
    equal(spec.frontier_hash([(bytes(16), 0, bytes(32)), head]).hex(), vectors["frontier"],
          "frontier beside an empty log")


@test
def bundle(vectors):
    """Made again from the messages, byte for byte; then opened."""
    pb, forum = spec.transport(), vectors["forum"]
    digest, size = bytes.fromhex(vectors["log"]["digest"]), len(vectors["messages"])
    root = bytes.fromhex(vectors["roots"][str(size)])
    leaves = [message["data"] for message in vectors["messages"]]

    def frame(name, message):
        return spec.encode_frame(name, 0, message.SerializeToString())
    wanted = [b"convene bundle v1\n",
              frame("HELLO", pb.Hello(version_min=1, version_max=1, role=1, forum=forum)),
              frame("FRONTIER", pb.Frontier(
                  heads=[pb.Head(log=digest, size=size, root=root)], last=True)),
              frame("LOG", pb.Log(name=vectors["name"], credential=leaves[0])),
              frame("DATA", pb.Data(
                  log=digest, leaves=b"".join(spec.u16be(len(x)) + x for x in leaves),
                  checkpoint=vectors["checkpoint"].encode()))]
    texts = {m["index"]: m for m in vectors["messages"] if m.get("content") and m["index"] != 4}
    for index, m in texts.items():
        wanted.append(frame("CONTENT", pb.ContentChunk(
            log=digest, index=index, total=len(m["content"]), salt=m["salt"], data=m["content"])))
    wanted.append(frame("SUMMARY", pb.Summary(
        hash=bytes.fromhex(vectors["frontier"]), logs=1)))
    data = bytes.fromhex(vectors["bundle"])
    need(data == b"".join(wanted), "the bundle is made of other bytes")
    logs, heads = spec.open_bundle(data, forum, 1 << 20)
    equal((logs[digest].leaves, sorted(logs[digest].contents)), (leaves, sorted(texts)), "bundle")
    equal(heads, {digest: (size, root)}, "its frontier")
    for at in range(sum(map(len, wanted[:3])), len(data), 97):
        broken = data[:at] + bytes([data[at] ^ 64]) + data[at + 1:]
        try:
            refused(spec.open_bundle, broken, forum, 1 << 20)
        except Exception as error:  # protobuf's own
            need(type(error).__name__ == "DecodeError", "byte %d: %s" % (at, error))
    refused(spec.open_bundle, data[:-1], forum, 1 << 20)


@test
def cosignature(vectors):
    cosigner = spec.VerifierKey.parse(vectors["keys"]["cosigner"]["verifier_key"].encode(), 4)
    line = vectors["cosignature"]["line"].encode()
    note = vectors["checkpoint"].encode() + line
    parsed = spec.open_checkpoint(note, vectors["key"], [cosigner])
    equal(parsed.signers, [vectors["key"], cosigner], "signers")
    need(parsed.text in vectors["cosignature"]["signed"].encode(), "the text is not signed")
    equal(spec.strip_cosignatures(note, vectors["key"]), vectors["checkpoint"].encode(), "strip")
    refused(spec.open_checkpoint, parsed.text + b"\n" + line, vectors["key"], [cosigner])
    bad = bytearray(note)
    bad[-8] ^= 1
    spec.open_checkpoint(bytes(bad), vectors["key"])  # an unknown key is ignored
    refused(spec.open_checkpoint, bytes(bad), vectors["key"], [cosigner])


@test
def malformed_headers(vectors):
    spec.parse_header(bytes.fromhex(vectors["well_formed_header"]))
    for case in vectors["malformed_headers"]:
        try:
            spec.parse_header(bytes.fromhex(case["header"]))
        except Failure:
            continue
        raise Failure("accepted: " + case["why"])


@test
def header_ranges(_):
    good = {"version": 1, "signer": bytes(31) + b"1", "sequence": 2 ** 53 - 1,
            "kind": 2 ** 31 - 1, "time": 253402300799999, "topic": bytes(47) + b"1",
            "topic_index": 2 ** 53 - 1, "parent": bytes(47) + b"2", "parent_index": 1,
            "lang": b"a" * 35, "commitment": bytes(31) + b"1", "bucket": 24, "body": bytes(1536)}
    spec.parse_header(encode_strict(good, spec.HEADER))
    for name, value in (
            ("version", 0), ("signer", bytes(31)), ("signer", b""), ("sequence", 2 ** 53),
            ("sequence", 0), ("kind", 2 ** 31), ("kind", 0), ("time", 253402300800000),
            ("time", 0), ("topic", bytes(47)), ("topic", b""), ("topic_index", 2 ** 53),
            ("parent", bytes(49)), ("parent", b""), ("parent_index", 2 ** 53),
            ("lang", b"a" * 36), ("lang", b"a_b"), ("lang", b"en\n"), ("commitment", bytes(33)),
            ("commitment", b""), ("bucket", 25), ("body", bytes(1537))):
        refused(spec.parse_header, encode_strict(dict(good, **{name: value}), spec.HEADER))


@test
def quoted_in_spec(vectors):
    with open(SPEC, encoding="utf-8") as file:
        section = "".join(file.read().partition("\n## 2.")[0].split())
    post = vectors["messages"][3]
    for value in (post["fields"]["signer"], post["fields"]["topic"][32:], post["salt"].hex(),
                  post["fields"]["commitment"], post["signature"][:32].hex(), post["id"].hex(),
                  post["signature"][32:].hex(), post["leaf_hash"].hex(), vectors["forum"].hex(),
                  "".join(vectors["checkpoint"].split()), post["content"].hex()):
        need(value in section, "section 1 does not quote " + value)


@test
def every_bit(vectors):
    post = vectors["messages"][3]
    message = spec.verify_message(post["data"], vectors["forum"], vectors["name"])
    print("# " + verify_node.flip_report(
        vectors["forum"], vectors["name"], vectors["key"], message, post["salt"],
        post["content"], vectors["checkpoint"].encode(), 1048576))


# ---- the decoder itself ----

@test
def strict_encoding(_):
    schema = {1: ("a", 32), 2: ("b", bytes), 3: ("c", 64)}
    equal(spec.read_strict(b"\x08\x01\x12\x01\x00\x18\x80\x01", schema),
          {"a": 1, "b": b"\0", "c": 128}, "fields")
    equal(spec.read_strict(b"", schema), {}, "nothing")
    for bad in ("0800", "08", "0880", "088100", "888000", "08ffffffff1f", "080108" "01",
                "18010801", "1200", "120100" "00", "1202" "00", "2001", "0d00000001", "0b",
                "0a0100", "1001", "18ffffffffffffffffff02", "18ffffffffffffffffff8001"):
        refused(spec.read_strict, bytes.fromhex(bad), schema)


@test
def base64_is_strict(_):
    equal(spec.base64_decode(b"QQ=="), b"A", "base64")
    for bad in (b"QR==", b"QQ=", b"QQ", b"Q Q==", b"QQ==\n", b"QQ==QQ==", b"Q-==", b"QQ==="):
        refused(spec.base64_decode, bad)


def slow_verify(key, data, signature):
    """2.2 by the formula alone."""
    a, s = spec.point_decode(key), int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + data).digest(), "little") % spec.L
    r = spec.point_add(spec.point_mul(s, BASE), spec.point_mul(8 * spec.L - k, a))
    return spec.point_encode(r) == signature[:32]


@test
def ed25519_strictness(_):
    public, secret = seed_pair(7)
    equal(spec.point_encode(spec.point_decode(public)), public, "encoding")
    signature = sign(secret, b"data")
    spec.ed25519_verify(public, b"data", signature)
    need(slow_verify(public, b"data", signature), "the formula")
    s = int.from_bytes(signature[32:], "little")
    refused(spec.ed25519_verify, public, b"data",
            signature[:32] + (s + spec.L).to_bytes(32, "little"))
    refused(spec.ed25519_verify, public, b"datb", signature)
    torsion = spec.point_decode(bytes.fromhex(
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"))
    for n in range(8):  # no point of small order is a key, or an R
        small = spec.point_encode(spec.point_mul(n, torsion))
        need(not spec.is_proper_point(small) and not spec.is_usable_key(small), "small order")
        refused(spec.ed25519_verify, small, b"data", small + bytes(32))
    for bad in (spec.P, spec.P + 1, 2 ** 255 - 1, 1 | 1 << 255):  # not canonical
        need(spec.point_decode(bad.to_bytes(32, "little")) is None, "not canonical")
    # A key with a torsion part is not usable, and verifies only where the formula says so.
    scalar = int.from_bytes(hashlib.sha256(b"a").digest(), "little") % spec.L
    mixed = spec.point_encode(spec.point_add(spec.point_mul(scalar, BASE), torsion))
    need(spec.is_proper_point(mixed) and not spec.is_usable_key(mixed), "mixed order")
    accepted = 0
    for n in range(1, 25):
        r = spec.point_encode(spec.point_mul(n, BASE))
        k = int.from_bytes(hashlib.sha512(r + mixed + b"m").digest(), "little") % spec.L
        forged = r + ((n + k * scalar) % spec.L).to_bytes(32, "little")
        expected = slow_verify(mixed, b"m", forged)
        accepted += expected
        if expected:
            spec.ed25519_verify(mixed, b"m", forged)
        else:
            refused(spec.ed25519_verify, mixed, b"m", forged)
    need(0 < accepted < 24, "the cases do not tell the formulas apart")


@test
def ranges_of_small_trees(_):
    for size in range(1, 18):
        tree = spec.Tree(spec.leaf_hash(b"%d" % n) for n in range(size))
        root = tree.root(0, size)
        for a in range(size):
            for b in range(a + 1, size + 1):
                proof, hashes = tree.range_proof(a, b, size), tree.hashes[a:b]
                equal(spec.range_root(hashes, a, size, proof), root, "range")
                refused(spec.range_root, hashes, a, size, proof + [root])
                if proof:
                    refused(spec.range_root, hashes, a, size, proof[:-1])
            # RFC 6962 orders the same hashes from the leaf upwards.
            path, low, high = [], 0, size
            while high - low > 1:
                middle = low + spec.split_point(high - low)
                left = a < middle
                path.insert(0, tree.root(middle, high) if left else tree.root(low, middle))
                low, high = (low, middle) if left else (middle, high)
            equal(spec.inclusion_root(tree.hashes[a], a, size, path), root, "inclusion")
            equal(sorted(path), sorted(tree.range_proof(a, a + 1, size)), "the same hashes")
            refused(spec.inclusion_root, tree.hashes[a], a, size, path + [root])
            refused(spec.inclusion_root, tree.hashes[a], size, size, path)
    spec.leaf_hash(b"1" * 2048)
    refused(spec.leaf_hash, b"")
    refused(spec.leaf_hash, b"1" * 2049)


@test
def tlog_proofs(vectors):
    tree = spec.Tree(m["leaf_hash"] for m in vectors["messages"])
    note = vectors["checkpoint"].encode()
    leaf = vectors["messages"][8]["data"]
    proof = (b"c2sp.org/tlog-proof@v1\nindex 8\n"
             + base64.b64encode(tree.root(0, 8)) + b"\n\n" + note)
    index, found = spec.open_tlog_proof(proof, leaf, vectors["key"])
    equal((index, found.size), (8, 9), "tlog-proof")
    verify_node.flip_all("tlog-proof", proof, lambda data: need(
        spec.open_tlog_proof(data, leaf, vectors["key"])[0] == 8, "another index"))
    refused(spec.open_tlog_proof, proof, leaf[:-1], vectors["key"])
    refused(spec.open_tlog_proof, proof.replace(b"\nindex", b"\nextra QQ==\nindex"), leaf,
            vectors["key"])


@test
def notes(vectors):
    note = vectors["checkpoint"].encode()
    for bad in (note[:-1], note + b"\n", note.replace(b"\n\n", b"\n"), b"\n\n",
                note.replace(b" M", b"  M"), note.replace(b"\n9", b"\n09"),
                note.replace(b"\n9\n", b"\n9\nmore\n"), note.replace(b"\n9\n", b"\n\n9\n"),
                note.replace(b"9", b"\t"), b"\xff" + note):
        refused(spec.open_checkpoint, bad, vectors["key"])
    stranger = spec.VerifierKey(vectors["name"], 1, seed_pair(9)[0])
    refused(spec.open_note, note, [stranger])
    refused(spec.open_note, note, [])


@test
def enrolment(vectors):
    forge, second, third = Forge(vectors), seed_pair(21), seed_pair(22)
    enrol, post = spec.ENROL, {"topic": bytes(47) + b"1", "commitment": bytes(31) + b"1"}
    equal(forge.effect(forge.device, spec.POST, **post), None, "a post before enrolment")
    equal(forge.effect(forge.root, enrol, forge.enrolment(forge.device)), False, "by the root")
    equal(forge.effect(forge.registrar, enrol, forge.enrolment(forge.registrar)), False,
          "the registrar as a device")
    wrong = forge.enrolment(forge.device, device_signature=bytes(63) + b"1")
    equal(forge.effect(forge.registrar, enrol, wrong), False, "without possession")
    equal(forge.effect(forge.registrar, enrol, forge.enrolment(forge.device, recovery=1)), False,
          "recovery of a new identity")
    equal(forge.effect(forge.registrar, enrol, forge.enrolment(forge.device)), True, "first")
    equal(forge.effect(forge.registrar, enrol, forge.enrolment(forge.device)), False, "again")
    equal(forge.effect(forge.registrar, enrol, forge.enrolment(second)), False, "unendorsed")
    for by, expected in ((second, False), (forge.device, True)):
        body = forge.enrolment(second, endorser=by[0], endorsement=forge.endorsement(by, second))
        equal(forge.effect(forge.registrar, enrol, body), expected, "endorsed")
    equal(forge.effect(second, spec.REVOKE, encode_strict(
        {"device_key": forge.device[0]}, spec.BODIES[spec.REVOKE][0])), False, "another's key")
    equal(forge.effect(forge.device, spec.POST, **post), True, "a post")
    equal(forge.effect(forge.device, spec.REVOKE, encode_strict(
        {"device_key": forge.device[0]}, spec.BODIES[spec.REVOKE][0])), True, "revoked")
    equal(forge.effect(forge.device, spec.POST, **post), None, "a post after that")
    equal(forge.effect(forge.registrar, enrol, forge.enrolment(forge.device, recovery=1)), False,
          "enrolled for a second time")
    body = forge.enrolment(third, endorser=forge.device[0],
                           endorsement=forge.endorsement(forge.device, third))
    equal(forge.effect(forge.registrar, enrol, body), False, "endorsed by a revoked device")
    equal(forge.effect(forge.registrar, enrol, forge.enrolment(third, recovery=2)), False,
          "malformed")
    equal(forge.effect(forge.registrar, enrol, forge.enrolment(third, recovery=1)), True,
          "recovered")


@test
def later_nodes(vectors):
    forge, again = Forge(vectors), seed_pair(31)
    forge.effect(forge.registrar, spec.ENROL, forge.enrolment(forge.device))
    header = spec.parse_header(vectors["messages"][0]["header"])
    body = spec.read_body(spec.NODE, header.body)
    for change, expected in (
            ({}, False), ({"serial": 2, "registrar_key": forge.device[0]}, False),
            ({"serial": 2, "registrar_key": forge.root[0]}, False),
            ({"serial": 2, "previous_size": 1}, False),
            ({"serial": 2, "log_key": again[0]}, False), ({"serial": 2 ** 53}, False),
            ({"serial": 2, "tls_pins": bytes(31)}, False),
            ({"serial": 2, "tls_pins": bytes(32) * 2}, False),
            ({"serial": 5, "registrar_key": again[0]}, True), ({"serial": 5}, False)):
        body_bytes = encode_strict(dict(body, **change), spec.BODIES[spec.NODE][0])
        equal(forge.effect(forge.root, spec.NODE, body_bytes), expected, str(change))
    equal(forge.effect(forge.registrar, spec.ERASE), None, "the registrar that was")
    for key in (forge.registrar, again):
        equal(forge.effect(again, spec.ENROL, forge.enrolment(key, recovery=1)), False,
              "a registrar as a device")
    body = dict(body, previous_log=vectors["name"], previous_size=1, previous_root=bytes(32))
    first = forge.message(forge.root, spec.NODE, encode_strict(body, spec.BODIES[spec.NODE][0]))
    refused(spec.Roster, forge.charter, forge.name, first)


@test
def content_that_parses(vectors):
    for message in vectors["messages"]:
        if "content" in message:
            spec.parse_content(message["content"])
    part, mention = b"\x22\x00", b"\x1a\x24\x12\x10" + bytes(16) + b"\x1a\x10" + bytes(16)
    equal(len(spec.parse_content(part * 256 + mention * 1024 + b"\x78\1").parts), 256, "parts")
    for bad in (part * 257, mention * 1025, b"\x12\1\xff", b"\x12\2a", b"\x22\3\x0a\1\xff",
                b"\x32\3\x2a\1\xff", b"\x1a\2\x0a\0", b"\x0a\0" * 6145,
                b"\x32\x42" + b"\x2a\0" * 33):
        refused(spec.parse_content, bad)


@test
def validity(vectors):
    forge = Forge(vectors)
    forge.effect(forge.registrar, spec.ENROL, forge.enrolment(forge.device))
    post = {"topic": bytes(47) + b"1", "commitment": bytes(31) + b"1"}
    equal(forge.effect(forge.device, spec.POST, bucket=20, **post), True, "the largest bucket")
    equal(forge.effect(forge.device, spec.POST, bucket=21, **post), None, "too large a bucket")
    equal(forge.effect(forge.device, 4711), False, "an unknown kind")
    message = forge.message(forge.device, spec.POST, **post)
    target = forge.roster.name.digest + spec.parse_message(message, forge.forum, forge.name).id
    forge.roster.add(message)
    refused(forge.roster.add, message)
    forge.sequence += 100
    equal(forge.effect(forge.device, spec.POST, **post), True, "a gap")
    forge.sequence -= 50
    equal(forge.effect(forge.device, spec.POST, **post), None, "backwards")
    forge.sequence += 100
    equal(forge.effect(forge.device, spec.POST, b"\x08\x01", **post), False, "a post's body")
    amend = encode_strict({"target": target}, spec.BODIES[spec.AMEND][0])
    equal(forge.effect(forge.device, spec.AMEND, amend), False, "an AMEND without content")
    equal(forge.effect(forge.device, spec.AMEND, amend, commitment=bytes(31) + b"1"), True,
          "AMEND")
    equal(forge.effect(forge.root, spec.ERASE, amend), False, "ERASE by the root")
    equal(forge.effect(forge.registrar, spec.ERASE, amend), True, "ERASE by the registrar")
    equal(forge.roster.erasure(target), forge.roster.size - 1, "erased by")
    later = forge.message(forge.device, spec.AMEND, amend, commitment=bytes(31) + b"1")
    forge.roster.add(later)
    later = forge.roster.name.digest + spec.parse_message(later, forge.forum, forge.name).id
    equal(forge.roster.erasure(later), forge.roster.size - 2, "a later amendment")
    equal(forge.roster.erasure(bytes(48)), None, "not erased")
    equal(forge.effect(forge.registrar, spec.ERASE, amend[:2] + bytes(47) + b"1"), False,
          "ERASE of nothing")
    header = encode_strict({"version": 2, "kind": 1}, spec.HEADER)
    try:
        spec.parse_header(header)
    except spec.UnknownVersion:
        return
    raise Failure("version 2 is known")


@test
def frames(_):
    frame = spec.encode_frame("PONG", 7, b"abc")
    equal(frame.hex(), "000000030400000007616263", "frame")
    equal(spec.decode_frame_head(frame[:9]), (3, "PONG", 7), "head")
    head = spec.u32be(8193) + spec.u8(1) + bytes(4)
    equal(spec.decode_frame_head(head), (8193, "HELLO", 0), "head")
    refused(spec.decode_frame_head, head, False)
    refused(spec.decode_frame_head, spec.u32be(65) + spec.u8(3) + bytes(4))
    refused(spec.decode_frame_head, spec.u32be(1048577) + spec.u8(22) + bytes(4))
    refused(spec.decode_frame_head, bytes(9))
    equal(spec.split_leaves(b"\0\1a\0\0\0\2bc"), [b"a", b"", b"bc"], "leaves")
    refused(spec.split_leaves, b"\0\2a")
    refused(spec.split_leaves, b"\0")


@test
def certificate(_):
    def der(tag, *values):
        value = b"".join(values)
        length = (bytes([len(value)]) if len(value) < 128
                  else bytes([0x82]) + spec.u16be(len(value)))
        return bytes([tag]) + length + value
    spki = spec.ED25519_SPKI + bytes(range(32))
    algorithm = der(0x30, bytes.fromhex("06032b6570"))
    fields = [der(0xa0, b"\2\1\2"), der(2, b"\1"), algorithm, der(0x30, bytes(200)), der(0x30),
              der(0x30), spki, der(0xa3, b"")]
    whole = der(0x30, der(0x30, *fields), algorithm, der(3, bytes(65)))
    equal(spec.certificate_spki(whole), spki, "SPKI")
    equal(spec.certificate_spki(der(0x30, der(0x30, *fields[1:]), algorithm)), spki, "version 1")
    refused(spec.certificate_spki, whole[:-1])
    refused(spec.certificate_spki, whole.replace(spec.ED25519_SPKI[6:9], b"\x2b\x65\x6f"))


@test
def generated_transport(_):
    pb = spec.transport()
    hello = pb.Hello(version_min=1, version_max=1, role=pb.CLIENT, forum=bytes(32))
    equal(pb.Hello.FromString(hello.SerializeToString()), hello, "HELLO")
    equal(pb.Code.Name(22), "NOT_FOUND", "codes")
    for kind, name in spec.PAYLOADS.items():
        need(hasattr(pb, name), "%s is not in the schema" % kind)
    for kind, (schema, _, _) in [(k, v) for k, v in spec.BODIES.items()] + [
            (None, (spec.HEADER, None, None))]:
        name = "Header" if kind is None else spec.KINDS[kind].capitalize() + "Body"
        found = {f.number: (f.name, {f.TYPE_UINT32: 32, f.TYPE_UINT64: 64, f.TYPE_BYTES: bytes}
                            [f.type]) for f in getattr(pb, name).DESCRIPTOR.fields}
        equal(schema, found, name)


def main():
    vectors = load(sys.argv[1] if len(sys.argv) > 1 else VECTORS)
    print("1..%d" % len(TESTS))
    failed = 0
    for number, function in enumerate(TESTS, 1):
        try:
            function(vectors)
            print("ok %d - %s" % (number, function.__name__.replace("_", " ")))
        except Exception as error:  # whatever goes wrong is one failed test
            failed += 1
            print("not ok %d - %s" % (number, function.__name__.replace("_", " ")))
            print("# %s: %s" % (type(error).__name__, error))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
