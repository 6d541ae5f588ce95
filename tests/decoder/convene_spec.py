# SPDX-License-Identifier: BSD-2-Clause
"""The convene protocol, version 1, read from proto/SPEC.md and proto/convene.proto alone.

An independent second implementation: it shares no code with convened, so that what both accept
is what the specification says.  Section numbers refer to SPEC.md.  Whatever does not verify
raises Failure; nothing here returns False for "forged".
"""
import base64
import binascii
import collections
import contextlib
import functools
import hashlib
import importlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile

import nacl.bindings
import nacl.exceptions

HERE = os.path.dirname(os.path.abspath(__file__))
PROTO = os.path.join(HERE, "..", "..", "proto", "convene.proto")

MAX_MESSAGE = 2048
MAX_SAFE = 2 ** 53 - 1
MAX_TIME = 253402300799999
MAX_CONTENT = 2097152

NODE, ADMIT, ENROL, REVOKE, TOPIC, POST, AMEND, ERASE = range(1, 9)
KINDS = ("?", "NODE", "ADMIT", "ENROL", "REVOKE", "TOPIC", "POST", "AMEND", "ERASE")


class Failure(Exception):
    """Something that does not verify."""


class Disconnected(Exception):
    """The connection is over; nothing further can be asked."""


class UnknownVersion(Failure):
    """A header of a version other than 1 (5.3): no fault, and nothing to verify."""


def need(condition, why):
    if not condition:
        raise Failure(why)


# ---- 2.1 bytes ----

