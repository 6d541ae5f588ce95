#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measures the daemons, and the machine's limits in the same run; one table at the end.

    bench.py [NAME...]    these subjects, or all but `large`
    --list                the subjects
    --small               tiny sizes, seconds: shows that it works, its figures mean nothing
    --once                one round where otherwise the median of several counts
    --json FILE           everything, for programs

Ends with 0 whatever the figures are, with 1 when something could not be measured.
"""
import argparse
import importlib
import json
import os
import pathlib
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from frame import LIMITS, Frame  # noqa: E402

# In the order in which they run; each is a file with a function run(frame).
SUBJECTS = ["limits", "log", "shown", "post", "latency", "fresh", "clients", "search", "web", "peers", "large"]
ONLY_BY_NAME = ["large"]


def measure_limits(frame):
    for name, unit in LIMITS.items():
        frame.figure(name, frame.limit(name), unit)


def subject(name):
    return measure_limits if name == "limits" else importlib.import_module(name).run


def there():
    return [name for name in SUBJECTS if name == "limits" or (HERE / (name + ".py")).exists()]


def main():
    parser = argparse.ArgumentParser(description="Measure the daemons.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    for option in ("list", "small", "once"):
        parser.add_argument("--" + option, action="store_true")
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args()
    known = there()
    if asked.list:
        print("\n".join(known))
        return 0
    wrong = [name for name in asked.names if name not in known]
    if wrong:
        parser.error("there is no %s; there are: %s" % (", ".join(wrong), " ".join(known)))
    peers = os.environ.get("PEERS", "") not in ("", "0")
    frame = Frame(asked.small, asked.once, peers)
    names = asked.names or [name for name in known if name not in ONLY_BY_NAME and (
        name != "peers" or peers)]
    failed, began = [], time.monotonic()
    for name in names:
        frame.subject = name
        start = time.monotonic()
        try:
            subject(name)(frame)
        except Exception:  # the others are measured all the same
            failed.append(name)
            traceback.print_exc()
        frame.say("took %.0f s" % (time.monotonic() - start))
    frame.table()
    print("all in %.0f s%s" % (time.monotonic() - began,
                               "; NOT MEASURED: " + " ".join(failed) if failed else ""))
    if asked.json:
        pathlib.Path(asked.json).write_text(json.dumps(
            dict(frame.as_json(), failed=failed), indent=1, ensure_ascii=False) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an ended bench must end its daemons
    sys.exit(main())
