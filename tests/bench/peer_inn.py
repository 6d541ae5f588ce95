# SPDX-License-Identifier: BSD-2-Clause
"""Two news servers, INN A -> innfeed -> INN B, as Debian's inn2 unpacked somewhere has them: CNFS
buffers, no overview, no TLS. Both live in one folder and on loopback; nothing of the system's own
news server is read.

    with Pair(root, folder) as pair:
        pair.start(1000, 800)               # room for 1,000 articles of 800 bytes
        pair.pass_on(100, 800)              # 100 articles into A; returns when all are at B
        pair.processes                      # {"A: innd": pid, "A: innfeed": pid, "B: innd": pid}

As a program it is what feeds A:  peer_inn.py PORT FIRST COUNT BYTES
says "ready", begins when it is told how many articles B has, is told so again and again, and prints
JSON when A has answered to all.
"""
import json
import os
import pathlib
import pwd
import re
import select
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "federation"))

from harness import Failure, free_port, poll  # noqa: E402

GROUP = "bench.peer"
STALLED_S = 20
USER = "news"  # innd refuses to be another, before it has read its configuration

# innd gives each article whole blocks of a CNFS buffer. When a buffer comes round while innfeed is
# behind, articles are left out and others passed twice, without a word: a round must fit.
BLOCK = 4096
# A is fed no further than this ahead of B: what waits in innfeed makes each article dearer,
# with 50,000 of them by half.
WINDOW = 1000
ZEROS = 1 << 20

ARTICLE = (b"TAKETHIS <%010d@feeder.example>\r\nPath: feeder.example!not-for-mail\r\n"
           b"From: Somebody <somebody@feeder.example>\r\nNewsgroups: " + GROUP.encode() +
           b"\r\nSubject: Bench\r\nDate: %s\r\nMessage-ID: <%010d@feeder.example>\r\n\r\n%s.\r\n")

# Without an overview: a relay needs none, and our log path has no views either. Names and times of
# the machine are not asked for: many have no domain.
INN_CONF = """
mta: "/bin/false"
organization: "Bench"
pathhost: %(name)s
domain: example
fromhost: %(name)s
pathnews: %(news)s
pathbin: %(news)s/bin
pathcontrol: %(news)s/bin/control
pathfilter: %(home)s/filter
pathetc: %(home)s/etc
pathdb: %(home)s/db
pathlog: %(home)s/log
pathrun: %(home)s/run
pathhttp: %(home)s/http
pathtmp: %(home)s/tmp
pathspool: %(home)s/spool
patharticles: %(home)s/spool/articles
pathincoming: %(home)s/spool/incoming
pathoutgoing: %(home)s/spool/outgoing
patharchive: %(home)s/spool/archive
pathoverview: %(home)s/spool/overview
port: %(port)d
bindaddress: 127.0.0.1
hismethod: hisv6
enableoverview: false
wireformat: true
artcutoff: 0
pgpverify: false
doinnwatch: false
nicekids: 0
"""

# All must arrive: by default innfeed writes to disk what is more than ten articles ahead, and looks
# at that again much later.
INNFEED_CONF = """
initial-sleep: 1
host-queue-highwater: 100000000
backlog-highwater: 100000000
initial-reconnect-time: 1
peer %(to)s {
	ip-name: 127.0.0.1
	port-number: %(to_port)d
	max-connections: 1
	initial-connections: 1
	dynamic-method: 0
	max-queue-size: 200
	streaming: true
	no-check-high: 50.0
	no-check-low: 10.0
}
"""


def may_start():
    try:
        return os.geteuid() in (0, pwd.getpwnam(USER).pw_uid)
    except KeyError:
        return False


