# SPDX-License-Identifier: BSD-2-Clause
"""A forum of real daemons on 127.0.0.1, and the programs people use with it.

    with Forum(["a.example", "b.example"], edges=pair()) as forum:
        forum.start()
        alice = forum[0].enrol("alice")
        topic = alice.topic("Principles")
        post = alice.post(topic, "First", "Text.")
        forum.settle()

Everything lives in one temporary folder, which goes when the block ends, and stays when
CONVENE_KEEP is set. Only processes that were started here are ended. The programs are those of
$builddir (default: the current folder).
"""
import concurrent.futures
import contextlib
import ctypes
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BUILD = pathlib.Path(os.environ.get("builddir") or ".").resolve()
CORPUS = pathlib.Path(os.environ.get("CONVENE_CORPUS", "../shared"))
CONVENED = BUILD / "daemon/convened"
CONVENECTL = BUILD / "client/convenectl"
CONVENE = BUILD / "client/convene"

# Exit codes of convene that say: not now, and nothing is lost.
UNREACHABLE = 3
REFUSED = 2

# Below the range that the system gives to outgoing connections: otherwise somebody's connection
# may hold the port of a node that is about to start again.
PORTS = range(*(int(port) for port in os.environ.get("CONVENE_PORTS", "12000-32000").split("-")))

LIMITS = {"posts_per_hour": "1000000", "clients_per_address": "10000", "inbox": "100000"}

PR_SET_CHILD_SUBREAPER = 36


class Failure(Exception):
    """What was expected did not happen."""


class CommandFailure(Failure):
    """A program ended with another code than 0."""

    def __init__(self, argv, code, out, err):
        self.code, self.out, self.err = code, out, err
        words = " ".join(str(word) for word in argv)
        super().__init__("%s: exit code %d: %s" % (words, code, (err or out).strip()))


def ring(n):
    return [(i, (i + 1) % n) for i in range(n)] if n > 2 else chain(n)


def chain(n):
    return [(i, i + 1) for i in range(n - 1)]


def pair():
    return chain(2)


def mesh(n):
    return [(i, j) for i in range(n) for j in range(i + 1, n)]


