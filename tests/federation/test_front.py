#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""nginx and Caddy in front of the pages, with the samples of contrib/web: that all goes through them,
news at once and large messages whole, and that they keep nothing of who reads. They run in a
temporary folder, on loopback; where CONVENE_FRONT is a folder, its programs are taken."""
import gzip
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True

from harness import Forum, free_port, poll, tap_run  # noqa: E402
from rogue import FRAMES  # noqa: E402
from web_client import Events, Web, certificate  # noqa: E402

SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "contrib/web"
READER = "127.0.0.9"  # it must stand nowhere
LARGE = 2_100_000


def program(name):
    """Its path, with what it needs beside it; None."""
    front = os.environ.get("CONVENE_FRONT")
    folders = [front + "/usr/sbin", front + "/usr/bin"] if front else []
    return shutil.which(name, path=os.pathsep.join(folders + [os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"]))


def replaced(text, *pairs):
    for old, new in pairs:
        if old not in text:
            raise AssertionError("the sample has no %r any more" % old)
        text = text.replace(old, new)
    return text


class Front(Web):
    """A server in front of somebody's pages, asked as they are."""

    def __init__(self, folder, upstream):  # pylint: disable=super-init-not-called
        self.folder, self.upstream = folder, upstream
        self.port, self.plain_port, self.tls = free_port(), free_port(), True
        self.process = None
        folder.mkdir()
        certificate(folder, "forum.isoc.example")

    def start(self, argv):
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=open(self.folder / "out", "wb"), stderr=subprocess.STDOUT,
            env=dict(os.environ, HOME=str(self.folder), XDG_DATA_HOME=str(self.folder / "xdg"),
                     XDG_CONFIG_HOME=str(self.folder / "xdg")), cwd=self.folder)

        def up():
            if self.process.poll() is not None:
                raise AssertionError((self.folder / "out").read_text())
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        poll("it does not listen", 20, up)

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kept(self):
        """Files of the folder that hold the reader's address, as text or binary."""
        return [str(path) for path in self.folder.rglob("*") if path.is_file() and any(
            what in path.read_bytes() for what in (READER.encode(), socket.inet_aton(READER)))]


class Nginx(Front):
    """With what Debian's nginx.conf says around a site: gzip, and logs."""

    def begin(self, path):
        sample = replaced(
            (SAMPLES / "nginx.conf").read_text(),
            ("127.0.0.1:8080", "127.0.0.1:%d" % self.upstream),
            ("listen 80;", "listen 127.0.0.1:%d;" % self.plain_port), ("listen [::]:80;", ""),
            ("listen 443 ssl", "listen 127.0.0.1:%d ssl" % self.port), ("listen [::]:443 ssl http2;", ""),
            ("/etc/letsencrypt/live/forum.isoc.example/fullchain.pem", str(self.folder / "web.pem")),
            ("/etc/letsencrypt/live/forum.isoc.example/privkey.pem", str(self.folder / "web.key")))
        (self.folder / "site").write_text(sample)
        folders = "".join("\t%s_temp_path %s;\n" % (kind, self.folder / ("tmp-" + kind)) for kind in (
            "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.folder / "nginx.conf").write_text(
            "daemon off;\npid %(f)s/pid;\nerror_log %(f)s/error info;\nworker_processes 2;\n"
            "events { worker_connections 256; }\nhttp {\n%(t)s\taccess_log %(f)s/access;\n\terror_log %(f)s/error info;\n"
            "\tgzip on;\n\tgzip_proxied any;\n\tgzip_types text/css application/atom+xml;\n\tinclude %(f)s/site;\n}\n"
            % {"f": self.folder, "t": folders})
        if os.geteuid() == 0:  # its workers are not root
            for folder in [*self.folder.parents][:-2]:
                folder.chmod(folder.stat().st_mode | 0o011)
        self.start([path, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "error")])


class Caddy(Front):
    def begin(self, path):
        sample = replaced(
            (SAMPLES / "Caddyfile").read_text(),
            ("127.0.0.1:8080", "127.0.0.1:%d" % self.upstream),
            ("{\n\t# Its lines", "{\n\tadmin off\n\tauto_https disable_redirects\n\t# Its lines"),
            ("\nforum.isoc.example {\n", "\n:%d {\n\tbind 127.0.0.1\n\ttls %s %s\n"
             % (self.port, self.folder / "web.pem", self.folder / "web.key")))
        (self.folder / "Caddyfile").write_text(sample)
        self.start([path, "run", "--config", str(self.folder / "Caddyfile"), "--adapter", "caddyfile"])


