#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The independent decoder against live nodes: every message, content, proof and checkpoint that they
serve verifies, and nothing with a flipped bit does.

tests/decoder was written from SPEC.md alone, and shares no line with the daemon.
"""
import json
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import harness  # noqa: E402

VERIFY = HERE.parent / "decoder" / "verify_node.py"


def root_key(node):
    return re.search(r'key = "([^"]+)"', node.ctl("block")).group(1)


def verify(node, *options):
    return subprocess.run(["/usr/bin/python3", VERIFY, node.address, root_key(node),
                           node.status()["forum"], *options],
                          capture_output=True, text=True, timeout=240, check=False)


def main(tap):
    with harness.Forum(["a.example", "b.example", "c.example"], edges=harness.chain(3)) as forum:
        forum.start()
        people = [node.enrol("person%d" % number) for number, node in enumerate(forum)]
        topic = people[0].topic("Decoding")
        forum.settle()
        root = people[0].post(topic, "Über alles", "Grüße, 你好, שלום.\n")
        forum.settle()
        attachment = forum[0].folder / "minutes.bin"
        attachment.write_bytes(bytes(range(256)) * 700)  # content of several chunks
        people[2].post(topic, "With a part", "See the attachment.\n", attach=[attachment])
        for number in range(60):  # more than one seal, on two nodes
            people[number % 3].reply(root, "Reply %d\n" % number)
        forum.settle()

        dumps = []
        for node in forum:
            file = node.folder / "decoder.json"
            done = verify(node, "--json", str(file))
            last = (done.stdout.strip().splitlines() or ["nothing"])[-1]
            counted = re.match(r"verified (\d+) messages, (\d+) contents, (\d+) checkpoints in 3 logs",
                               last)
            tap.ok(done.returncode == 0 and counted and int(counted.group(1)) >= 69,
                   "%s: all that it serves verifies: %s" % (node, last), done.stdout, done.stderr)
            dumps.append(json.loads(file.read_text()) if file.exists() else node.name)
        tap.ok(all(dump == dumps[0] for dump in dumps[1:]),
               "the three nodes serve the same messages and texts")

        done = verify(forum[1], "--flip")
        flips = [line for line in done.stdout.splitlines() if "flip" in line.lower()]
        tap.ok(done.returncode == 0 and flips, "with any one bit flipped nothing verifies: %s"
               % "; ".join(flips), done.stdout, done.stderr)


if __name__ == "__main__":
    harness.tap_run(main)