def in_parallel(function, items, workers=8):
    """The results in order; the first exception is raised."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))


def poll(what, seconds, check, pause=0.1):
    """Call `check` until it gives something true, and return that. `what` may be a function."""
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise Failure("after %g s: %s" % (seconds, text))
        time.sleep(pause)


_ports_given = set()
_ports_lock = threading.Lock()


def free_port():
    with _ports_lock:
        for _ in range(1000):
            port = random.SystemRandom().choice(PORTS)
            if port in _ports_given:
                continue
            with socket.socket() as s:
                try:
                    s.bind(("127.0.0.1", port))
                except OSError:
                    continue
            _ports_given.add(port)
            return port
    raise Failure("no free port")


def run(argv, stdin=b"", env=None, timeout=60):
    """Run a program; returns its output. An exit code other than 0 raises CommandFailure."""
    argv = [str(word) for word in argv]
    environment = dict(os.environ, LC_ALL="C.UTF-8", **(env or {}))
    done = subprocess.run(argv, input=stdin, capture_output=True, env=environment, timeout=timeout,
                          check=False)
    out, err = done.stdout.decode(), done.stderr.decode("utf-8", "replace")
    if done.returncode != 0:
        raise CommandFailure(argv, done.returncode, out, err)
    return out


class Participant:
    """Somebody with a key, a home folder and the convene program. Not for two threads at once."""

    def __init__(self, node, handle, home):
        self.node, self.handle, self.home = node, handle, home

    def convene(self, *words, stdin=b"", timeout=60):
        """Output of `convene WORDS --json`, parsed."""
        out = run([*self.node.enter, CONVENE, *words, "--json"], stdin, {"CONVENE_HOME": str(self.home)}, timeout)
        return json.loads(out)

    def topic(self, title):
        return self.convene("topic", title)["id"]

    def _write(self, words, text, attach, subject, raw):
        if subject is not None:
            words += ["--subject", subject]
        for path in attach:
            words += ["--attach", str(path)]
        if raw:
            words.append("--raw")
        stdin = text if isinstance(text, bytes) else text.encode()
        return self.convene(*words, "--file", "-", stdin=stdin)["id"]

    def post(self, topic, subject, text, attach=(), raw=False):
        """Begin a thread; returns the id."""
        return self._write(["post", topic], text, attach, subject, raw)

    def reply(self, post, text, attach=(), subject=None, raw=False):
        return self._write(["reply", post], text, attach, subject, raw)

    def read(self, post, whole=False, save=None):
        """Items of a thread, or of a post and its answers, as `convene read --json` has them."""
        words = ["read", post] + (["--all"] if whole else [])
        if save is not None:
            words += ["--save", str(save)]
        return self.convene(*words)["items"]

    def topics(self):
        return self.convene("topics")["topics"]

    def threads(self, topic, limit=1000):
        return self.convene("threads", topic, "--limit", str(limit))["threads"]

    def outbox(self):
        """Send what waits; returns what is still there."""
        return self.convene("outbox")["messages"]

    def follow(self, after=0):
        """Start `convene follow --json`: one line for each item. End it with stop()."""
        return Follower(self, after)


class Follower:
    def __init__(self, participant, after):
        self._log = open(participant.home / "follow.err", "ab")
        self.process = subprocess.Popen(
            [*participant.node.enter, str(CONVENE), "follow", "--json", "--after", str(after)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log,
            env=dict(os.environ, LC_ALL="C.UTF-8", CONVENE_HOME=str(participant.home)))
        participant.node.forum.keep_process(self.process)

    def items(self):
        """Each item as it comes; ends when the program does."""
        for line in self.process.stdout:
            yield json.loads(line)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()
        self._log.close()


class Node:
    """An organisation's server: its folder, its convenectl, and at times a convened."""

    def __init__(self, forum, name, folder, host="127.0.0.1", enter=()):
        """enter: words before a command that is to run where this node's network is."""
        self.forum, self.name, self.folder = forum, name, folder
        self.host, self.enter = host, list(enter)
        self.config = folder / "convened.conf"
        self.log = folder.with_suffix(".log")
        self.port = free_port()
        self.address = "%s:%d" % (host, self.port)
        self.process = None
        self.starts = 0
        self.convenectl = [CONVENECTL]  # another build's, where a test says so

    def __repr__(self):
        return self.name

    def ctl(self, *words, stdin=b"", timeout=60):
        """Output of `convenectl WORDS`."""
        return run([*self.convenectl, "-c", self.config, *words], stdin, None, timeout)

    def ctl_json(self, *words, stdin=b"", timeout=60):
        return json.loads(self.ctl(*words, "--json", stdin=stdin, timeout=timeout))

    # ---- making it ----

    def make(self, limits):
        run([CONVENECTL, "init", self.name, "--dir", self.folder, "--address", self.address,
             "--listen", self.address])
        self.set_options(**dict(limits, level='"debug"' if os.environ.get("CONVENE_DEBUG")
                                else '"info"'))

    def set_options(self, **options):
        """Set options of the config by their names, whether they are commented out or not."""
        text = self.config.read_text()
        for name, value in options.items():
            text, count = re.subn(r"(?m)^\t#?%s = .*$" % re.escape(name),
                                  lambda _: "\t%s = %s" % (name, value), text)
            if count != 1:
                raise Failure("%s: the option %s is there %d times" % (self.config, name, count))
        self.config.write_text(text)

    def block(self):
        """The path of a file with this node's block."""
        path = self.folder.with_suffix(".block")
        path.write_text(self.ctl("block"))
        return path

    def add_peer(self, other, address=None):
        """address: where it is reached, if not where it says."""
        self.ctl("peer", other.block())
        if address is not None:
            text = self.config.read_text()
            self.config.write_text(text.replace('"%s"' % other.address, '"%s"' % address))

    # ---- running it ----

    def start(self, wait=True):
        if self.running():
            raise Failure("%s runs already" % self.name)
        self.starts += 1
        with open(self.log, "ab") as log:
            log.write(b"---- start %d\n" % self.starts)
            log.flush()
            # In a group of its own, so that parent and relay can be killed in one instant.
            self.process = subprocess.Popen(
                [*self.enter, str(CONVENED), "-c", str(self.config)], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True)
        if wait:
            self.wait_up()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def wait_up(self, seconds=30):
        """Until the daemon answers on its control socket."""
        def up():
            if not self.running():
                raise Failure("%s ended while it started" % self.name)
            try:
                return self.status()
            except CommandFailure:
                return None
        return poll("%s is not up" % self.name, seconds, up, 0.05)

    def wait_sealing(self, seconds=30):
        """Until the node seals: it asks its peers first, and waits at most 10 s for them. What it
        learns may make it start anew, and it answers nothing meanwhile."""
        def seals():
            with contextlib.suppress(CommandFailure):
                return self.status()["sealing"] == "on"

        self.wait_up(seconds)
        return poll("%s does not seal" % self.name, seconds, seals)

    def _reap(self, seconds):
        pid = self.process.pid
        code = self.process.wait(seconds)
        # The relay is ours once its parent is gone: see Forum.__enter__().
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-pid, 0)
        self.process = None
        return code

    def stop(self, seconds=30):
        """SIGTERM, as an operator's system does it; it must end well."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self._reap(seconds)
        except subprocess.TimeoutExpired:
            raise Failure("%s does not stop within %d s" % (self.name, seconds)) from None
        if code != 0:
            raise Failure("%s ended with code %d" % (self.name, code))

    def kill(self):
        """SIGKILL to parent and relay at once."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._reap(30)

    def kill_relay(self):
        """SIGKILL to the relay alone; its parent starts it again. False when there is none now."""
        with contextlib.suppress(OSError):
            relay = self.child("convened-relay")
            if relay:
                os.kill(relay, signal.SIGKILL)
                return True
        return False

    def child(self, name):
        """The process id of the daemon's relay or signer, 0 when there is none now."""
        pid = self.process.pid
        for child in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split():
            with contextlib.suppress(OSError):
                if pathlib.Path("/proc/%s/comm" % child).read_text().strip() == name:
                    return int(child)
        return 0

    def hangup(self):
        """SIGHUP: read the config again."""
        self.process.send_signal(signal.SIGHUP)

    # ---- asking it ----

    def status(self):
        return self.ctl_json("status")

    def peers(self):
        return {peer["name"]: peer for peer in self.ctl_json("peers")["peers"]}

    def dump_hash(self):
        return self.ctl_json("dump")["hash"]

    def log_lines(self):
        """Lines of the daemon's log since its last start."""
        text = self.log.read_text("utf-8", "replace")
        return text.rpartition("---- start %d\n" % self.starts)[2].splitlines()

    # ---- people ----

    def enrol(self, handle, **profile):
        """Invite somebody and let them join; profile: name, group, region."""
        home = self.forum.folder / "people" / ("%s@%s" % (handle, self.name))
        invite = self.ctl_json("invite", "--handle", handle)["invite"]
        words = [word for key, value in profile.items() for word in ("--" + key, value)]
        person = Participant(self, handle, home)
        person.convene("join", invite, "--handle", handle, *words)
        return person


