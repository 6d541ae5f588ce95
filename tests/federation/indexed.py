# SPDX-License-Identifier: BSD-2-Clause
"""The terms that a node's search index holds, read from its files (lib/search/segment.h, words.h) by
other code than the node's."""
import re
import struct
import unicodedata

MASK = (1 << 64) - 1
SPACED = re.compile(r"[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
                    r"+")


def fold(text):
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    marks = [c for c in unicodedata.normalize("NFD", text)
             if not (unicodedata.category(c) == "Mn" and (
                 10 <= unicodedata.combining(c) <= 36 or unicodedata.combining(c) >= 200))]
    return unicodedata.normalize("NFC", "".join(marks))


def term(word):
    h = ((0xcbf29ce484222325 ^ 0) * 0x100000001b3) & MASK
    for byte in word.encode():
        h = ((h ^ byte) * 0x100000001b3) & MASK
    h ^= h >> 32
    h = (h * 0xd6e8feb86659fd93) & MASK
    h ^= h >> 32
    return h & 0xffffff or 1


def words(text):
    """Whole words of scripts with spaces, and pairs of Han characters."""
    text = fold(text)
    yield from SPACED.findall(text)
    for run in re.findall("[\u4e00-\u9fff]+", text):
        yield from (run[i:i + 2] for i in range(len(run) - 1))


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def terms(node):
    """All that stand in any file of the index, named by `index` or not."""
    found = set()
    for path in (node.folder / "data" / "search").glob("*"):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        if data[:8] != b"CVsearc1":
            continue
        blocks = struct.unpack(">I", data[12:16])[0]
        entries = [struct.unpack(">II", data[16 + 8 * i:24 + 8 * i]) for i in range(blocks + 1)]
        for (first, at), (_, end) in zip(entries, entries[1:]):
            value = first
            while at < end:
                delta, at = varint(data, at)
                head, at = varint(data, at)
                value, at = value + delta, at + (head >> 1)
                found.add(value)
    return found
