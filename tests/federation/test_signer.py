#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The signer beside a real daemon: who holds the keys, and what becomes of a node without it.

Its keys are in no other process; it is confined; it outlives relays; kill -9 of it ends the daemon
with a status of its own, and the next start goes on where it was. Taken away, damaged and foreign
files of what was signed are noticed. It can have a user of its own. Sealing
waits for nothing. What a hostile relay may ask for is tested in ../unit/test_signer_process.c.

    test_signer.py [--kills N] [--seed N]
"""
import argparse
import base64
import contextlib
import json
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import subprocess
import time

from harness import CONVENED, Forum, pair, tap_run

SIGNER_ENDED = 5


def seed_of(path):
    """The 32 secret bytes in a key file."""
    return base64.b64decode(re.search(r"^seed: (\S+)", path.read_text(), re.M).group(1))


def holds(pid, secret):
    """Whether a process has these bytes in its memory."""
    with open("/proc/%d/maps" % pid, encoding="ascii", errors="replace") as maps, \
            open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in maps:
            area, mode = line.split()[:2]
            start, end = (int(x, 16) for x in area.split("-"))
            if mode[0] != "r" or "[v" in line:
                continue
            with contextlib.suppress(OSError, ValueError, OverflowError):
                memory.seek(start)
                if secret in memory.read(end - start):
                    return True
    return False


def status_field(pid, name):
    return re.search(r"^%s:\s*(\S+)" % name, pathlib.Path("/proc/%d/status" % pid).read_text(),
                     re.M).group(1)


def check_keys(tap, node):
    parent, relay, signer = node.process.pid, node.child("convened-relay"), \
        node.child("convened-signer")
    keys = node.folder / "keys"
    secrets = {role: seed_of(keys / (role + ".key"))
               for role in ("log", "registrar", "cosigner", "tls")}
    tap.ok(relay and signer, "relay and signer run beside the parent")
    for pid, who in ((parent, "the parent"), (relay, "the relay")):
        for role in ("log", "registrar", "cosigner"):
            tap.ok(not holds(pid, secrets[role]), "%s has no %s key" % (who, role))
        tap.ok(holds(pid, secrets["tls"]), "%s has the TLS key: such bytes would be found" % who)
    tap.equal(status_field(signer, "NoNewPrivs"), "1", "the signer gets no privileges")
    tap.ok(int(status_field(signer, "VmLck")) > 0, "its keys are kept out of swap")
    limits = pathlib.Path("/proc/%d/limits" % signer).read_text()
    tap.ok(re.search(r"^Max open files +0 +0 ", limits, re.M), "it can open nothing")
    if os.geteuid() != 0:
        tap.ok(not os.access("/proc/%d/mem" % signer, os.R_OK), "nobody reads its memory")
        return
    files = sorted(os.readlink(entry) for entry in pathlib.Path("/proc/%d/fd" % signer).iterdir())
    expected = ["/dev/null"] * 3 + [str(node.folder / "data" / name)
                                    for name in ("signer.cosigned", "signer.lock")]
    tap.equal([f for f in files if not f.startswith("socket:")], expected,
              "it has its two files open")
    tap.equal(len(files), 6, "and one socket")
    tap.ok(holds(signer, secrets["log"]), "it has the log key")


def seal(person, topic, text):
    return person.post(topic, text, text)


def check_relay_killed(tap, node, alice, topic):
    signer = node.child("convened-signer")
    for i in range(3):
        seal(alice, topic, "before %d" % i)
        node.kill_relay()
        node.wait_sealing()
        seal(alice, topic, "after %d" % i)
    tap.equal(node.child("convened-signer"), signer, "the signer outlives three relays")


def check_signer_killed(tap, node, alice, topic, kills, rng):
    codes = set()
    for i in range(kills):
        seal(alice, topic, "kill %d" % i)
        time.sleep(rng.random() * 0.1)
        os.kill(node.child("convened-signer"), signal.SIGKILL)
        codes.add(node.process.wait(20))
        node._reap(20)
        node.start()
        node.wait_sealing()
    seal(alice, topic, "the last")
    tap.equal(codes, {SIGNER_ENDED}, "%d times without its signer convened ended with status %d" %
              (kills, SIGNER_ENDED))
    tap.ok("the signer ended by signal 9" in node.log.read_text(errors="replace"), "and said why")


def start_refused(node):
    """What convened says when it doesn't start."""
    done = subprocess.run([str(CONVENED), "-c", str(node.config)], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, check=False)
    return done.returncode, done.stderr.decode()