class Forum:
    """Organisations with one charter and links between them. edges: pairs of positions; terms:
    options of `convenectl charter draft`; linked: settings of emulated links, which are then
    `links` (see linked.py); without it all is on 127.0.0.1, as fast as it goes."""

    def __init__(self, names, edges=None, limits=None, purpose="To test the federation.",
                 terms=(), linked=None, seed=1):
        self.names, self.edges, self.terms = list(names), edges, list(terms)
        self.limits = dict(LIMITS, **(limits or {}))
        self.purpose, self.linked, self.seed, self.links = purpose, linked, seed, None
        self.nodes, self.folder = [], None
        self._processes = []
        self._later = []

    def __len__(self):
        return len(self.nodes)

    def __iter__(self):
        return iter(self.nodes)

    def __getitem__(self, key):
        if isinstance(key, str):
            return next(node for node in self.nodes if node.name == key)
        return self.nodes[key]

    def __enter__(self):
        for program in (CONVENED, CONVENECTL, CONVENE):
            if not os.access(program, os.X_OK):
                raise Failure("%s is not there: run make, or set builddir" % program)
        # A killed daemon's relay becomes our child, so that we can wait until it is gone.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="convene-"))
        try:
            self._make()
        except BaseException:
            self._clean(True)
            raise
        return self

    def _make(self):
        edges = self.edges if self.edges is not None else ring(len(self.names))
        if self.linked is None:
            self.nodes = [Node(self, name, self.folder / name) for name in self.names]
        else:
            from linked import Links
            self.links = Links(len(self.names), edges, self.linked, self.seed)
            self.nodes = [Node(self, name, self.folder / name, self.links.host(number),
                               self.links.enter(number))
                          for number, name in enumerate(self.names)]
            if not self.links.packets:
                self.links.start_proxy(self.nodes)
        in_parallel(lambda node: node.make(self.limits), self.nodes, 4)
        blocks = [node.block() for node in self.nodes]
        draft = self.folder / "charter"
        self.nodes[0].ctl("charter", "draft", "--name", "Test", "--purpose", self.purpose,
                          *self.terms, "--out", draft, *blocks[1:])
        for node in self.nodes:
            node.ctl("charter", "sign", draft)
        # The last founder has the whole charter now; the others install it.
        for node in self.nodes[:-1]:
            node.ctl("charter", "merge", draft)
        for i, j in edges:
            for here, there in ((i, j), (j, i)):
                self.nodes[here].add_peer(self.nodes[there], self.links and self.links.address(
                    here, there, self.nodes[there].address))

    def later(self, name, folder=None):
        """A node that is no founder, made and not started; it ends with the forum."""
        node = Node(self, name, self.folder / (folder or name))
        self._later.append(node)
        node.make(self.limits)
        return node

    def keep_process(self, process):
        """Have this process ended with the forum."""
        self._processes.append(process)

    def __exit__(self, kind, value, trace):
        self._clean(kind is not None and kind not in (KeyboardInterrupt, SystemExit))
        return False

    def _clean(self, failed):
        if failed:
            self.show_logs()
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        for node in [*self.nodes, *self._later]:
            node.kill()
        if self.links:
            self.links.end()
        if os.environ.get("CONVENE_KEEP"):
            print("# kept: %s" % self.folder, flush=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def show_logs(self, lines=40):
        for node in self.nodes:
            if node.log.exists():
                text = node.log.read_text("utf-8", "replace").splitlines()
                print("# ---- the log of %s ends with" % node.name)
                for line in text[-lines:]:
                    print("#   " + line)
        sys.stdout.flush()

    # ---- all together ----

    def start(self):
        """Start all nodes at once, and wait until all seal."""
        for node in self.nodes:
            if not node.running():
                node.start(wait=False)
        for node in self.nodes:
            node.wait_up()
        for node in self.nodes:
            node.wait_sealing()

    def stop(self):
        in_parallel(Node.stop, self.nodes)

    def statuses(self):
        return in_parallel(Node.status, self.nodes, 4)

    def wait_frontiers_equal(self, seconds=30, nodes=None):
        """Until the nodes hold the same entries; returns their frontier's hash."""
        return self._wait_equal(seconds, nodes, lambda status: True)

    def settle(self, seconds=30, nodes=None):
        """Until the nodes hold the same entries and contents, and all are folded and sealed."""
        def done(status):
            return status["inbox"] == 0 and all(
                log["folded"] == log["size"] and log["contents_missing"] == 0
                for log in status["logs"])
        return self._wait_equal(seconds, nodes, done)

    def _wait_equal(self, seconds, nodes, done):
        nodes = list(nodes or self.nodes)
        seen = []

        def check():
            seen[:] = in_parallel(Node.status, nodes, 4)
            first = seen[0]["frontier"]
            equal = all(s["frontier"] == first and len(s["logs"]) == len(seen[0]["logs"])
                        for s in seen)
            return first if equal and all(done(s) for s in seen) else None

        def describe():
            lines = ["the nodes do not hold the same:"]
            for s in seen:
                logs = ", ".join("%s %d/%d%s" % (
                    log["organisation"], log["folded"], log["size"],
                    " (%d texts missing)" % log["contents_missing"] if log["contents_missing"]
                    else "") for log in sorted(s["logs"], key=lambda log: log["name"]))
                links = ", ".join("%s %s" % (p["name"], "up" if p["connected"] else
                                             "down: %s" % p["last_error"]) for p in s["peers"])
                lines.append("  %s: %s inbox %d; %s; %s" % (s["node"], s["frontier"][:16],
                                                           s["inbox"], logs, links))
            return "\n".join(lines)

        return poll(describe, seconds, check)


class Tap:
    """Test results in TAP. Use run() around a test program's main function."""

    def __init__(self):
        self.count = self.failures = 0
        self.began = time.monotonic()

    def ok(self, good, name, *why):
        """One result; `why` is shown when it failed. Returns `good`."""
        self.count += 1
        self.failures += not good
        print("%s %d - %s" % ("ok" if good else "not ok", self.count, name))
        for text in why if not good else ():
            self.say(text)
        sys.stdout.flush()
        return bool(good)

    def equal(self, got, wanted, name):
        return self.ok(got == wanted, name, "got    %.200r" % (got,), "wanted %.200r" % (wanted,))

    def skip(self, name, reason):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, name, reason), flush=True)

    def say(self, text):
        """A remark: time since the start, and text."""
        first, *rest = str(text).splitlines() or [""]
        print("# [%6.1f s] %s" % (time.monotonic() - self.began, first))
        for line in rest:
            print("#            " + line)
        sys.stdout.flush()

    def finish(self):
        print("1..%d" % self.count, flush=True)
        return 1 if self.failures or self.count == 0 else 0


def tap_run(main, *args):
    """Run main(tap, *args); an exception is a failed test. Ends the program."""
    tap = Tap()
    # An ended test must end its daemons.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        main(tap, *args)
    except (Failure, subprocess.TimeoutExpired) as error:
        tap.ok(False, "the test went through", error)
    except Exception as error:  # a mistake of the test itself
        import traceback
        tap.ok(False, "the test went through", traceback.format_exc(), error)
    sys.exit(tap.finish())
