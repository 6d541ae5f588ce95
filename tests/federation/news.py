# SPDX-License-Identifier: BSD-2-Clause
"""Talking to a news server: a connection of our own, and terminals for other people's newsreaders."""
import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

from harness import Failure, free_port, poll

# Codes whose answer goes on until a dot (RFC 3977 section 3.2); 211 does so for LISTGROUP.
MANY = {"100", "101", "215", "220", "221", "222", "224", "225", "230", "231"}


def serve(node, certificate=None, host="127.0.0.1"):
    """Let a node that isn't running serve news; its port."""
    port = free_port()
    tls = "" if certificate is None else ' certificate = "%s" key = "%s"' % certificate
    with open(node.config, "a") as config:
        config.write('\nnntp { listen = {"%s:%d"}%s }\n' % (host, port, tls))
    return port


def certificate_make(folder, name, days=30):
    """A certificate that signs itself, and its key."""
    pem, key = folder / (name + ".pem"), folder / (name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", str(days), "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", pem],
                   check=True, capture_output=True)
    return pem, key


class Line:
    """A connection; `context` for TLS."""

    def __init__(self, port, context=None, source=None, timeout=30, buffer=None):
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(timeout)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        self.greeting = self.line()

    def line(self):
        text = self.file.readline()
        if not text.endswith(b"\r\n"):
            raise EOFError(text)
        return text[:-2].decode()

    def send(self, text):
        self.socket.sendall(text.encode() if isinstance(text, str) else text)

    def answer(self, many=None):
        """The first line, and those behind it as they were meant."""
        first = self.line()
        lines = []
        if first[:3] in MANY if many is None else many:
            while (text := self.line()) != ".":
                lines.append(text[1:] if text.startswith(".") else text)
        return first, lines

    def ask(self, command, many=None):
        self.send(command + "\r\n")
        if command.upper().startswith("LISTGROUP") and many is None:
            first, _ = self.answer(False)
            if not first.startswith("211"):
                return first, []
            lines = []
            while (text := self.line()) != ".":
                lines.append(text)
            return first, lines
        return self.answer(many)

    def groups(self):
        return {line.split()[0]: tuple(map(int, line.split()[2:0:-1]))
                for line in self.ask("LIST")[1]}

    def article(self, what):
        """As bytes, with LF; None: it isn't there."""
        first, lines = self.ask("ARTICLE %s" % what)
        return "\n".join(lines + [""]).encode() if first.startswith("220") else None

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wait_articles(port, count, context=None, seconds=30):
    """Until the server shows so many in all."""
    def there():
        with contextlib.suppress(OSError, EOFError), Line(port, context) as line:
            return sum(high for _, high in line.groups().values()) >= count
        return False
    poll("the news server does not show %d articles" % count, seconds, there)


def fingerprint(port):
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    return ssl.PEM_cert_to_DER_cert(pem)


class Screen:
    """A program in a terminal of its own, by tmux; what stands on it, as text."""

    def __init__(self, folder, name, argv, columns=120, rows=40, **env):
        self.tmux = ["tmux", "-u", "-f", "/dev/null", "-S", str(folder / (name + ".tmux"))]
        folder.joinpath(name).mkdir(exist_ok=True)
        env = dict(os.environ, TERM="xterm-256color", LC_ALL="C.UTF-8", HOME=str(folder / name),
                   **env)
        words = " ".join("'%s'" % str(word).replace("'", "'\\''") for word in argv)
        subprocess.run([*self.tmux, "new-session", "-d", "-x", str(columns), "-y", str(rows),
                        words + "; echo ENDED $?; sleep 100"], check=True, env=env)

    def text(self):
        return subprocess.run([*self.tmux, "capture-pane", "-p"], capture_output=True,
                              check=True).stdout.decode()

    def keys(self, *keys):
        for key in keys:
            subprocess.run([*self.tmux, "send-keys", key], check=True)
            time.sleep(0.1)

    def wait(self, pattern, seconds=15, again=None):
        """Until this is on the screen, which is returned. `again`: a key to press if it takes long."""
        end = time.monotonic() + seconds
        press = time.monotonic() + 2 if again else end
        while not re.search(pattern, text := self.text()):
            if again and time.monotonic() > press:
                self.keys(again)
                again = None
            if time.monotonic() > end:
                raise Failure("%r does not come up on the screen:\n%s" % (pattern, text))
            time.sleep(0.1)
        return text

    def close(self):
        subprocess.run([*self.tmux, "kill-server"], check=False, capture_output=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def lacks(*programs):
    """Why a test can't run, or None."""
    for program in ("tmux", *programs):
        if not shutil.which(program):
            return "there is no %s" % program
    return None
