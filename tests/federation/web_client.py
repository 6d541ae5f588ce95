# SPDX-License-Identifier: BSD-2-Clause
"""A node's web pages, asked for by something simpler than a browser."""
import http.client
import re
import socket
import ssl
import subprocess
import time

from harness import free_port

SAFE = {
    "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY"}


class Response:
    def __init__(self, status, fields, body):
        self.status, self.list, self.body = status, fields, body
        self.fields = {name.lower(): value for name, value in fields}

    def __getitem__(self, name):
        return self.fields.get(name, "")

    def unsafe(self):
        """Names of security fields that are missing, and of fields that should not be there."""
        bad = [name for name, value in SAFE.items() if self[name] != value]
        policy = self["content-security-policy"]
        if "default-src 'none'" not in policy or "frame-ancestors 'none'" not in policy \
                or "unsafe" in policy or "*" in policy:
            bad.append("content-security-policy")
        return bad + [name for name in ("set-cookie", "server", "access-control-allow-origin",
                                        "x-powered-by") if name in self.fields]


class Web:
    """The pages of a node, once its config has a web block and it runs."""

    def __init__(self, node, tls=False, **options):
        self.node, self.port, self.tls = node, free_port(), tls
        self.block = dict(listen='{"127.0.0.1:%d"}' % self.port, processes="2", **options)
        self.plain = node.config.read_text()
        self.configure()

    def configure(self, **options):
        """Options of the block, besides those it has."""
        self.block.update(options)
        text = "".join("\t%s = %s\n" % option for option in self.block.items())
        self.node.config.write_text("%s\nweb {\n%s}\n" % (self.plain, text))

    def url(self, path="/"):
        return "http%s://127.0.0.1:%d%s" % ("s" if self.tls else "", self.port, path)

    def connect(self, source=None, timeout=15):
        s = socket.create_connection(("127.0.0.1", self.port), timeout,
                                     source and (source, 0))
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            s = context.wrap_socket(s)
        return s

    def ask(self, path, method="GET", body=None, source=None, **fields):
        """One request on a connection of its own; fields with _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.sock = self.connect(source)
        try:
            connection.request(method, path, body, {
                name.replace("_", "-"): value for name, value in fields.items()})
            answer = connection.getresponse()
            return Response(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def gate(self, frame, payload=b"", **fields):
        fields = {"Content_Type": "application/x-convene", **fields}
        return self.ask("/gate", "POST", bytes([frame]) + payload, **fields)

    def raw(self, *pieces, wait=1.0, source=None):
        """Send bytes; (statuses of the answers, whether it was closed, all that came). Between
        pieces there is a pause."""
        s = self.connect(source)
        got, closed = b"", False
        try:
            for i, piece in enumerate(pieces):
                if i:
                    time.sleep(0.05)
                s.sendall(piece)
            s.settimeout(wait)
            while not closed:
                more = s.recv(65536)
                got += more
                closed = not more
        except socket.timeout:
            pass
        except OSError:
            closed = True
        finally:
            s.close()
        return [int(x) for x in re.findall(rb"HTTP/1\.1 (\d{3}) ", got)], closed, got

    def keeper(self):
        return self.node.child("convened-web")

    def workers(self):
        keeper = self.keeper()
        with open("/proc/%d/task/%d/children" % (keeper, keeper), encoding="ascii") as f:
            return [int(pid) for pid in f.read().split()]


def certificate(folder, name):
    """A self-signed certificate and its key, new; returns the PEM of the certificate."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                    "-keyout", str(folder / "web.key"), "-out", str(folder / "web.pem")],
                   check=True, capture_output=True)
    return (folder / "web.pem").read_text()


class Events:
    """/live: what comes, as (event, id, data)."""

    def __init__(self, web, query="", **fields):
        self.socket = web.connect()
        extra = "".join("%s: %s\r\n" % (name.replace("_", "-"), value)
                        for name, value in fields.items())
        self.socket.sendall(("GET /live%s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (query, extra)).encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.fields = {}
        for line in iter(self.file.readline, b"\r\n"):
            if not line:
                break
            name, _, value = line.decode().partition(":")
            self.fields[name.lower()] = value.strip()

    def next(self, seconds=10):
        """The next event; None: there is none in time, or no more at all."""
        self.socket.settimeout(seconds)
        found = {}
        try:
            for line in self.file:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name in ("event", "id", "data"):
                    found[name] = value
                elif not name and "event" in found:
                    return found["event"], int(found["id"]), found["data"]
        except (socket.timeout, TimeoutError, OSError):
            pass
        return None

    def close(self):
        self.file.close()
        self.socket.close()