class Server:
    """One innd, and its innfeed when it has somebody to feed."""

    def __init__(self, root, home, name, room, to=None):
        self.news, self.home, self.name, self.to = root / "usr/lib/news", home, name, to
        self.port, self.process, self.arrived, self._read = free_port(), None, 0, 0
        self.env = {"PATH": "/usr/bin:/bin", "INNCONF": str(home / "etc/inn.conf"),
                    "LD_LIBRARY_PATH": "%s:%s" % (self.news, ":".join(
                        str(path) for path in (root / "usr/lib").glob("*-linux-gnu*")))}
        self.user, self.identity = pwd.getpwnam(USER), {}
        if os.geteuid() == 0:
            self.identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        self._write(room)

    def _write(self, room):
        home = self.home
        for folder in ("filter", "etc", "db", "log", "run", "http", "tmp", "spool/articles",
                       "spool/incoming/bad", "spool/incoming/tmp", "spool/outgoing", "spool/innfeed",
                       "spool/archive", "spool/overview"):
            (home / folder).mkdir(parents=True)
        words = {"name": self.name, "home": home, "news": self.news, "port": self.port,}
        feeds = "ME:*::\n"
        if self.to:
            words.update(to=self.to.name, to_port=self.to.port)
            feeds += "innfeed!:!*:Tc,Wnm*:%s/etc/innfeed\n%s:*:Tm:innfeed!\n" % (home, self.to.name)
        files = {
            "etc/inn.conf": INN_CONF % words, "etc/newsfeeds": feeds,
            "etc/incoming.conf": "streaming: true\nmax-connections: 20\n"
                                 "peer feeder.example {\n\thostname: 127.0.0.1\n}\n",
            "etc/storage.conf": "method cnfs {\n\tnewsgroups: *\n\tclass: 1\n\toptions: ALL\n}\n",
            "etc/cycbuff.conf": "cycbuffupdate: 25\nrefreshinterval: 30\ncycbuff:ONE:%s/spool/one:%d\n"
                                "metacycbuff:ALL:ONE\n" % (home, (room // ZEROS + 1) * ZEROS // 1024),
            "etc/control.ctl": "all:*:*:drop\n", "etc/expire.ctl": "/remember/:10\n*:A:1:10:never\n",
            "etc/readers.conf": "", "etc/moderators": "", "etc/passwd.nntp": "", "etc/subscriptions": "",
            "etc/distrib.pats": "", "etc/localgroups": "", "etc/nocem.ctl": "",
            "db/active": "".join("%s 0000000000 0000000001 %s\n" % (name, flag) for name, flag in (
                ("control", "n"), ("control.cancel", "n"), ("junk", "n"), (GROUP, "y"))),
            "db/newsgroups": "%s\tBench.\n" % GROUP, "db/active.times": "", "db/history": "",
        }
        if self.to:
            files["etc/innfeed.conf"] = INNFEED_CONF % words
            # innd starts it with an environment of its own.
            files["etc/innfeed"] = "#!/bin/sh\n%sexec %s/bin/innfeed \"$@\"\n" % ("".join(
                "%s='%s'; export %s\n" % (key, value, key) for key, value in self.env.items()), self.news)
        for name, text in files.items():
            (home / name).write_text(text)
        if self.to:
            (home / "etc/innfeed").chmod(0o755)
        with open(home / "spool/one", "wb") as buffer:  # written already, as with a server in use
            for _ in range(room // ZEROS + 1):
                buffer.write(bytes(ZEROS))
            os.fsync(buffer.fileno())
        if self.identity:
            for path in [home, *home.rglob("*")]:
                os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def start(self, articles):
        with open(self.home / "log/started", "wb") as log:
            done = subprocess.run([self.news / "bin/makedbz", "-i", "-o", "-s", str(max(articles * 10, 100000))],
                                  env=self.env, cwd=self.home / "db", stdout=log, stderr=log,
                                  **self.identity)
            if done.returncode != 0:
                raise Failure("makedbz: exit code %d: %s" % (done.returncode, self.said()))
            self.process = subprocess.Popen([self.news / "bin/innd", "-f", "-N"], env=self.env, cwd=self.home,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            **self.identity)
        poll("innd of %s" % self.name, 20, self._greets)

    def said(self):
        paths = [path for path in (self.home / "log").rglob("*") if path.is_file() and path.name != "news"]
        return " ".join(path.read_text(errors="replace")[-500:] for path in paths).strip()

    def _greets(self):
        if self.process.poll() is not None:
            raise Failure("innd ended: %s" % self.said())
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                return s.recv(200).startswith(b"200 ")
        except OSError:
            return False

    def feeder_pid(self):
        """Of innfeed; found by its parent, since nothing else says it early."""
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                found = re.match(r"(\d+) \(innfeed\) \S+ (\d+) ", path.read_text())
            except OSError:
                continue
            if found and int(found.group(2)) == self.process.pid:
                return int(found.group(1))
        return None

    def count(self):
        """Articles that are here: lines of the history that name where an article lies."""
        with open(self.home / "db/history", "rb") as history:
            history.seek(self._read)
            lines = history.read()
        lines = lines[:lines.rfind(b"\n") + 1]
        self._read += len(lines)
        self.arrived += lines.count(b"@\n")
        return self.arrived

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        feeder = self.feeder_pid()
        self.process.kill()  # what it wrote is thrown away
        self.process.wait()
        if feeder:
            end(feeder)


def end(pid):
    """What was started by one of ours."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)  # orphans may come to us
    except (ProcessLookupError, ChildProcessError):
        pass


def tell(feeder, there):
    """How many articles B has."""
    try:
        feeder.stdin.write(b"%d\n" % there)
        feeder.stdin.flush()
    except BrokenPipeError:
        raise Failure("the feeder ended") from None


class Pair:
    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        self.a = self.b = None
        self.processes, self._fed = {}, 0

    def start(self, articles, size):
        """`articles` are passed on at once, again and again if wanted; the buffers hold no more."""
        room = (articles + 1000) * ((size + 600) // BLOCK + 1) * BLOCK * 5 // 4
        self.b = Server(self.root, self.folder / "b", "b.example", room)
        self.a = Server(self.root, self.folder / "a", "a.example", room, self.b)
        self.b.start(articles)
        self.a.start(articles)
        poll("innfeed", 20, self.a.feeder_pid)
        self.processes = {"A: innd": self.a.process.pid, "A: innfeed": self.a.feeder_pid(),
                          "B: innd": self.b.process.pid}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in (self.a, self.b):
            if server:
                server.stop()

    def feeder(self, count, size):
        """The process that feeds A, connected and waiting."""
        child = subprocess.Popen([sys.executable, __file__, str(self.a.port), str(self._fed), str(count),
                                  str(size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if child.stdout.readline() != b"ready\n":
            child.wait()
            raise Failure("the feeder could not begin")
        self._fed += count
        return child

    def pass_on(self, count, size, feeder=None):
        """Seconds until `count` articles of `size` bytes are at B, and what the feeder said."""
        feeder = feeder or self.feeder(count, size)
        wanted, there, progress = self._fed, self.b.count(), time.monotonic()
        began = time.monotonic()
        try:
            tell(feeder, there)
            while there < wanted:
                time.sleep(0.005)
                now = self.b.count()
                if now > there:
                    there, progress = now, time.monotonic()
                    tell(feeder, there)
                elif time.monotonic() > progress + STALLED_S:
                    raise Failure("%d of %d articles are at B, and no more come: %s" % (
                        there, wanted, self.a.said()))
            seconds = time.monotonic() - began
            said = json.loads(feeder.stdout.readline() or b"{}")
        finally:
            feeder.stdin.close()
            if feeder.poll() is None:
                feeder.terminate()
            feeder.wait()
            feeder.stdout.close()
        if said.get("accepted") != count:
            raise Failure("A accepted %s of %d articles" % (said.get("accepted"), count))
        return seconds, said


# ---- the program that feeds ----

def article(number, size, date, body={}):
    """`size` bytes on the wire, with the command and the dot that ends it."""
    if size not in body:
        full, part = divmod(size - len(ARTICLE % (0, date, 0, b"")) - 2, 72)
        if full < 0:
            raise Failure("%d bytes are no article" % size)
        body[size] = (b"x" * 70 + b"\r\n") * full + b"x" * part + b"\r\n"
    return ARTICLE % (number, date, number, body[size])


def feed(port, first, count, size):
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()).encode()
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not sock.recv(500).startswith(b"200 "):
        raise Failure("A does not greet")
    sock.sendall(b"MODE STREAM\r\n")
    if not sock.recv(500).startswith(b"203 "):
        raise Failure("A takes no stream")
    print("ready", flush=True)
    there, told, began, cpu = first, b"", 0, 0.0
    made, answered, accepted, pending, rest = 0, 0, 0, memoryview(b""), b""
    while answered < count:
        if not pending and began:
            block = max(0, min(100, count - made, there + WINDOW - first - made))
            pending = memoryview(b"".join(article(first + made + i, size, date) for i in range(block)))
            made += block
        readable, writable, _ = select.select([sock, 0], [sock] if pending else [], [], 60)
        if 0 in readable:
            data = os.read(0, 4096)
            if not data:
                raise Failure("nobody waits for the result")
            *lines, told = (told + data).split(b"\n")
            there = int(lines[-1]) if lines else there
            if not began:
                sock.setblocking(False)
                began, cpu = time.monotonic(), time.process_time()
        if writable:
            pending = pending[sock.send(pending):]
        if sock in readable:
            data = sock.recv(1 << 20)
            if not data:
                raise Failure("A ended the connection")
            *lines, rest = (rest + data).split(b"\n")
            answered += len(lines)
            accepted += sum(line.startswith(b"239 ") for line in lines)
        if not readable and not writable:
            raise Failure("nothing has happened for a minute")
    print(json.dumps({"accepted": accepted, "seconds": time.monotonic() - began,
                      "cpu_s": time.process_time() - cpu}), flush=True)
    while os.read(0, 4096):  # more may be told
        pass


if __name__ == "__main__":
    try:
        feed(*(int(word) for word in sys.argv[1:5]))
    except Failure as failure:
        sys.exit("peer_inn.py: %s" % failure)
