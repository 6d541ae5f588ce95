# SPDX-License-Identifier: BSD-2-Clause
"""What other programs reach on this machine, in the same run: Debian's INN, which relays articles
between two nodes, and Debian's Mosquitto, which passes messages on to many subscribers.

    peers.inn(frame, articles, bytes_per_article)   articles/s from INN A through innfeed to INN B, or None
    peers.mosquitto(frame, subscribers, payload)    deliveries/s of QoS 1 over TLS 1.3, or None

None: not asked for (PEERS=1), or not to be had here; a row says why. Each is measured once in a run.

Debian's packages are fetched with apt-get and unpacked into a temporary folder, with the libraries
that this machine lacks: nothing of the system changes and no service starts. INN wants to be the user
news, so only root can measure it."""
import atexit
import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from frame import CORES
from harness import Failure, free_port, poll
from peer_inn import Pair, may_start

ARTICLES, ARTICLE_BYTES = 100000, 860
PAYLOAD = 600
# So many are on their way to each subscriber. Mosquitto hands out 20 of them at a time by default; with
# more it looks through longer lists, and is slower.
WINDOW = 200

MOSQUITTO_CONF = """
listener %(port)d 127.0.0.1
certfile %(folder)s/cert.pem
keyfile %(folder)s/key.pem
tls_version tlsv1.3
allow_anonymous true
persistence false
log_dest stderr
log_type error
sys_interval 0
set_tcp_nodelay true
max_queued_messages 0
"""


class Missing(Exception):
    """This program is not to be had here."""


# ---- programs ----