def pages(t, name, front, web):
    for path, status in (("/", 200), ("/ar/about", 200), ("/feed", 200), ("/nothing", 404)):
        behind, before = web.ask(path), front.ask(path, source=READER)
        t.ok(before.status == status and before.body == behind.body and before["etag"] == behind["etag"],
             "%s passes on %s" % (name, path), before.status, before.list)
    css = web.ask("/").body.decode().split('rel="stylesheet" href="')[1].split('"')[0]
    for path in ("/", css, "/feed"):
        packed = front.ask(path, source=READER, Accept_Encoding="gzip")
        t.ok(packed["content-encoding"] == "gzip" and gzip.decompress(packed.body) == web.ask(path).body,
             "%s passes %s on packed, and once" % (name, path), packed.list)
    plain = front.ask("/", source=READER)
    t.equal(plain["content-encoding"], "", "and as it is for who does not ask")
    again = front.ask("/", source=READER, Accept_Encoding="gzip", If_None_Match=front.ask(
        "/", source=READER, Accept_Encoding="gzip")["etag"])
    t.ok(again.status == 304 and not again.body, "a page that is known is not sent again", again.status)
    bad = [field for field in plain.unsafe() if field != "server"]
    t.ok(not bad, "its fields are as safe as without it", bad, plain.list)
    t.ok("max-age" in plain["strict-transport-security"], "and tell to come with TLS")


def news(t, name, front, alice, topic):
    events = Events(front)
    t.equal((events.status, events.next(5)[0]), (200, "at"), "%s opens the way for news at once" % name)
    waits = []
    for i in range(3):
        alice.post(topic, "News %d" % i, "Text.")
        began = time.monotonic()
        event = events.next(10)
        while event and event[0] != "item":
            event = events.next(10)
        waits.append(time.monotonic() - began)
        if event is None:
            break
    events.close()
    t.ok(event and max(waits) < 1, "and passes them on as they come (%s s)" % ", ".join("%.2f" % w for w in waits))


def gate(t, name, front, web):
    small = front.gate(FRAMES["CHARTER_GET"], source=READER)
    t.ok(small.status == 200 and small.body == web.gate(FRAMES["CHARTER_GET"]).body, "%s passes on a question" % name,
         small.status)
    large = front.gate(FRAMES["SUBMIT"], bytes(LARGE), source=READER)
    behind = web.gate(FRAMES["SUBMIT"], bytes(LARGE))
    t.ok((large.status, large.body) == (behind.status, behind.body) and large.status == 200,
         "and %d bytes of a message" % LARGE, large.status, large.body[:200], behind.status)
    # Where the pages' own refusal comes while Caddy still passes the body on, it says 502, or hangs up.
    try:
        status = front.gate(FRAMES["SUBMIT"], bytes(4_000_000), source=READER).status
    except OSError:
        status = "hung up"
    t.ok(status in (413, 502, "hung up"), "but no more than it must", status)
    t.equal(front.ask("/", "POST", bytes(1_000_000), source=READER).status in (405, 413), True, "and nothing elsewhere")
    t.equal([str(p) for p in front.folder.rglob("tmp-*/*/**/*") if p.is_file()], [], "no file is made of it")
    front.raw(b"nonsense\r\n\r\n", source=READER)
    with socket.create_connection(("127.0.0.1", front.port), 5, (READER, 0)) as s:
        s.sendall(b"no TLS\r\n\r\n")
        s.settimeout(5)
        try:
            s.recv(1000)
        except OSError:
            pass


def passed_on(t, name, kind, path, folder):
    """What is told of the reader to what stands behind."""
    got = []
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()

        def answer():
            connection, _ = s.accept()
            with connection:
                got.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        front = kind(folder, s.getsockname()[1])
        try:
            front.begin(path)
            front.ask("/about", source=READER, Host="forum.isoc.example")
            thread.join(10)
        finally:
            front.end()
    t.ok(got and READER.encode() not in got[0] and b"forwarded" not in got[0].lower() and b"real-ip" not in got[0].lower(),
         "%s tells those behind it nothing of the reader" % name, got)


def try_front(t, name, kind, forum, web, alice, topic):
    path = program(name.lower())
    if not path:
        t.skip("%s in front of the pages" % name, "%s can't be had" % name)
        return
    front = kind(forum.folder / name, web.port)
    try:
        front.begin(path)
        pages(t, name, front, web)
        news(t, name, front, alice, topic)
        gate(t, name, front, web)
        waiting = Events(front)
        began = time.monotonic()
        front.end()
        t.ok(time.monotonic() - began < 10, "%s ends, though somebody waits for news" % name)
        waiting.close()
    finally:
        front.end()
    t.equal(front.kept(), [], "%s keeps no address of a reader" % name)
    passed_on(t, name, kind, path, forum.folder / (name + "-alone"))


def main(t):
    with Forum(["a.example"], edges=[]) as forum:
        web = Web(forum[0], url='"https://forum.isoc.example"')
        forum.start()
        alice = forum[0].enrol("alice")
        topic = alice.topic("Principles")
        alice.post(topic, "First", "A text that is long enough to be packed. " * 40)
        forum.settle()
        for name, kind in (("nginx", Nginx), ("Caddy", Caddy)):
            try_front(t, name, kind, forum, web, alice, topic)


tap_run(main)
