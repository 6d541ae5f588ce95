#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Odd, broken and hostile mails, and mails in many scripts, imported into a real node.

Every source ends in time, whatever is in it; each mail is counted once, each refused one has a
reason; a dry run says what will happen; and a second node shows the same number. The table of counts is
printed. contrib/check also runs this with sanitizers.
"""
import os
import sys

sys.dont_write_bytecode = True

import archives  # noqa: E402
from archives import Archivist, Original, archive  # noqa: E402
from harness import CONVENECTL, Forum, pair, tap_run  # noqa: E402

SOURCES = ([("mbox", path) for path in archives.sources("multilingual/*.mbox*")]
           + [("mail", path) for path in archives.sources("malformed/*") if path.is_dir()])
LIMIT = 60  # seconds for one source; each takes less than one
COLUMNS = ("mails", "imported", "present", "repeated", "repeated_other_text", "refused",
           "omitted_parts", "alternatives", "guessed_charsets", "threads")


def table(tap, rows):
    heads = [column.replace("_", " ") for column in COLUMNS]
    widths = [max(len(head), 6) for head in heads]
    tap.say("%-28s %s" % ("source", "  ".join(h.rjust(w) for h, w in zip(heads, widths))))
    for name, report in rows:
        tap.say("%-28s %s" % (name, "  ".join(
            str(report[c]).rjust(w) for c, w in zip(COLUMNS, widths))))
    total = [sum(report[c] for _, report in rows) for c in COLUMNS]
    tap.say("%-28s %s" % ("all", "  ".join(str(n).rjust(w) for n, w in zip(total, widths))))


def check_report(tap, name, report, original, was_present=0):
    """Each mail is counted once, and a refused one says why."""
    tap.equal((report["mails"], archives.counted(report)), (len(original.raws),) * 2,
              "%s: each of its mails is counted once" % name)
    refusals = report["refusals"]
    tap.ok(len(refusals) == report["refused"]
           and all(r["reason"] and r["file"] and r["mail"] and r["line"] for r in refusals),
           "%s: %d mails are refused, each with a reason" % (name, report["refused"]), refusals)
    if was_present:
        tap.equal(report["imported"], 0, "%s: a second time nothing is added" % name)
        return
    for refusal in refusals:
        tap.say("  %s: %s" % (os.path.basename(refusal["file"]), refusal["reason"]))


def import_all(tap):
    with Forum(["lists.example", "mirror.example"], edges=pair()) as forum:
        forum.start()
        archivist, rows = Archivist(forum[0]), []
        for kind, path in SOURCES:
            name, plain = archives.name_of(path), archives.unpacked(path, forum.folder)
            original = Original.of(plain)
            topic = archivist.topic(name)
            dry = archivist.bring(kind, plain, topic, "--dry-run", timeout=LIMIT)
            report = archivist.bring(kind, plain, topic, timeout=LIMIT)
            check_report(tap, name, report, original)
            tap.equal([dry[c] for c in COLUMNS], [report[c] for c in COLUMNS],
                      "%s: a dry run says the same" % name)
            again = archivist.bring(kind, plain, topic, timeout=LIMIT)
            check_report(tap, name, again, original, report["mails"])
            rows.append((name, report))
        table(tap, rows)
        forum.settle(120)
        reader = forum[1].enrol("reader")
        here = {t["title"]: (t["posts"], t["threads"]) for t in archivist.person.topics()}
        there = {t["title"]: (t["posts"], t["threads"]) for t in reader.topics()}
        tap.equal(there, here, "the second node shows as many posts and threads of each source")
        tap.equal({name: posts for name, (posts, _) in here.items()},
                  {name: report["imported"] for name, report in rows},
                  "and as many as were imported")
        tap.equal(forum[1].dump_hash(), forum[0].dump_hash(), "and the same texts")
        forum.stop()
        tap.ok(True, "both nodes end well")


def main(tap):
    why = archives.missing(*[path for _, path in SOURCES] or [None])
    if why:
        print("1..0 # SKIP %s" % why)
        sys.exit(0)
    import_all(tap)


if __name__ == "__main__":
    tap_run(main)
