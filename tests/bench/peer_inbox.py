# SPDX-License-Identifier: BSD-2-Clause
"""Debian's public-inbox with the mails of an mbox, served by public-inbox-httpd with its Xapian index.

    with served(frame, mbox, folder) as address:   "http://127.0.0.1:PORT/list", or None: not to be had

address.pid is that of the server; its workers and git are below it. level: basic has no Xapian.

Fetched and unpacked as peers.py does it; nothing of the system changes. What Perl modules it needs
and this machine has already, is taken from there."""
import contextlib
import os
import re
import shutil
import subprocess
import time
import urllib.request

from harness import Failure, free_port, poll
from peers import Missing, unpacked, version

PACKAGES = ["public-inbox", "libplack-perl", "libsearch-xapian-perl", "libdbd-sqlite3-perl",
            "libemail-mime-perl", "libinline-c-perl"]
IMPORT = """
use PublicInbox::Config;
use PublicInbox::InboxWritable;
my $ibx = PublicInbox::InboxWritable->new(PublicInbox::Config->new->lookup_name("list"));
open(my $mbox, "<", $ARGV[0]) or die "$ARGV[0]: $!";
$ibx->import_mbox($mbox, "mboxo");
"""


def first_mails(mbox, to, count):
    """A file with the first mails of an mbox."""
    with open(mbox, "rb") as source, open(to, "wb") as out:
        for line in source:
            count -= line.startswith(b"From ")
            if count < 0:
                break
            out.write(line)
    return to


def environment(folder):
    """For Perl, where it finds what was unpacked; and the folder with the programs."""
    if shutil.which("public-inbox-httpd"):
        return dict(os.environ, PI_CONFIG=str(folder / "config")), None
    root = unpacked(*PACKAGES)
    perl = re.search(r"5\.\d+", subprocess.run(["perl", "-e", "print $^V"], capture_output=True,
                                              text=True, check=True).stdout).group()
    libraries = [root / "usr/share/perl5", root / ("usr/lib/x86_64-linux-gnu/perl5/" + perl),
                 root / ("usr/lib/aarch64-linux-gnu/perl5/" + perl)]
    return dict(os.environ, PI_CONFIG=str(folder / "config"), PERL5LIB=":".join(map(str, libraries)),
                LD_LIBRARY_PATH=":".join(str(p) for p in (root / "usr/lib").glob("*-linux-gnu")),
                PATH="%s:%s" % (root / "usr/bin", os.environ["PATH"])), root


class Address(str):
    pid = 0


@contextlib.contextmanager
def served(frame, mbox, folder, workers=2, level="medium"):
    folder.mkdir()
    try:
        env, root = environment(folder)
    except Missing as why:
        frame.figure("public-inbox", "not measured", "", note=str(why))
        yield None
        return
    if root:
        frame.say("public-inbox %s" % version(root, "public-inbox"))

    def run(*words):
        done = subprocess.run([str(word) for word in words], env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, check=False)
        if done.returncode != 0:
            raise Failure("%s: %s" % (words[0], done.stderr.decode()[-500:]))

    port, began = free_port(), time.monotonic()
    address = "http://127.0.0.1:%d" % port
    run("public-inbox-init", "-V2", "-L", level, "list", folder / "list", address + "/list", "list@lists.example")
    run("perl", "-e", IMPORT, mbox)
    run("public-inbox-index", "-L", level, folder / "list")
    frame.say("its import and index took %.0f s" % (time.monotonic() - began))
    server = subprocess.Popen(["public-inbox-httpd", "-W%d" % workers, "-l", address], env=env, cwd=folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=open(folder / "httpd.log", "wb"))

    def up():
        if server.poll() is not None:
            raise Failure("public-inbox-httpd: " + (folder / "httpd.log").read_text()[-500:])
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(address + "/list/", timeout=30).read()

    try:
        poll("public-inbox-httpd does not answer", 60, up)
        found = Address(address + "/list")
        found.pid = server.pid
        yield found
    finally:
        server.terminate()
        server.wait(30)