def check_files(tap, node):
    lock, cosigned = (node.folder / "data" / name for name in ("signer.lock", "signer.cosigned"))
    node.stop()
    good = lock.read_bytes()
    lock.write_bytes(b"x" * len(good))
    code, text = start_refused(node)
    tap.ok(code == 3 and "what has been signed is not known" in text, "a damaged lock file: refused")
    lock.write_bytes(good)
    cosigned.write_bytes(b"x" * 3000)
    code, text = start_refused(node)
    tap.ok(code == 3 and "what has been cosigned is not known" in text,
           "a damaged file of what was cosigned: refused")
    cosigned.write_bytes(b"")
    key, other = node.folder / "keys/cosigner.key", node.folder / "keys/cosigner.aside"
    shutil.move(key, other)
    code, text = start_refused(node)
    tap.ok(code == 3 and "cosigner.key" in text, "no cosigner key: refused, and which file")
    shutil.move(other, key)
    node.start()
    node.wait_sealing()
    code, text = start_refused(node)
    tap.ok(code == 3 and node.running(), "a second daemon beside the first: refused")


def check_users(tap, node):
    """Root gives relay and signer a user each; the relay's can't touch what was signed."""
    users = ["nobody", "daemon"]
    with contextlib.suppress(KeyError):
        users = [pwd.getpwnam(name) for name in users]
    if os.geteuid() != 0 or not all(isinstance(user, pwd.struct_passwd) for user in users):
        tap.skip("users", "only root can start it for others")
        return
    user, keeper = users
    node.stop()
    data, apart = node.folder / "data", node.folder / "data-signer"
    for folder in (node.folder.parent, node.folder):
        folder.chmod(0o755)
    apart.mkdir(0o700)
    for name in ("signer.lock", "signer.cosigned"):
        os.chown(shutil.move(data / name, apart / name), keeper.pw_uid, keeper.pw_gid)
    for path in data.iterdir():
        os.chown(path, user.pw_uid, user.pw_gid)
    node.config.write_text(node.config.read_text().replace(
        "node {", 'node {\n\tuser = "nobody"\n\tsigner_user = "daemon"', 1))
    node.start()
    node.wait_sealing()
    pids = [node.process.pid, node.child("convened-relay"), node.child("convened-signer")]
    tap.equal([int(status_field(pid, "Uid")) for pid in pids],
              [user.pw_uid, user.pw_uid, keeper.pw_uid], "the signer has a user of its own")
    mode = apart.stat()
    tap.equal((mode.st_uid, mode.st_mode & 0o777, (apart / "signer.lock").stat().st_uid),
              (keeper.pw_uid, 0o700, keeper.pw_uid), "and so has its folder")
    tap.ok(not (data / "signer.lock").exists(), "nothing of it is left where the relay writes")


def check_alike(tap, forum):
    forum.settle()
    hashes = {node.status()["frontier"] for node in forum}
    tap.equal(len(hashes), 1, "both nodes hold the same")
    tap.ok(not any("suspect" in json.dumps(node.status()) for node in forum),
           "and no log is suspected")


def check_prompt(tap):
    """Nothing waits for others to be sealed with it, whatever limits.batch_ms is; what comes while
    sealing is under way, and just after, waits no longer than that took."""
    with Forum(["prompt.example"], limits={"batch_ms": "10000"}) as forum:
        forum.start()
        node = forum[0]
        alice = node.enrol("alice")
        topic = alice.topic("At once")
        sizes, began = [], time.monotonic()
        for i in range(8):
            alice.post(topic, "one of eight", "No. %d" % i)
            forum.settle()
            sizes.append(node.status()["logs"][0]["size"])
        took = time.monotonic() - began
        tap.equal(sizes, list(range(sizes[0], sizes[0] + 8)), "posts are sealed one by one")
        tap.ok(took < 35, "none of them waits for others", "%.1f s" % took)
        forum.stop()


def main(tap, kills, seed):
    tap.say("seed %d (replay: --kills %d --seed %d)" % (seed, kills, seed))
    rng = random.Random(seed)
    with Forum(["a.example", "b.example"], edges=pair()) as forum:
        forum.start()
        node = forum[0]
        alice = node.enrol("alice")
        topic = alice.topic("Keys")
        node.wait_sealing()
        check_keys(tap, node)
        check_relay_killed(tap, node, alice, topic)
        check_signer_killed(tap, node, alice, topic, kills, rng)
        check_files(tap, node)
        check_users(tap, node)
        seal(alice, topic, "at the end")
        check_alike(tap, forum)
    check_prompt(tap)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    tap_run(main, options.kills, options.seed)
