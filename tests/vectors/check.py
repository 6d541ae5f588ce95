#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Make v1.json's bytes again from its fields, in another language and from SPEC.md alone.

Exits with 0 when all of it agrees, 77 without the Python package `cryptography`."""
import base64
import hashlib
import json
import os
import sys

try:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
except ImportError:
    sys.exit(77)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def be(n, size):
    return n.to_bytes(size, "big")


def check(what, a, b):
    if a != b:
        sys.exit(f"{what}:\n  {a!r}\n  {b!r}")


def verify(public, signature, data):
    Ed25519PublicKey.from_public_bytes(public).verify(signature, data)  # raises


def varint(n):  # 2.3
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    return varint(number << 3 | 2) + varint(len(value)) + value if value else b""


HEADER = ["version", "signer", "sequence", "kind", "topic", "topic_index", "parent", "parent_index", "time", "lang",
          "commitment", "bucket", "body"]


def header(fields):  # 5.1
    out = b""
    for number, name in enumerate(HEADER, 1):
        value = fields.get(name, 0)
        if isinstance(value, str):
            value = value.encode() if name == "lang" else bytes.fromhex(value)
        out += field(number, value)
    return out


def root(leaves):  # 9.1
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\x01", root(leaves[:split]), root(leaves[split:]))


def proof(leaves, first, a, b):  # 9.3
    end = first + len(leaves)
    if a <= first and end <= b:
        return []
    if end <= a or b <= first:
        return [root(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return proof(leaves[:split], first, a, b) + proof(leaves[split:], first + split, a, b)


def verifier(text):  # 4.2
    name, key_id, key = text.split("+", 2)
    key = base64.b64decode(key, validate=True)
    check("key id", key_id, sha(name.encode(), b"\n", key)[:4].hex())
    return name, bytes.fromhex(key_id), key[1:], key[0]


def signature(line, name, key_id):
    dash, who, blob = line.split(" ")
    blob = base64.b64decode(blob, validate=True)
    check("signature line", (dash, who, blob[:4]), ("\u2014", name, key_id))
    return blob[4:]


def main():
    with open(os.path.join(os.path.dirname(sys.argv[0]), "v1.json"), encoding="utf-8") as f:
        v = json.load(f)
    keys = {}
    for role, k in v["keys"].items():
        keys[role] = bytes.fromhex(k["public"])
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(k["seed"]))
        verify(keys[role], private.sign(b"x"), b"x")
        if "verifier_key" in k:
            check(role, verifier(k["verifier_key"])[2], keys[role])

    # 3: charter
    text = v["charter"]["text"]
    name, key_id, public, _ = verifier(v["keys"]["root"]["verifier_key"])
    forum = sha(text.encode())
    check("forum", forum.hex(), v["charter"]["forum"])
    note_text, lines = v["charter"]["note"].rsplit("\n\n", 1)
    check("charter", note_text + "\n", text)
    verify(public, signature(lines.rstrip("\n"), name, key_id), text.encode())

    # 4.1: log
    digest = sha(b"convene/v1/log\0", forum, keys["root"], keys["log"], be(1, 8), name.encode())[:16]
    log = f"{name}/{digest.hex()}/1"
    check("log name", log, v["log"]["name"])
    check("digest", digest.hex(), v["log"]["digest"])

    def binding(domain):  # 2.4
        return domain.encode() + b"\0" + forum + be(len(log), 2) + log.encode()

    for domain, want in v["bindings"].items():
        check(domain, binding(domain).hex(), want)

    # 5, 7: messages
    leaves = []
    for m in v["messages"]:
        what, f = m["what"], m["fields"]
        h, sig, signer = header(f), bytes.fromhex(m["signature"]), bytes.fromhex(f["signer"])
        check(what, h.hex(), m["header"])
        check(what, (binding("convene/v1/message") + h).hex(), m["signed"])
        verify(signer, sig, binding("convene/v1/message") + h)
        check(what, sha(binding("convene/v1/id"), h).hex(), m["id"])
        leaves.append(sha(b"\0", h, sig))
        check(what, leaves[-1].hex(), m["leaf_hash"])
        check(what, "content" in m, "commitment" in f)
        if "content" in m:
            content, salt = bytes.fromhex(m["content"]), bytes.fromhex(m["salt"])
            committed = binding("convene/v1/content") + signer + salt + be(len(content), 8) + content
            check(what, committed.hex(), m["committed"])
            check(what, sha(committed).hex(), f["commitment"])
            check(what, (len(content) - 1).bit_length(), f["bucket"])

    # 6.3: the device's own signature in ENROL
    body = bytes.fromhex(v["messages"][1]["fields"]["body"])
    identity, device, sig = body[2:18], body[20:52], body[54:118]
    check("device", device, keys["device"])
    verify(device, sig, binding("convene/v1/device") + identity + device + b"\0")

    # 9: tree, checkpoint, cosignature, frontier
    for size, want in v["roots"].items():
        check("root " + size, root(leaves[:int(size)]).hex(), want)
    p = v["range_proof"]
    check("proof", [h.hex() for h in proof(leaves[:p["size"]], 0, p["first"], p["end"])], p["hashes"])
    size = len(leaves)
    checkpoint = f"{log}\n{size}\n{base64.b64encode(root(leaves)).decode()}\n"
    note_text, lines = v["checkpoint"].rsplit("\n\n", 1)
    check("checkpoint", note_text + "\n", checkpoint)
    name, key_id, public, _ = verifier(v["log"]["verifier_key"])
    check("log key", (name, public), (log, keys["log"]))
    verify(public, signature(lines.rstrip("\n"), name, key_id), checkpoint.encode())
    c = v["cosignature"]
    name, key_id, public, kind = verifier(v["keys"]["cosigner"]["verifier_key"])
    check("cosigner's type", kind, 4)
    sig = signature(c["line"].rstrip("\n"), name, key_id)
    check("time", sig[:8], be(c["time"], 8))
    check("cosigned", c["signed"], f"cosignature/v1\ntime {c['time']}\n{checkpoint}")
    verify(public, sig[8:], c["signed"].encode())
    check("frontier", sha(b"convene/v1/frontier\0", digest, be(size, 8), root(leaves)).hex(), v["frontier"])


main()
