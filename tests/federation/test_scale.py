#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A large archive: a list's mails of 28 years into one node, and from there to an empty one.

Speed, memory and bytes on disk are printed and never judged: they are the machine's. What is judged
is that nothing is lost: each mail counted once, as many posts as distinct ids, the threads that
Python says, and the same view at a node that was empty and away.

    test_scale.py [--mails N]    only the first N mails of the archive
"""
import argparse
import sys
import time

sys.dont_write_bytecode = True

import archives  # noqa: E402
from archives import Archivist, Original, archive  # noqa: E402
from harness import Forum, pair, tap_run  # noqa: E402

LIST = archives.sources("scale/r-devel.mbox*")


def slice_of(path, folder, mails):
    """The first mails of the archive, as a plain mbox file."""
    plain = archives.unpacked(path, folder)
    if not mails:
        return plain
    data = plain.read_bytes()
    found = archive.separators(data)
    if plain != path:
        plain.unlink()
    cut = folder / ("first-%d.mbox" % mails)
    cut.write_bytes(data[:found[mails].start()] if mails < len(found) else data)
    return cut


def mib(n):
    return "%.1f MiB" % (n / (1 << 20))


def tell_memory(tap, node):
    peaks = archives.memory_peaks(node)
    tap.say("memory at most, %s: parent %s, relay %s" % (
        node, mib(peaks[0] << 10), ", ".join(mib(p << 10) for p in peaks[1:])))


def main(tap, mails):
    why = archives.missing(LIST)
    if why:
        print("1..0 # SKIP %s" % why)
        sys.exit(0)
    with Forum(["lists.example", "mirror.example"], edges=pair()) as forum:
        plain = slice_of(LIST[0], forum.folder, mails)
        original = Original.of(plain)
        first, partition = set(original.first), original.partition
        count, without = len(original.raws), len(original.without_id)
        del original
        tap.say("the archive: %d mails, %d ids, %d without, %d threads, %s" % (
            count, len(first), without, len(partition), mib(plain.stat().st_size)))
        home, mirror = forum
        forum.start()
        mirror.stop()
        archivist = Archivist(home)
        topic = archivist.topic("A large archive")
        report = archivist.bring("mbox", plain, topic, timeout=1800)
        tap.say("imported in %.1f s: %d mails per second, the importer's own memory at most %s, beside the mapped archive" % (
            report["took"], report["mails"] / report["took"], mib(report["rss"] << 10)))
        tell_memory(tap, home)
        tap.equal((report["mails"], archives.counted(report)), (count, count),
                  "each mail is counted once")
        tap.ok(len(first) <= report["imported"] + report["refused"] <= len(first) + without,
               "%d distinct ids: %d imported, %d refused" % (
                   len(first), report["imported"], report["refused"]), report)
        for refusal in report["refusals"][:20]:
            tap.say("refused: %s" % refusal)
        again = archivist.bring("mbox", plain, topic, timeout=1800)
        tap.say("a second time in %.1f s" % again["took"])
        tap.equal(again["imported"], 0, "a second time nothing is added")

        began = time.monotonic()
        mirror.start()
        forum.settle(1800)
        took = time.monotonic() - began
        tap.say("at an empty second node after %.1f s: %d posts per second" % (
            took, report["imported"] / took))
        tell_memory(tap, mirror)
        tap.equal(mirror.dump_hash(), home.dump_hash(), "the second node shows the same")

        posts = list(archives.held(mirror, topic))
        tap.equal(len(posts), report["imported"], "and serves as many posts as were imported")
        threads = archives.threads_held(posts)
        got = archive.partition(threads)
        there = set(threads)
        wanted = {group & there for group in partition} - {frozenset()}
        tap.ok(got == wanted, "in the %d threads that Python says, the largest of %d" % (
            len(wanted), max(map(len, wanted))), "missing: %.300r" % list(wanted - got)[:3],
            "too many: %.300r" % list(got - wanted)[:3])
        forum.stop()
        for node in forum:
            tap.say("on disk, %s: %s beside %s of mbox" % (
                node, mib(archives.bytes_in(node.folder)), mib(plain.stat().st_size)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--mails", type=int, default=0, help="only the first N; 0: all")
    tap_run(main, parser.parse_args().mails)