def sha256(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def u8(value):
    return value.to_bytes(1, "big")


def u16be(value):
    return value.to_bytes(2, "big")


def u32be(value):
    return value.to_bytes(4, "big")


def u64be(value):
    return value.to_bytes(8, "big")


def base64_decode(text):
    """RFC 4648 section 4, with padding, without stray bits or other characters."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Failure("base64: %s" % error) from None
    need(base64.b64encode(data) == bytes(text), "base64 is not canonical")
    return data


def decimal(text, least, most, what):
    need(re.fullmatch(rb"0|[1-9][0-9]{0,19}", text), "%s is not a decimal number" % what)
    need(least <= int(text) <= most, "%s is out of range" % what)
    return int(text)


# ---- 2.2 Ed25519 ----

P = 2 ** 255 - 19
L = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
IDENTITY = (0, 1, 1, 0)


def point_add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_mul(scalar, p):
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = point_add(result, p)
        p = point_add(p, p)
        scalar >>= 1
    return result


def point_is_identity(p):
    return p[0] % P == 0 and (p[1] - p[2]) % P == 0


def point_encode(p):
    inverse = pow(p[2], -1, P)
    x, y = p[0] * inverse % P, p[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def point_decode(data):
    """The point of a canonical encoding, or None."""
    number = int.from_bytes(data, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def is_proper_point(data):
    """A canonical encoding of a point that is not of small order."""
    p = point_decode(data)
    return p is not None and not point_is_identity(point_mul(8, p))


is_proper_key = functools.lru_cache(maxsize=65536)(is_proper_point)


@functools.lru_cache(maxsize=65536)
def is_usable_key(key):
    """A proper point in the subgroup of prime order."""
    return (len(key) == 32 and is_proper_key(key)
            and point_is_identity(point_mul(L, point_decode(key))))


def ed25519_verify(key, data, signature):
    need(len(key) == 32 and len(signature) == 64, "key or signature of a wrong length")
    need(int.from_bytes(signature[32:], "little") < L, "S is not below the group order")
    need(is_proper_key(key), "the public key is not canonical, or of small order")
    need(is_proper_point(signature[:32]), "R is not canonical, or of small order")
    try:
        nacl.bindings.crypto_sign_open(signature + data, key)
    except nacl.exceptions.BadSignatureError:
        raise Failure("the signature does not verify") from None


# ---- 2.3 strict encoding ----

def read_varint(data, at):
    value = 0
    for n in range(10):
        need(at + n < len(data), "a varint is cut short")
        byte = data[at + n]
        value |= (byte & 127) << 7 * n
        if byte < 128:
            need(byte or n == 0, "a varint is not minimal")
            need(value < 2 ** 64, "a varint is too large")
            return value, at + n + 1
    raise Failure("a varint is too long")


def read_strict(data, schema):
    """{name: value} of the fields that are there; schema is {number: (name, type)}, the type
    32 or 64 for an unsigned integer of so many bits, or bytes."""
    fields, at, last = {}, 0, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        need(number > last, "fields do not ascend")
        need(number in schema, "field %d is not in the schema" % number)
        name, kind = schema[number]
        need(wire == (2 if kind is bytes else 0), "field %d has wire type %d" % (number, wire))
        value, at = read_varint(data, at)
        need(value, "field %d is there and empty" % number)
        if kind is bytes:
            need(value <= len(data) - at, "field %d is cut short" % number)
            value, at = bytes(data[at:at + value]), at + value
        else:
            need(value < 1 << kind, "field %d is too large" % number)
        fields[name], last = value, number
    return fields


HEADER = {1: ("version", 32), 2: ("signer", bytes), 3: ("sequence", 64), 4: ("kind", 32),
          5: ("topic", bytes), 6: ("topic_index", 64), 7: ("parent", bytes),
          8: ("parent_index", 64), 9: ("time", 64), 10: ("lang", bytes),
          11: ("commitment", bytes), 12: ("bucket", 32), 13: ("body", bytes)}
# Per kind: the fields, the exact lengths of some of them, and those that must be there.
BODIES = {
    NODE: ({1: ("serial", 64), 2: ("log_key", bytes), 3: ("registrar_key", bytes),
            4: ("cosigner", bytes), 5: ("tls_pins", bytes), 6: ("previous_log", bytes),
            7: ("previous_size", 64), 8: ("previous_root", bytes)},
           {"log_key": 32, "registrar_key": 32, "previous_root": 32},
           ("serial", "log_key", "registrar_key", "cosigner", "tls_pins")),
    ADMIT: ({1: ("name", bytes), 2: ("root_key", bytes)}, {"root_key": 32},
            ("name", "root_key")),
    ENROL: ({1: ("identity", bytes), 2: ("device_key", bytes), 3: ("custody", 32),
             4: ("device_signature", bytes), 5: ("endorser", bytes), 6: ("endorsement", bytes),
             7: ("recovery", 32)},
            {"identity": 16, "device_key": 32, "device_signature": 64, "endorser": 32,
             "endorsement": 64},
            ("identity", "device_key", "device_signature")),
    REVOKE: ({1: ("device_key", bytes), 2: ("reason", 32)}, {"device_key": 32},
             ("device_key",)),
    AMEND: ({1: ("target", bytes)}, {"target": 48}, ("target",)),
    ERASE: ({1: ("target", bytes), 2: ("reason", 32)}, {"target": 48}, ("target",)),
}
MOST = {(NODE, "serial"): MAX_SAFE, (NODE, "previous_size"): MAX_SAFE, (ENROL, "custody"): 1,
        (ENROL, "recovery"): 1, (REVOKE, "reason"): 4, (ERASE, "reason"): 3}


def read_body(kind, data):
    schema, lengths, required = BODIES[kind]
    body = read_strict(data, schema)
    for name, length in lengths.items():
        need(len(body.get(name, bytes(length))) == length, "%s has a wrong length" % name)
    for name in required:
        need(name in body, "%s is missing" % name)
    for (of, name), most in MOST.items():
        need(of != kind or body.get(name, 0) <= most, "%s is out of range" % name)
    return body


# ---- 2.4 binding, 4.1 log name, 4.2 verifier keys ----

def binding(domain, forum, log_name):
    need(len(forum) == 32, "a forum id has 32 bytes")
    return domain + b"\0" + forum + u16be(len(log_name)) + log_name


def is_organisation_name(name):
    return (len(name) <= 100 and re.fullmatch(
        rb"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
        name) is not None)


LogName = collections.namedtuple("LogName", "organisation digest number")


def parse_log_name(name):
    parts = name.split(b"/")
    need(len(parts) == 3 and is_organisation_name(parts[0]), "not a log name")
    need(re.fullmatch(rb"[0-9a-f]{32}", parts[1]), "a log name's digest is not hexadecimal")
    return LogName(parts[0], bytes.fromhex(parts[1].decode()),
                   decimal(parts[2], 1, 2 ** 64 - 1, "a log name's number"))


def log_digest(forum, root_key, log_key, number, organisation):
    return sha256(b"convene/v1/log\0", forum, root_key, log_key, u64be(number),
                  organisation)[:16]


class VerifierKey(collections.namedtuple("VerifierKey", "name type key")):
    """A C2SP verifier key; type 1 (Ed25519) or 4 (cosignature/v1)."""

    @property
    def id(self):
        return sha256(self.name, b"\n", u8(self.type), self.key)[:4]

    def __bytes__(self):
        return (self.name + b"+" + self.id.hex().encode() + b"+"
                + base64.b64encode(u8(self.type) + self.key))

    @classmethod
    def parse(cls, text, kind):
        parts = text.split(b"+", 2)
        need(len(parts) == 3 and is_key_name(parts[0]), "not a verifier key")
        data = base64_decode(parts[2])
        need(len(data) == 33 and data[0] == kind, "not a verifier key of type %02d" % kind)
        key = cls(parts[0], kind, data[1:])
        need(parts[1] == key.id.hex().encode(), "a verifier key's id does not match")
        need(is_usable_key(key.key), "a verifier key's key is not usable")
        return key

    def verify(self, text, signature):
        if self.type == 1:
            ed25519_verify(self.key, text, signature)
            return
        need(len(signature) == 72, "a cosignature has a wrong length")
        time = int.from_bytes(signature[:8], "big")
        need(time < 2 ** 63, "a cosignature's time is out of range")
        ed25519_verify(self.key, b"cosignature/v1\ntime %d\n" % time + text, signature[8:])


# ---- C2SP signed notes, 9.2 checkpoints ----

def is_key_name(name):
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return False
    return bool(text) and "+" not in text and not any(c.isspace() or c < " " for c in text)


Signature = collections.namedtuple("Signature", "name id signature line")


def split_note(note):
    """The text, and the signature lines."""
    try:
        text = note.decode()
    except UnicodeDecodeError:
        raise Failure("a note is not UTF-8") from None
    need(not any(c < " " and c != "\n" for c in text), "a note has control characters")
    at = note.rfind(b"\n\n")
    need(at > 0 and note.endswith(b"\n"), "a note has no signatures")
    signatures = []
    for line in note[at + 2:-1].split(b"\n"):
        match = re.fullmatch(b"\xe2\x80\x94 ([^ ]+) ([^ ]+)", line)
        need(match and is_key_name(match[1]), "not a note's signature line")
        data = base64_decode(match[2])
        need(len(data) > 4, "a note's signature is too short")
        signatures.append(Signature(match[1], data[:4], data[4:], line + b"\n"))
    return note[:at + 1], signatures


def open_note(note, keys):
    """The text, and those of the keys that signed it: at least one, and none of them badly. Of
    several keys of one name and id any may have made a signature."""
    text, signatures = split_note(note)
    known = {}
    for key in keys:
        known.setdefault((key.name, key.id), []).append(key)
    found = []
    for signature in signatures:
        same = known.get((signature.name, signature.id), [])
        for key in same:
            try:
                key.verify(text, signature.signature)
            except Failure:
                if key is same[-1]:
                    raise
            else:
                found.append(key)
                break
    need(found, "no signature of a known key")
    return text, found


Checkpoint = collections.namedtuple("Checkpoint", "origin size root text signers")


def open_checkpoint(note, log_key, cosigners=()):
    """log_key: the log's verifier key, whose name is the log's."""
    text, found = open_note(note, [log_key, *cosigners])
    need(log_key in found, "a checkpoint is not signed by its log")
    lines = text.split(b"\n")
    need(len(lines) == 4 and lines[3] == b"", "a checkpoint has not three lines")
    need(lines[0] == log_key.name, "a checkpoint of another log")
    root = base64_decode(lines[2])
    need(len(root) == 32, "a checkpoint's root has a wrong length")
    size = decimal(lines[1], 1, 2 ** 64 - 1, "a checkpoint's size")
    return Checkpoint(lines[0], size, root, text, found)


def strip_cosignatures(note, log_key):
    """The note with the signature lines of the log key alone."""
    text, signatures = split_note(note)
    return text + b"\n" + b"".join(
        s.line for s in signatures if (s.name, s.id) == (log_key.name, log_key.id))


# ---- 3 charter ----

Charter = collections.namedtuple("Charter",
                                 "forum name purpose admit topics anchor content_limit members")


def is_plain_text(text, most):
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        return False
    return 1 <= len(text) <= most and not any(
        ord(c) < 32 or 127 <= ord(c) < 160 for c in decoded)


def parse_charter(note):
    text, _ = split_note(note)
    need(len(text) <= 49152 and len(note) <= 65536, "a charter is too long")
    lines = text[:-1].split(b"\n")
    need(len(lines) >= 8 and lines[0] == b"convene charter v1", "not a charter")
    values = []
    for line, prefix in zip(lines[1:7], (b"name: ", b"purpose: ", b"admit: ", b"topics: ",
                                         b"anchor: ", b"content-limit: ")):
        need(line.startswith(prefix), "a charter has no %r" % prefix.decode())
        values.append(line[len(prefix):])
    name, purpose, admit, topics, anchor, limit = values
    need(is_plain_text(name, 200), "a charter's name")
    need(is_plain_text(purpose, 1000), "a charter's purpose")
    need(lines[7:] == sorted(set(lines[7:])), "a charter's members do not ascend")
    members = []
    for line in lines[7:]:
        need(line.startswith(b"member: "), "a charter's line %r" % line)
        members.append(VerifierKey.parse(line[8:], 1))
        need(is_organisation_name(members[-1].name), "a member's name")
    for part in ("name", "key"):
        need(len({getattr(m, part) for m in members}) == len(members), "a member twice")
    need(topics in (b"participants", b"registrars", b"roots"), "a charter's topics")
    count, separator, names = anchor.partition(b" of ")
    need(separator, "a charter's anchor")
    cosigners = None if names == b"all" else names.split(b" ")
    if cosigners is not None:
        need(cosigners == sorted(set(cosigners)), "a charter's anchor names do not ascend")
        need(all(map(is_organisation_name, cosigners)), "a charter's anchor names")
    most = 1000 if cosigners is None else min(1000, len(cosigners))
    anchor = decimal(count, 0, most, "a charter's anchor"), cosigners
    charter = Charter(sha256(text), name, purpose,
                      decimal(admit, 1, len(members), "a charter's admit"), topics, anchor,
                      decimal(limit, 65536, MAX_CONTENT, "a charter's content-limit"), members)
    _, found = open_note(note, members)
    need(set(found) == set(members), "a charter is not signed by all its members")
    return charter


def membership(charter, admissions):
    """The organisations (name, root key) by the least fixed point of 3.4; admissions maps an
    organisation to those that it has admitted."""
    members = {(m.name, m.key) for m in charter.members}
    while True:
        votes = collections.Counter(
            guest for member in members for guest in set(admissions.get(member, ()))
            if guest != member)
        more = {guest for guest, count in votes.items() if count >= charter.admit} - members
        if not more:
            return members
        members |= more


# ---- 5 message ----

Header = collections.namedtuple(
    "Header", [name for name, _ in HEADER.values()], defaults=[None] * len(HEADER))
Message = collections.namedtuple("Message", "data header signature id")


def parse_header(data):
    if data[:1] == b"\x08":
        version, _ = read_varint(data, 1)
        if version not in (0, 1):
            raise UnknownVersion("version %d" % version)
    fields = read_strict(data, HEADER)
    for name in ("version", "signer", "sequence", "kind", "time"):
        need(name in fields, "%s is missing" % name)
    header = Header(**fields)
    need(len(header.signer) == 32, "signer has a wrong length")
    need(header.sequence <= MAX_SAFE, "sequence is out of range")
    need(header.kind < 2 ** 31, "kind is out of range")
    need(header.time <= MAX_TIME, "time is out of range")
    for value, index in ((header.topic, header.topic_index),
                         (header.parent, header.parent_index)):
        need(value is None or len(value) == 48, "a reference has a wrong length")
        need(index is None or value is not None and index <= MAX_SAFE, "a reference's index")
    if header.lang is not None:
        need(re.fullmatch(rb"[A-Za-z0-9-]{1,35}", header.lang), "lang")
    need(header.commitment is None or len(header.commitment) == 32,
         "commitment has a wrong length")
    if header.bucket is not None:
        need(header.commitment is not None and header.bucket <= 24, "bucket")
    need(len(header.body or b"") <= 1536, "the body is too long")
    return header


def message_id(header, forum, log_name):
    return sha256(binding(b"convene/v1/id", forum, log_name), header)


def parse_message(data, forum, log_name):
    """Well-formed; its signature is not verified yet."""
    need(64 < len(data) <= MAX_MESSAGE, "a message has a wrong length")
    return Message(data, parse_header(data[:-64]), data[-64:],
                   message_id(data[:-64], forum, log_name))


def verify_signature(message, forum, log_name):
    ed25519_verify(message.header.signer,
                   binding(b"convene/v1/message", forum, log_name) + message.data[:-64],
                   message.signature)


def verify_message(data, forum, log_name):
    message = parse_message(data, forum, log_name)
    verify_signature(message, forum, log_name)
    return message


# ---- 7 content ----

def bucket_of(length):
    """The least b with length <= 2^b."""
    return (length - 1).bit_length()


def commitment(forum, log_name, signer, salt, content):
    return sha256(binding(b"convene/v1/content", forum, log_name), signer, salt,
                  u64be(len(content)), content)


def verify_content(header, forum, log_name, salt, content, limit):
    need(header.commitment is not None, "a message without a commitment has content")
    need(len(salt) == 32, "a salt has a wrong length")
    need(1 <= len(content) <= limit, "content of a length that the charter forbids")
    need((header.bucket or 0) == bucket_of(len(content)), "content of another bucket")
    need(commitment(forum, log_name, header.signer, salt, content) == header.commitment,
         "content does not match its commitment")


def count_fields(data, nested):
    """The fields of a Content, at every depth; nested: {number: its message fields}."""
    count, at = 0, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        count += 1
        if tag & 7 == 0:
            _, at = read_varint(data, at)
        elif tag & 7 == 2:
            length, at = read_varint(data, at)
            if tag >> 3 in nested:
                count += count_fields(data[at:at + length], nested[tag >> 3])
            at += length
        else:
            need(tag & 7 in (1, 5), "a field of another wire type")
            at += 8 if tag & 7 == 1 else 4
    need(at == len(data), "a field is cut short")
    return count


def parse_content(data):
    """The generated Content, or Failure for one of which nothing is shown."""
    need(count_fields(data, {3: {}, 4: {}, 5: {}, 6: {}}) <= 6144, "content of too many fields")
    try:
        content = transport().Content.FromString(data)
    except Exception as error:
        raise Failure("content does not parse: %s" % error) from None
    profile, mentions, parts = content.profile, content.mentions, content.parts
    need(len(parts) <= 256 and len(mentions) <= 1024 and len(profile.languages) <= 32
         and len(content.imported.references) <= 4096, "content holds too many of something")
    need(all(len(m.log) == 16 and len(m.identity) == 16 for m in mentions), "a mention")
    texts = [content.subject, content.text, profile.handle, profile.name, profile.group,
             profile.region, *profile.languages, *(m.name for m in mentions)]
    for part in parts:
        texts += part.name, part.media_type
    try:
        for text in texts:
            text.decode()
    except UnicodeDecodeError:
        raise Failure("content's text is not UTF-8") from None
    return content


# ---- 6 validity and kinds ----

class Device:
    def __init__(self, identity):
        self.identity = identity
        self.revoked = False


class Roster:
    """The fold of one log that decides about validity (6.1) and effect (6.2, 6.3)."""

    def __init__(self, charter, log_name, credential, previous=None):
        """credential: entry 0.  previous: for a successor, the roster of the log before, folded
        over exactly the previous_size entries that stand."""
        self.charter, self.forum, self.log_name = charter, charter.forum, log_name
        self.name = parse_log_name(log_name)
        self.root, body = verify_credential(credential, self.forum, log_name)
        self.log_key = VerifierKey(log_name, 1, body["log_key"])
        self.serial, self.sequences, self.size = 0, {}, 0
        self.registrar = self.cosigner = None
        self.registrars = set()  # every registrar key that was ever in force
        self.amends, self.erased = {}, {}  # AMEND -> its target; target -> index of the ERASE
        # device key -> Device; identity -> target of its first ENROL; target -> (kind, identity)
        self.devices, self.identities, self.targets = {}, {}, {}
        self.admitted, self.cosigners = set(), []
        succession = [body.get("previous_" + part) for part in ("log", "size", "root")]
        if self.name.number == 1:
            need(succession == [None] * 3, "a first log with a predecessor")
            need(body["serial"] == 1, "a first log's credential has not serial 1")
            return
        need(None not in succession, "a successor without a predecessor")
        before = parse_log_name(succession[0])
        need((before.organisation, before.number) ==
             (self.name.organisation, self.name.number - 1), "not this log's predecessor")
        need(previous is not None, "the predecessor is not here")
        need(previous.log_name == succession[0] and previous.root == self.root
             and previous.size == succession[1], "another predecessor")
        self.serial = previous.serial
        for key, device in previous.devices.items():
            self.devices[key] = Device(device.identity)
            self.devices[key].revoked = device.revoked
        self.identities, self.targets = dict(previous.identities), dict(previous.targets)
        self.admitted, self.cosigners = set(previous.admitted), list(previous.cosigners)
        self.amends = dict(previous.amends)
        self.registrars = set(previous.registrars)

    def add(self, data):
        """Folds the next entry.  Returns (message, None or why it has no effect); raises Failure
        when the message is not valid, after which the fold goes on all the same."""
        index, self.size = self.size, self.size + 1
        message = parse_message(data, self.forum, self.log_name)
        header = message.header
        verify_signature(message, self.forum, self.log_name)
        need((header.bucket or 0) <= bucket_of(self.charter.content_limit), "bucket")
        device = self.devices.get(header.signer)
        if header.signer == self.root:
            role = "root"
        elif header.signer == self.registrar:
            role = "registrar"
        else:
            need(device is not None, "the signer is not enrolled")
            need(not device.revoked, "the signer is revoked")
            role = "device"
        need(header.sequence > self.sequences.get(header.signer, 0), "the sequence does not rise")
        self.sequences[header.signer] = header.sequence
        if header.kind > ERASE:
            return message, "unknown kind"
        try:
            identity = device.identity if role == "device" else None
            self.apply(index, message, role, identity)
        except Failure as failure:
            return message, str(failure)
        return message, None

    def apply(self, index, message, role, identity):
        header, kind = message.header, message.header.kind
        signers = {
            NODE: ("root",), ADMIT: ("root",), ENROL: ("registrar",),
            REVOKE: ("registrar", "device"), POST: ("device",), AMEND: ("device",),
            ERASE: ("device", "registrar"),
            TOPIC: {b"participants": ("device", "registrar", "root"),
                    b"registrars": ("registrar", "root"),
                    b"roots": ("root",)}[self.charter.topics]}[kind]
        need(role in signers, "a %s does not sign this kind" % role)
        body = None
        if kind in BODIES:
            body = read_body(kind, header.body or b"")
        else:
            need(header.body is None, "a body where there is none")
        if kind in (TOPIC, POST, AMEND):
            need(header.commitment is not None, "no commitment")
        target = self.name.digest + message.id
        getattr(self, "apply_" + KINDS[kind].lower())(index, header, body, target, identity)
        if kind in (TOPIC, POST, AMEND):
            self.targets[target] = kind, identity
        elif kind == ENROL:
            self.targets[target] = kind, body["identity"]

    def apply_node(self, index, header, body, target, identity):
        need(header.commitment is header.topic is header.parent is None, "a NODE with content")
        cosigner = check_node(body, self.root, self.name.organisation)
        need(body["log_key"] == self.log_key.key, "another log's key")
        need(index == 0 or not any("previous_" + part in body for part in ("log", "size", "root")),
             "a predecessor above entry 0")
        need(body["serial"] > self.serial, "the serial does not rise")
        need(body["registrar_key"] not in self.devices, "the registrar's key is a device's")
        self.serial, self.registrar = body["serial"], body["registrar_key"]
        self.cosigner = cosigner
        self.registrars.add(self.registrar)
        self.cosigners.append(cosigner)

    def apply_admit(self, index, header, body, target, identity):
        need(is_organisation_name(body["name"]), "not an organisation's name")
        need(is_usable_key(body["root_key"]) and body["root_key"] != self.root,
             "not a guest's root key")
        self.admitted.add((body["name"], body["root_key"]))

    def apply_enrol(self, index, header, body, target, identity):
        key, who = body["device_key"], body["identity"]
        need(is_usable_key(key), "the device's key is not usable")
        need(key not in (self.root, self.log_key.key, self.cosigner.key),
             "the device's key has another use")
        need(key not in self.devices and key not in self.registrars,
             "the device's key was enrolled or registrar before")
        statement = who + key + u8(body.get("custody", 0))
        ed25519_verify(key, binding(b"convene/v1/device", self.forum, self.log_name) + statement,
                       body["device_signature"])
        endorsed = "endorser" in body or "endorsement" in body
        if who not in self.identities:
            need(not endorsed and "recovery" not in body, "nobody endorses a new identity")
        elif endorsed:
            need("endorser" in body and "endorsement" in body and "recovery" not in body,
                 "half an endorsement, or one too many")
            endorser = self.devices.get(body["endorser"])
            need(endorser and not endorser.revoked and endorser.identity == who,
                 "the endorser is no device of this identity")
            ed25519_verify(body["endorser"],
                           binding(b"convene/v1/endorse", self.forum, self.log_name) + statement,
                           body["endorsement"])
        else:
            need("recovery" in body, "an existing identity without endorsement")
        self.devices[key] = Device(who)
        self.identities.setdefault(who, target)

    def apply_revoke(self, index, header, body, target, identity):
        device = self.devices.get(body["device_key"])
        need(device is not None and not device.revoked, "not an enrolled device")
        need(header.signer in (self.registrar, body["device_key"]), "another device's key")
        device.revoked = True

    def apply_topic(self, index, header, body, target, identity):
        need(header.topic is header.parent is None, "a topic in a topic")

    def apply_post(self, index, header, body, target, identity):
        need(header.topic is not None, "a post without a topic")

    def apply_amend(self, index, header, body, target, identity):
        kind, owner = self.targets.get(body["target"], (None, None))
        need(owner == identity, "the target is not the signer's")
        need(kind in (POST, TOPIC) or body["target"] == self.identities[identity],
             "the target cannot be amended")
        self.amends[target] = body["target"]

    def apply_erase(self, index, header, body, target, identity):
        need(body["target"] in self.targets, "the target is not here")
        need(identity is None or self.targets[body["target"]][1] == identity,
             "the target is not the signer's")
        self.erased.setdefault(body["target"], index)
        if self.targets[body["target"]][0] == ENROL:  # a profile may be written anew after that
            for amendment, whole in self.amends.items():
                if whole == body["target"]:
                    self.erased.setdefault(amendment, index)

    def erasure(self, target):
        """The index of the entry of this log that erased the content of `target`, or None."""
        whole = self.amends.get(target)
        if whole is not None and self.targets[whole][0] not in (POST, TOPIC):
            whole = None
        return min((self.erased[t] for t in (target, whole) if t in self.erased), default=None)


def check_node(body, root, organisation):
    """What 4.3 demands of every NODE body; returns the cosigner's verifier key."""
    cosigner = VerifierKey.parse(body["cosigner"], 4)
    need(cosigner.name == organisation + b"/cosigner", "the cosigner's name")
    keys = [root, body["log_key"], body["registrar_key"], cosigner.key]
    need(all(map(is_usable_key, keys)), "a key of a NODE is not usable")
    need(len(set(keys)) == 4, "a NODE's keys are not distinct")
    pins = split_hashes(body["tls_pins"])
    need(1 <= len(pins) <= 4 and pins == sorted(set(pins)), "tls_pins")
    return cosigner


def verify_credential(data, forum, log_name):
    """A NODE message, for itself: the root key that signed it, and its body."""
    name = parse_log_name(log_name)
    message = verify_message(data, forum, log_name)
    header = message.header
    need(header.kind == NODE, "a credential is not a NODE")
    need(header.commitment is header.topic is header.parent is None, "a NODE with content")
    body = read_body(NODE, header.body or b"")
    check_node(body, header.signer, name.organisation)
    need(log_digest(forum, header.signer, body["log_key"], name.number, name.organisation)
         == name.digest, "the log's digest does not follow from its keys")
    return header.signer, body


# ---- 9 log ----

def leaf_hash(leaf):
    need(1 <= len(leaf) <= MAX_MESSAGE, "a leaf has a wrong length")
    return sha256(b"\0", leaf)


def node_hash(left, right):
    return sha256(b"\1", left, right)


def split_point(size):
    """The largest power of two below size."""
    return 1 << (size - 1).bit_length() - 1


class Tree:
    """RFC 6962 over leaf hashes held in memory; roots of every size, ranges and their proofs."""

    def __init__(self, hashes=()):
        self.hashes, self.known = list(hashes), {}

    def root(self, first, end):
        if end - first == 1:
            return self.hashes[first]
        if (first, end) not in self.known:
            middle = first + split_point(end - first)
            self.known[first, end] = node_hash(self.root(first, middle), self.root(middle, end))
        return self.known[first, end]

    def range_proof(self, a, b, size):
        def walk(first, end):
            if a <= first and end <= b:
                return []
            if end <= a or b <= first:
                return [self.root(first, end)]
            middle = first + split_point(end - first)
            return walk(first, middle) + walk(middle, end)
        return walk(0, size)


def range_root(hashes, first, size, proof):
    """The root at `size` that the leaf hashes of [first, first + n) and a proof (9.3) give."""
    a, b = first, first + len(hashes)
    need(0 <= a < b <= size, "a range beyond its tree")
    rest = iter(proof)

    def walk(low, high):
        if high <= a or b <= low:
            value = next(rest, None)
            need(value is not None, "a range proof is too short")
            return value
        if high - low == 1:
            return hashes[low - a]
        middle = low + split_point(high - low)
        left = walk(low, middle)
        return node_hash(left, walk(middle, high))

    root = walk(0, size)
    need(next(rest, None) is None, "a range proof is too long")
    return root


def inclusion_root(leaf, index, size, path):
    """The root that an RFC 6962 inclusion proof, from the leaf's sibling upwards, gives."""
    need(0 <= index < size, "an index beyond its tree")

    def walk(at, width, rest):
        if width == 1:
            need(not rest, "an inclusion proof is too long")
            return leaf
        need(rest, "an inclusion proof is too short")
        middle = split_point(width)
        if at < middle:
            return node_hash(walk(at, middle, rest[:-1]), rest[-1])
        return node_hash(rest[-1], walk(at - middle, width - middle, rest[:-1]))

    return walk(index, size, list(path))


def split_hashes(data):
    need(len(data) % 32 == 0, "hashes of a wrong length")
    return [data[at:at + 32] for at in range(0, len(data), 32)]


def frontier_hash(heads):
    """heads: (digest, size, root)."""
    return sha256(b"convene/v1/frontier\0", *(
        digest + u64be(size) + root for digest, size, root in sorted(heads) if size))


def open_tlog_proof(text, leaf, log_key, cosigners=()):
    """Verifies a C2SP tlog-proof without an extra line; returns (index, checkpoint)."""
    head, separator, note = text.partition(b"\n\n")
    lines = head.split(b"\n")
    need(separator and lines[0] == b"c2sp.org/tlog-proof@v1", "not a tlog-proof")
    need(len(lines) > 1 and lines[1].startswith(b"index "), "a tlog-proof without its index")
    index = decimal(lines[1][6:], 0, 2 ** 64 - 1, "a tlog-proof's index")
    path = [base64_decode(line) for line in lines[2:]]
    need(all(len(value) == 32 for value in path), "a tlog-proof's hashes")
    checkpoint = open_checkpoint(note, log_key, cosigners)
    need(inclusion_root(leaf_hash(leaf), index, checkpoint.size, path) == checkpoint.root,
         "an inclusion proof does not give the checkpoint's root")
    return index, checkpoint


def split_leaves(data):
    """The entries of DATA (11.4): u16be length and bytes, and so on."""
    leaves, at = [], 0
    while at < len(data):
        need(at + 2 <= len(data), "leaves are cut short")
        length = int.from_bytes(data[at:at + 2], "big")
        need(at + 2 + length <= len(data), "leaves are cut short")
        leaves.append(data[at + 2:at + 2 + length])
        at += 2 + length
    return leaves


# ---- 10 transport ----

FRAMES = {"HELLO": 1, "ERROR": 2, "PING": 3, "PONG": 4, "SUMMARY": 16, "FRONTIER": 17, "LOG": 19, "DATA": 22, "CONTENT": 26,
          "CONTENT_NONE": 27, "ITEMS": 71, "LOGS_GET": 73, "LOGS": 74, "ENTRIES_GET": 75,
          "PROOF_GET": 76, "PROOF": 77, "CONTENT_GET": 78, "CHARTER_GET": 83, "CHARTER": 84}
NAMES = {number: name for name, number in FRAMES.items()}
LIMITS = {"ITEMS": 2162688, "DATA": 1048576, "CONTENT": 131072, "CHARTER": 131072, "LOGS": 131072, "PROOF": 131072,
          "PING": 64, "PONG": 64}
PAYLOADS = {"HELLO": "Hello", "ERROR": "Error", "SUMMARY": "Summary", "FRONTIER": "Frontier", "LOG": "Log", "DATA": "Data", "CONTENT": "ContentChunk",
            "CONTENT_NONE": "ContentNone", "LOGS": "Logs", "PROOF": "Proof",
            "CHARTER": "Charter"}


@functools.lru_cache(maxsize=None)
def transport():
    """The generated module of convene.proto, made anew with protoc."""
    folder = tempfile.mkdtemp(prefix="convene-proto-")
    try:
        subprocess.run([os.environ.get("PROTOC", "protoc"), "--python_out=" + folder,
                        "-I" + os.path.dirname(PROTO), PROTO], check=True)
        sys.path.insert(0, folder)
        return importlib.import_module("convene_pb2")
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
        shutil.rmtree(folder)


def encode_frame(kind, stream, payload):
    return u32be(len(payload)) + u8(FRAMES[kind]) + u32be(stream) + payload


def decode_frame_head(head, greeted=True):
    """(length, name, stream) of the 9 bytes before a payload."""
    name = NAMES.get(head[4])
    need(name, "a frame of type %d, which is not expected" % head[4])
    length = int.from_bytes(head[:4], "big")
    need(length <= (LIMITS.get(name, 65536) if greeted else 8192), "%s is too large" % name)
    return length, name, int.from_bytes(head[5:], "big")


# ---- 9.7 bundle ----

BUNDLE_LINE = b"convene bundle v1\n"
BundleFrame = collections.namedtuple("BundleFrame", "offset end name message")


def bundle_frames(data):
    """The frames of a bundle, in order."""
    need(data.startswith(BUNDLE_LINE), "a bundle begins with its line")
    at = len(BUNDLE_LINE)
    while at < len(data):
        need(len(data) - at >= 9, "a bundle is cut off")
        length, name, stream = decode_frame_head(data[at:at + 9])
        end = at + 9 + length
        need(stream == 0 and length > 0, "a bundle's frames have stream 0, and a payload")
        need(name in ("HELLO", "FRONTIER", "LOG", "DATA", "CONTENT", "SUMMARY"), "%s in a bundle" % name)
        need(end <= len(data), "a bundle is cut off")
        message = getattr(transport(), PAYLOADS[name])()
        message.ParseFromString(data[at + 9:end])
        yield BundleFrame(at, end, name, message)
        at = end


class BundleLog:
    """What a bundle holds of one log: entries [first, first + len(leaves)), and contents."""

    def __init__(self, name, credential, forum):
        root, body = verify_credential(credential, forum, name)
        self.name, self.root_key, self.credential = name, root, credential
        self.key = VerifierKey(name, 1, body["log_key"])
        self.first, self.leaves, self.contents = None, [], {}

    def end(self):
        return (self.first or 0) + len(self.leaves)


def open_bundle(data, forum, limit):
    """Verifies a whole bundle, its order included. The logs by digest, and the frontier."""
    frames = list(bundle_frames(data))
    hello = frames[0].message
    need(frames[0].name == "HELLO" and hello.role == 1, "a bundle begins with HELLO")
    need(hello.forum == forum, "a bundle of another forum")
    need(not hello.log and not hello.credential, "a bundle's HELLO names no log")
    heads, at = {}, 1
    while True:
        need(at < len(frames) and frames[at].name == "FRONTIER", "FRONTIER follows HELLO")
        for head in frames[at].message.heads:
            heads[head.log] = (head.size, head.root)
        at += 1
        if frames[at - 1].message.last:
            break
    need(frames[-1].name == "SUMMARY", "a bundle ends with SUMMARY")
    need(frames[-1].message.logs == len(heads) and frames[-1].message.hash == frontier_hash(
        (digest, *head) for digest, head in heads.items()), "SUMMARY is FRONTIER's hash")
    logs, log, chunks, part = {}, None, None, ()
    for frame in frames[at:-1]:
        message = frame.message
        need(chunks is None or frame.name == "CONTENT", "a content is not whole")
        if frame.name == "LOG":
            digest = parse_log_name(message.name).digest
            need(digest in heads and digest not in logs, "a LOG that FRONTIER doesn't name")
            log = logs[digest] = BundleLog(message.name, message.credential, forum)
            part = ()
        elif frame.name == "DATA":
            need(log and message.log == parse_log_name(log.name).digest, "DATA without its LOG")
            leaves = split_leaves(message.leaves)
            if log.first is None:
                log.first = message.first
            need(message.first == log.end() and leaves, "DATA are in order")
            log.leaves += leaves
            need((log.end() - 1) // 256 == message.first // 256, "DATA is aligned to 256")
            point = open_checkpoint(message.checkpoint, log.key)
            need(range_root([leaf_hash(leaf) for leaf in leaves], message.first, point.size,
                            split_hashes(message.proof)) == point.root, "DATA proves itself")
            need(message.first > 0 or leaves[0] == log.credential, "entry 0 is the credential")
            part, last = range(message.first, log.end()), -1
        elif frame.name == "CONTENT":
            need(log and message.log == parse_log_name(log.name).digest, "CONTENT without DATA")
            need(message.index in part, "CONTENT follows its entry's DATA")
            if chunks is None:
                need(message.index > last, "contents are in order")
                last, salt, total, chunks = message.index, message.salt, message.total, b""
            need(message.index == last and message.offset == len(chunks)
                 and message.total == total, "chunks are in order")
            chunks += message.data
            need(len(message.data) == 65536 or len(chunks) == total, "chunks are of 65,536 bytes")
            if len(chunks) == total:
                header = parse_message(log.leaves[last - log.first], forum, log.name).header
                verify_content(header, forum, log.name, salt, chunks, limit)
                log.contents[last] = chunks
                chunks = None
        else:
            raise Failure("%s stands too late" % frame.name)
    need(chunks is None, "a content is not whole")
    for digest, (size, root) in heads.items():
        need(digest in logs and logs[digest].end() == size, "a log reaches what FRONTIER says")
        if logs[digest].first == 0:
            need(Tree(leaf_hash(leaf) for leaf in logs[digest].leaves).root(0, size) == root,
                 "the root in FRONTIER")
    return logs, heads


def der_next(data, at, end):
    """(tag, start of value, end of value) of the DER element at `at`."""
    need(at + 2 <= end, "DER is cut short")
    tag, length, at = data[at], data[at + 1], at + 2
    if length >= 128:
        count = length & 127
        need(1 <= count <= 4 and at + count <= end, "DER length")
        length, at = int.from_bytes(data[at:at + count], "big"), at + count
    need(at + length <= end, "DER is cut short")
    return tag, at, at + length


ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")


def certificate_spki(certificate):
    """The DER SubjectPublicKeyInfo of an Ed25519 certificate."""
    tag, start, end = der_next(certificate, 0, len(certificate))
    need(tag == 0x30 and end == len(certificate), "not a certificate")
    tag, at, end = der_next(certificate, start, end)
    need(tag == 0x30, "not a TBSCertificate")
    expected = [0xa0, 0x02, 0x30, 0x30, 0x30, 0x30]  # version to subject
    if certificate[at] != 0xa0:
        del expected[0]
    for tag in expected:
        found, _, after = der_next(certificate, at, end)
        need(found == tag, "a certificate's field %02x" % found)
        at = after
    tag, _, after = der_next(certificate, at, end)
    spki = certificate[at:after]
    need(tag == 0x30 and spki[:-32] == ED25519_SPKI, "the certificate's key is not Ed25519")
    return spki


class RemoteError(Failure):
    """An ERROR frame."""

    def __init__(self, code, text):
        super().__init__("the node answers %s: %s" % (code, text))
        self.code = code


class Client:
    """A connection to a node in the role of a client (10.3, 12)."""

    def __init__(self, host, port, root_key, forum, timeout=60):
        """root_key: the verifier key that is expected of the node's organisation."""
        self.pb, self.forum, self.root_key = transport(), forum, root_key
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # no CA: the key is compared with the pins below
        raw = socket.create_connection((host, port), timeout=timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(raw)
        self.stream, self.buffer, self.greeted = 0, bytearray(), False
        try:
            self.greet()
        except BaseException:
            self.close()
            raise

    def close(self):
        with contextlib.suppress(OSError):  # we do not wait for its close_notify
            self.socket.setblocking(False)
            self.socket.unwrap()
        self.socket.close()

    def greet(self):
        self.send("HELLO", 0, self.pb.Hello(version_min=1, version_max=1, role=self.pb.CLIENT,
                                            forum=self.forum, software=b"convene decoder 1"))
        name, stream, hello = self.receive()
        need(name == "HELLO" and stream == 0, "the first frame is no HELLO")
        need(hello.version_min <= 1 <= hello.version_max, "the node does not speak version 1")
        need(hello.role == self.pb.PEER, "the node has another role")
        need(hello.forum == self.forum, "a node of another forum")
        root, body = verify_credential(hello.credential, self.forum, hello.log)
        need(root == self.root_key.key, "the credential is signed by another root key")
        need(parse_log_name(hello.log).organisation == self.root_key.name,
             "a node of another organisation")
        pin = sha256(certificate_spki(self.socket.getpeercert(binary_form=True)))
        need(pin in split_hashes(body["tls_pins"]), "the certificate's key is not pinned")
        self.hello, self.serial, self.greeted = hello, body["serial"], True

    def send(self, kind, stream, payload):
        if not isinstance(payload, bytes):
            payload = payload.SerializeToString()
        self.socket.sendall(encode_frame(kind, stream, payload))

    def read(self, length):
        while len(self.buffer) < length:
            data = self.socket.recv(65536)
            if not data:
                raise Disconnected("the node has closed the connection")
            self.buffer += data
        data = bytes(self.buffer[:length])
        del self.buffer[:length]
        return data

    def receive(self):
        """The next frame that matters: (name, stream, parsed payload)."""
        while True:
            length, name, stream = decode_frame_head(self.read(9), self.greeted)
            payload = self.read(length)
            if name == "PING":
                self.send("PONG", stream, payload)
            elif name != "PONG":
                break
        need(name in PAYLOADS, "%s is not expected" % name)
        try:
            parsed = getattr(self.pb, PAYLOADS[name]).FromString(payload)
        except Exception as error:
            raise Failure("%s does not parse: %s" % (name, error)) from None
        if name == "ERROR":
            code = (self.pb.Code.Name(parsed.code) if parsed.code in self.pb.Code.values()
                    else str(parsed.code))
            error = RemoteError(code, parsed.text.decode(errors="replace"))
            if stream == 0:
                raise Disconnected(str(error))
            raise error
        return name, stream, parsed

    def ask(self, kind, payload, *answers):
        """Sends a request and yields the frames of its answer; the caller knows the last."""
        self.stream += 1
        stream = self.stream
        self.send(kind, stream, payload)
        while True:
            name, at, parsed = self.receive()
            need(at == stream, "%s on a stream that was not asked" % name)
            need(name in answers, "%s does not answer %s" % (name, kind))
            yield name, parsed

    def charter(self):
        _, answer = next(self.ask("CHARTER_GET", b"", "CHARTER"))
        charter = parse_charter(answer.note)
        need(charter.forum == self.forum, "the charter of another forum")
        return charter

    def logs(self):
        """(LogInfo of every log, the frontier's hash)."""
        found, frontier = [], b""
        for _, answer in self.ask("LOGS_GET", b"", "LOGS"):
            found.extend(answer.logs)
            frontier = answer.frontier or frontier
            if answer.last:
                return found, frontier

    def entries(self, digest, first, count):
        request = self.pb.EntriesGet(log=digest, first=first, count=count)
        _, data = next(self.ask("ENTRIES_GET", request, "DATA"))
        need(data.log == digest and data.first == first, "entries that were not asked for")
        return data

    def proof(self, identifier):
        return next(self.ask("PROOF_GET", self.pb.ProofGet(id=identifier), "PROOF"))[1]

    def content(self, identifier, digest, index):
        """(salt, content), or (None, why not)."""
        request, salt, content = self.pb.ContentGet(id=identifier), b"", bytearray()
        for name, answer in self.ask("CONTENT_GET", request, "CONTENT", "CONTENT_NONE"):
            need((answer.log, answer.index) == (digest, index), "content of another entry")
            if name == "CONTENT_NONE":
                need(not content, "content ends with CONTENT_NONE")
                return None, "erased" if answer.reason == self.pb.ERASED else "missing"
            need(0 < answer.total <= MAX_CONTENT, "content of a total that no charter allows")
            need(answer.offset == len(content), "chunks of content do not ascend")
            salt = answer.salt if answer.offset == 0 else salt
            content += answer.data
            if len(content) >= answer.total:
                need(len(content) == answer.total, "content is longer than its total")
                return salt, bytes(content)
            need(len(answer.data) == 65536, "a chunk of content is not of 65,536 bytes")
