#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A process of another system user reads the store while the relay writes it.

This is how the web and news gateways will read. The reader (store_reader.c) needs no more than its
group's right to read the data folder (see lib/store/README); it must see posts come in, never an
error, and be unable to write.
"""
import grp
import os
import pathlib
import pwd
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402

USER = "nobody"
GROUP = "nogroup"
POSTS = 40


def main(tap):
    if os.geteuid() != 0:
        tap.skip("a reader of another user", "only root can be another user")
        return
    with harness.Forum(["a.example", "b.example"], edges=harness.pair()) as forum:
        data = forum[0].folder / "data"
        gid = grp.getgrnam(GROUP).gr_gid
        for folder in (forum[0].folder, forum[0].folder.parent):
            folder.chmod(0o755)
        os.chown(data, 0, gid)
        data.chmod(0o2750)
        forum.start()
        alice, bob = forum[0].enrol("alice"), forum[1].enrol("bob")
        topic = alice.topic("Reading along")
        forum.settle()
        path = str(data / "convene.db")
        uid = pwd.getpwnam(USER).pw_uid
        # Where another user can run it, wherever the build is.
        program = forum[0].folder / "store_reader"
        shutil.copy(harness.BUILD / "tests/federation/store_reader", program)
        program.chmod(0o755)
        reader = subprocess.Popen([str(program), path], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, user=uid, group=gid,
                                  extra_groups=[])
        forum.keep_process(reader)
        for number in range(POSTS):
            (alice, bob)[number % 2].post(topic, "Post %d" % number, "Text %d\n" % number)
        forum.settle()
        pathlib.Path(path + ".stop").touch()
        out, _ = reader.communicate(timeout=30)
        lines = out.split("\n")[:-1]
        if not tap.ok(reader.returncode == 0, "the reader meets no error", out[-2000:]):
            return
        counts = [tuple(map(int, line.split())) for line in lines[:-1]]
        tap.ok(len(counts) > POSTS / 4, "it sees the log grow while it is written (%d times)"
               % len(counts), out)
        tap.ok(counts == sorted(counts), "it never sees less than before", out)
        total = sum(log["size"] for log in forum[0].status()["logs"])
        tap.equal(counts[-1], (total, POSTS + 1), "in the end it has seen every entry and post")
        tap.equal(lines[-1], "refused", "it can't write")


if __name__ == "__main__":
    harness.tap_run(main)