def _apt(*words, cwd=None):
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
    try:
        done = subprocess.run(["apt-get", "-q", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=env, cwd=cwd, timeout=300)
    except FileNotFoundError:
        raise Missing("apt-get is not here: not Debian") from None
    except subprocess.TimeoutExpired:
        raise Missing("apt-get %s does not end" % words[0]) from None
    return done.returncode, done.stdout.decode(errors="replace")


def _fetch(packages, folder):
    """What apt would install, without what only matters once it is set up: mail, cron, Perl."""
    code, said = _apt("install", "-s", "--no-install-recommends", *packages)
    if code == 0:
        wanted = set(packages) | {name for name in re.findall(r"(?m)^Inst (\S+)", said)
                                  if name.startswith(("lib", packages[0] + "-"))}
        code, said = _apt("download", *sorted(wanted), cwd=folder)
    return code, said


@functools.lru_cache(maxsize=None)
def unpacked(*packages):
    """The folder with the packages' files, as / would have them."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="convene-peers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)  # another user runs what is there
    code, said = _fetch(packages, folder)
    if code != 0 and os.geteuid() == 0:
        _apt("update")
        code, said = _fetch(packages, folder)
    if code != 0:
        raise Missing("apt-get has no %s: %s" % (" ".join(packages), (said.strip().splitlines() or [""])[-1]))
    root = folder / "root"
    for archive in sorted(folder.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", archive, root], check=True)
    return root


def version(root, package):
    return next(root.parent.glob(package + "_*.deb")).name.split("_")[1].replace("%3a", ":")


@contextlib.contextmanager
def temporary():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="convene-peers-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_measured, _failed = {}, []


def _once(frame, key, name, measure):
    """Measured once; when it cannot be, a row says so."""
    if not frame.peers:
        return None
    if key not in _measured:
        _measured[key] = None
        try:
            _measured[key] = measure()
        except (Missing, Failure) as why:
            frame.figure(name, "not measured", "", note=str(why)[:300])
            if isinstance(why, Failure):
                _failed.append(name)  # whoever asked has figures of his own to give; run() says it
    return _measured[key]


# ---- INN ----

def inn(frame, articles=None, bytes_per_article=ARTICLE_BYTES):
    """`bytes_per_article` on the wire, with command and final dot: to be equal to our entry and
    content."""
    articles = articles or frame.scale(ARTICLES, 2000)
    size = round(bytes_per_article)
    return _once(frame, ("inn", articles, size), "INN A to innfeed to INN B",
                 lambda: _inn(frame, articles, size))


def _inn(frame, articles, size):
    if not may_start():
        raise Missing("INN runs as the user news, and only root can start it so")
    root = unpacked("inn2")
    rounds, uses = frame.medians(), []
    with temporary() as folder, Pair(root, folder) as pair:
        pair.start(articles, size)
        pair.pass_on(100, size)  # so that all connections stand, and nobody asks before he sends
        for _ in rounds:
            feeder = pair.feeder(articles, size)
            used = [frame.process(pid, "INN " + name).begin() for name, pid in pair.processes.items()]
            seconds, said = pair.pass_on(articles, size, feeder)
            for use in used:
                use.end()
            uses.append((articles / seconds, used))
            rounds.add("rate", articles / seconds)
            rounds.add("cpu", sum(use.cpu_s for use in used) / articles * 1e6)
            rounds.add("feeder", said["cpu_s"] / articles * 1e6)
            rounds.add("apart", articles / max(seconds - said["cpu_s"] / CORES, 1e-9))
    rate = rounds["rate"]
    frame.figure("INN A to innfeed to INN B", rate, "/s", note="%s; %d B each, no TLS, CNFS, inn2 %s" % (
        rounds.spread("rate") or "one round", size, version(root, "inn2")))
    frame.figure("  the same, without the feeder's CPU", rounds["apart"], "/s",
                 note="the feeder takes %.1f µs per article" % rounds["feeder"])
    frame.figure("  CPU of both innd and innfeed together", rounds["cpu"], "µs", note="per article")
    for use in min(uses, key=lambda one: abs(one[0] - rate))[1]:
        frame.used(use, articles, articles * size)
    return rate


# ---- Mosquitto ----

def mosquitto(frame, subscribers=1000, payload=PAYLOAD):
    if frame.small:
        subscribers = min(subscribers, 50)
    return _once(frame, ("mosquitto", subscribers, payload),
                 "Mosquitto to {:,} subscribers".format(subscribers),
                 lambda: _mosquitto(frame, subscribers, payload))


@contextlib.contextmanager
def broker(frame, root, folder):
    port = free_port()
    frame.run([frame.program("peer_certificate"), folder / "cert.pem", folder / "key.pem"])
    for name in ("cert.pem", "key.pem"):
        (folder / name).chmod(0o644)  # of nobody's worth
    (folder / "conf").write_text(MOSQUITTO_CONF % {"port": port, "folder": folder})
    libraries = ":".join(str(path) for path in (root / "usr/lib").glob("*-linux-gnu*"))
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([root / "usr/sbin/mosquitto", "-c", folder / "conf"], cwd=folder,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env={"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": libraries})

    def listens():
        if process.poll() is not None:
            raise Failure("mosquitto ended: %s" % (folder / "log").read_text(errors="replace")[-500:])
        state = pathlib.Path("/proc/net/tcp").read_text()
        return re.search(r"0100007F:%04X 00000000:0000 0A" % port, state)
    try:
        poll("mosquitto", 20, listens)
        yield process, port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def resident_kb(pid):
    status = pathlib.Path("/proc/%d/status" % pid).read_text()
    return int(re.search(r"VmRSS:\s*(\d+)", status).group(1))


def fan_out(frame, root, subscribers, payload, messages, rounds):
    """One round: connect, look at the memory, pass all messages on. A new broker each time: what it
    took from the system for earlier clients it keeps."""
    with temporary() as folder, broker(frame, root, folder) as (process, port):
        empty = resident_kb(process.pid)
        argv = [frame.program("peer_mqtt"), port, subscribers, messages, payload, WINDOW]
        driver = subprocess.Popen([str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            began = time.monotonic()
            if driver.stdout.readline() != b"ready\n":
                raise Failure("the subscribers did not get ready")
            rounds.add("connect", (subscribers + 1) / (time.monotonic() - began))
            rounds.add("memory", (resident_kb(process.pid) - empty) / (subscribers + 1))
            with frame.process(process.pid, "mosquitto") as used:
                driver.stdin.write(b"go\n")
                driver.stdin.flush()
                line = driver.stdout.readline()
            if driver.wait(30) != 0 or not line:
                raise Failure("peer_mqtt: exit code %d" % driver.returncode)
        finally:
            if driver.poll() is None:
                driver.kill()
                driver.wait()
            driver.stdin.close()
            driver.stdout.close()
    said = json.loads(line)
    rounds.add("rate", said["deliveries"] / said["seconds"])
    rounds.add("cpu", used.cpu_s / said["deliveries"] * 1e6)
    rounds.add("driver", said["cpu_seconds"] / said["deliveries"] * 1e6)
    return used, said


def _mosquitto(frame, subscribers, payload):
    root = unpacked("mosquitto")
    messages = max(frame.scale(400000, 10000) // subscribers, 1)
    rounds, uses = frame.medians(), []
    for _ in rounds:
        uses.append(fan_out(frame, root, subscribers, payload, messages, rounds))
    rate, name = rounds["rate"], "Mosquitto to {:,} subscribers".format(subscribers)
    used, said = min(uses, key=lambda one: abs(one[1]["deliveries"] / one[1]["seconds"] - rate))
    frame.figure(name, rate, "deliveries/s", note="%s; QoS 1, %d B, %s, mosquitto %s" % (
        rounds.spread("rate") or "one round", payload, said["cipher"], version(root, "mosquitto")))
    frame.figure("  its CPU", rounds["cpu"], "µs", note="per delivery; the subscribers' driver %.1f µs" %
                 rounds["driver"])
    frame.figure("  its memory per idle client", rounds["memory"], "kB")
    frame.figure("  connecting", rounds["connect"], "clients/s")
    frame.used(used, said["deliveries"])
    return rate


def run(frame):
    """What no other subject has asked for in this run."""
    if not frame.peers:
        frame.say("PEERS=1 measures INN and Mosquitto")
        return
    asked = {key[:2] if key[0] == "mosquitto" else key[0] for key in _measured}
    if "inn" not in asked:
        inn(frame)
    for subscribers in (200, 1000):
        if ("mosquitto", subscribers) not in asked:
            mosquitto(frame, subscribers)
    if _failed:
        raise Failure("could not measure %s" % ", ".join(_failed))
