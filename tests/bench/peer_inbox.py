# SPDX-License-Identifier: BSD-2-Clause
"""Debian's public-inbox, unpacked somewhere: a mailbox in, and its pages over HTTP by one worker.

    with served(frame, "list.mbox", folder) as address:     ("http://127.0.0.1:PORT/list", pid), or None

None: not asked for (PEERS=1), or not to be had here; a row says why. It wants git and perl, as
Debian has them."""
import contextlib
import os
import shutil
import socket
import subprocess
import time

import peers
from harness import Failure, free_port, poll

ADDRESS = "list@bench.example"

TAKE_IN = r"""
use PublicInbox::InboxWritable;
my ($dir, $path, $level) = @ARGV;
my $ibx = PublicInbox::InboxWritable->new({ inboxdir => $dir, name => 'list', version => 2,
	-primary_address => 'list@bench.example', address => ['list@bench.example'], indexlevel => $level });
open my $fh, '<', $path or die "$path: $!";
$ibx->import_mbox($fh, 'mboxrd');
"""


class Inbox:
    def __init__(self, root, folder):
        self.root, self.folder, self.process = root, folder, None
        self.port = free_port()
        libraries = [root / "usr/share/perl5"]
        libraries += sorted((root / "usr/lib").glob("*/perl5/*"))
        self.env = dict(os.environ, HOME=str(folder), PI_CONFIG=str(folder / "config"), LC_ALL="C.UTF-8",
                        PERL5LIB=":".join(str(path) for path in libraries),
                        LD_LIBRARY_PATH=":".join(str(path) for path in (root / "usr/lib").glob("*-linux-gnu")))

    def run(self, *words):
        done = subprocess.run([str(word) for word in words], env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder)
        if done.returncode != 0:
            raise Failure("%s: %s" % (words[0], done.stdout.decode(errors="replace")[-300:]))

    def take(self, mailbox, level):
        """level: basic (no search), or full."""
        url = "http://127.0.0.1:%d/list" % self.port
        self.run(self.root / "usr/bin/public-inbox-init", "-V2", "-L", level, "list", self.folder / "list", url,
                 ADDRESS)
        (self.folder / "take.pl").write_text(TAKE_IN)
        self.run("perl", self.folder / "take.pl", self.folder / "list", mailbox, level)

    def start(self):
        log = open(self.folder / "httpd.log", "wb")
        # One worker, as one process of ours: each is a core.
        self.process = subprocess.Popen(
            [str(self.root / "usr/bin/public-inbox-httpd"), "-W0", "-l", "http://127.0.0.1:%d" % self.port],
            env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)

        def up():
            if self.process.poll() is not None:
                raise Failure("public-inbox-httpd ended: " + (self.folder / "httpd.log").read_text()[-300:])
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            return False

        poll("public-inbox-httpd does not answer", 30, up)
        return "http://127.0.0.1:%d/list" % self.port

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextlib.contextmanager
def served(frame, mailbox, folder, level="full"):
    if not frame.peers:
        yield None
        return
    inbox = None
    try:
        if not shutil.which("git") or not shutil.which("perl"):
            raise peers.Missing("git and perl are wanted")
        root = peers.unpacked("public-inbox")
        folder.mkdir()
        inbox = Inbox(root, folder)
        began = time.monotonic()
        inbox.take(mailbox, level)
        frame.say("public-inbox %s took the mails in within %.0f s" % (
            peers.version(root, "public-inbox"), time.monotonic() - began))
        address = inbox.start(), inbox.process.pid
    except (peers.Missing, Failure) as why:
        frame.figure("public-inbox", "not measured", "", note=str(why)[:300])
        address = None
    try:
        yield address
    finally:
        if inbox:
            inbox.stop()
