# SPDX-License-Identifier: BSD-2-Clause
"""A large store: how soon it serves after a clean stop, how long a thread takes, and whether it takes
in others' messages as fast as an empty one. `make bench-large`: minutes, and 10 GB of disk."""
import json
import subprocess
import time

from harness import Failure, Forum
from nodes import SEARCH_OFF, Held, fill, wait


def serving(frame, node, invite):
    """From the start of its process to the first answer over TLS, in seconds."""
    reader = subprocess.Popen([frame.program("reader"), invite], stdout=subprocess.PIPE)
    began = time.monotonic()
    node.start(wait=False)
    out, _ = reader.communicate(timeout=120)
    if reader.returncode != 0:
        raise Failure("nobody could read at %s" % node)
    node.wait_up()
    return json.loads(out)["served"] - began


def taken_in(frame, node, made, label):
    """Per second, of what another origin's log brings, until it is shown."""
    entries, held = made["entries"], Held(node, made["log"])
    node.start(wait=False)
    _, began = wait("nothing arrives", lambda: held.look()[0] > 0, 120, 0.002)
    shown, _ = wait("it is not shown", lambda: held.shown(entries))
    used = frame.process(node, label, fresh=True).end()
    held.close()
    frame.used(used, entries, made["payload"])
    return entries / (shown - began)


def run(frame):
    large, more = frame.scale(5000000, 20000), frame.scale(100000, 3000)
    names = ["o.example", "large.example", "empty.example"]
    with Forum(names, edges=[(0, 1), (0, 2)], limits=SEARCH_OFF) as forum:
        origin, full, empty = forum
        # What the large store holds is nothing that the others want: they would be filled with it.
        for node in (origin, empty):
            text = node.config.read_text()
            node.config.write_text(text + '\norigin "large.example" {\n\tcarry = no\n}\n')
        fill(frame, full, large, "--fold")
        made = fill(frame, origin, more, "--fold", "--seed", "2")
        size = (full.folder / "data/convene.db").stat().st_size
        frame.say("the large store: %.2f GB" % (size / 1e9))
        full.start()
        invite = full.ctl_json("invite")["invite"]
        full.stop()
        times = frame.medians()
        for _ in times:
            times.add("serving", serving(frame, full, invite))
            full.stop()
        frame.figure("serving after a clean stop", times["serving"], "s", target="≤ 2 s",
                     note=times.spread("serving"))
        full.start()
        out, _, _ = frame.run([frame.program("reader"), invite, "--threads", frame.scale(2000, 50)])
        got = json.loads(out)
        frame.figure("a thread read, 95th percentile", got["thread_p95"], "ms", target="< 5 ms",
                     note="p50 %.2f, p99 %.2f; %.1f posts on the average" % (
                         got["thread_p50"], got["thread_p99"], got["posts"]))
        frame.figure("  a page of 50 threads, 95th percentile", got["page_p95"], "ms",
                     note="p50 %.2f, p99 %.2f" % (got["page_p50"], got["page_p99"]))
        full.stop()
        origin.start()
        into_empty = taken_in(frame, empty, made, "into the empty store")
        empty.stop()
        into_large = taken_in(frame, full, made, "into the large store")
        frame.figure("taken in to shown, large store", into_large, "/s", limit=into_empty,
                     target="≥ 80 %", note="the limit is the empty store's rate")
