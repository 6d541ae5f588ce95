# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of import and export have in common: an archivist, and both sides of the story.

What a node holds of an archive is read through the independent decoder (../decoder), what the
archive says by the independent reader (../compat/archive.py): no line of either is the programs'.
"""
import collections
import contextlib
import json
import mailbox
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
for folder in (HERE, HERE.parent / "compat", HERE.parent / "decoder"):
    sys.path.insert(0, str(folder))

import archive  # noqa: E402
import convene_spec as spec  # noqa: E402
import harness  # noqa: E402
from rogue import Guest, pb  # noqa: E402
from harness import CONVENECTL, CORPUS, CommandFailure, Failure  # noqa: E402

# Exit code of an import of which something was refused: the report says what, and why.
SOME_REFUSED = 7

Held = collections.namedtuple("Held", "id parent time lang content")


def sources(pattern):
    """Archives of the corpus, in order: mbox files, perhaps packed, or folders of mails."""
    return sorted(CORPUS.glob("corpus/" + pattern))


def name_of(path):
    return path.name.removesuffix(".zst").removesuffix(".mbox")


def missing(*paths):
    """Why a test can't run, or None."""
    if not all(paths):
        return "there is no such corpus in CONVENE_CORPUS"
    return None if shutil.which("zstd") else "there is no zstd"


def unpacked(path, folder):
    """The mbox as a plain file, as an organisation would have it."""
    if path.suffix != ".zst":
        return path
    plain = pathlib.Path(folder) / path.name.removesuffix(".zst")
    with open(plain, "wb") as out:
        subprocess.run(["zstd", "-dc", "--long=27", str(path)], stdout=out, check=True)
    return plain


# ---- the programs ----

class Archivist:
    """The participant who brings an archive to a node, and her topic."""

    def __init__(self, node, handle="archivist"):
        self.node, self.person = node, node.enrol(handle)

    def topic(self, title):
        """Open one, and wait until it is there to be written to."""
        topic = self.person.topic(title)
        harness.poll("the topic is not there", 30,
                     lambda: any(t["id"] == topic for t in self.person.topics()))
        return topic

    def bring(self, kind, path, topic, *options, timeout=280):
        """`convenectl import`; its report, with `rss`: the most memory that it had, in KiB."""
        argv = [CONVENECTL, "-c", self.node.config, "import", kind, path, "--topic", topic, "--home",
                self.person.home, "--json", *options]
        report = run_measured(argv, timeout)
        if (report["code"] == SOME_REFUSED) != (report["refused"] > 0):
            raise Failure("%d are refused, and the exit code is %d" % (report["refused"],
                                                                      report["code"]))
        return report


def own_memory(pid):
    """KiB that a process holds of its own now: what it maps of an archive is the system's to drop."""
    try:
        text = pathlib.Path("/proc/%d/status" % pid).read_text()
    except OSError:
        return 0
    found = re.search(r"RssAnon:\s+(\d+)", text)
    return int(found.group(1)) if found else 0


def run_measured(argv, timeout):
    """A program's JSON, with its peak of memory, looked at every 10 ms. Over the limit of time it
    hangs."""
    argv = [str(word) for word in argv]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began, peak = time.monotonic(), 0
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                   env=dict(os.environ, LC_ALL="C.UTF-8"))
        try:
            while process.poll() is None:
                peak = max(peak, own_memory(process.pid))
                if time.monotonic() - began > timeout:
                    raise Failure("%s hangs: %d s" % (" ".join(argv), timeout))
                time.sleep(0.01)
        except BaseException:
            process.kill()
            with contextlib.suppress(ChildProcessError):
                process.wait()
            raise
        out.seek(0)
        err.seek(0)
        text, said = out.read().decode(), err.read().decode("utf-8", "replace")
    if process.returncode not in (0, SOME_REFUSED):
        raise CommandFailure(argv, process.returncode, text, said)
    return dict(json.loads(text), code=process.returncode, rss=peak,
                took=time.monotonic() - began)


def counted(report):
    """What became of the mails; `repeated_other_text` are some of the repeated."""
    return sum(report[what] for what in ("imported", "present", "repeated", "refused"))


def export(node, form, topic, output, *options, timeout=120):
    node.ctl("export", form, "--topic", topic, "--output", output, *options, timeout=timeout)
    return output


def memory_peaks(node):
    """VmHWM of the daemon's processes, in KiB: what each has needed at most."""
    def peak(pid):
        text = pathlib.Path("/proc/%d/status" % pid).read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", text).group(1))

    pid = node.process.pid
    children = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()
    return [peak(p) for p in [pid, *map(int, children)]]


def bytes_in(folder):
    return sum(path.stat().st_blocks * 512 for path in archive.files_of(folder))


# ---- what a node holds ----

def held(node, topic=None):
    """Every POST that the node shows, in the order of arrival; each content is checked."""
    forum = bytes.fromhex(node.status()["forum"])
    guest = Guest(("127.0.0.1", node.port), forum, timeout=60)
    watch = pb.Watch(topic=bytes.fromhex(topic) if topic else b"", end=True)
    guest.send("WATCH", watch, 1)
    last = False
    while not last:
        name, stream, answer = guest.receive()
        if name == "PING":
            guest.send("PONG", answer, 0)
            continue
        if (name, stream) != ("ITEMS", 1):
            raise Failure("%s answers WATCH: %s" % (name, answer))
        last = answer.last
        for item in answer.items:
            message = spec.parse_message(item.message, forum, item.log)
            if message.header.kind == spec.POST:
                yield held_of(node, forum, item, message)
    guest.close()


def held_of(node, forum, item, message):
    salt, content, header = item.salt, item.content, message.header
    if item.content_state == pb.CONTENT_LARGE:
        key = re.search(r'key = "([^"]+)"', node.ctl("block")).group(1)
        client = spec.Client("127.0.0.1", node.port, spec.VerifierKey.parse(key.encode(), 1), forum)
        with contextlib.closing(client):
            salt, content = client.content(message.id, spec.parse_log_name(item.log).digest,
                                           item.index)
    elif item.content_state != pb.CONTENT_PRESENT:
        raise Failure("the content of %s is in state %d" % (message.id.hex(), item.content_state))
    spec.verify_content(header, forum, item.log, salt, content, spec.MAX_CONTENT)
    return Held(message.id, header.parent and header.parent[16:], header.time, header.lang,
                spec.parse_content(content))


def threads_held(posts):
    """{Message-ID: id of the thread's first post}, by the parents alone (13.2)."""
    parents = {post.id: post.parent for post in posts}

    def root(i):
        while parents.get(i):
            i = parents[i]
        return i

    return {post.content.imported.message_id.decode(): root(post.id) for post in posts
            if post.content.imported.message_id}


# ---- what the archive says ----

class Original:
    """The mails of an archive that an import must keep: the first of each Message-ID."""

    def __init__(self, raws):
        self.raws = list(raws)
        self.heads = [archive.Head(raw) for raw in self.raws]
        self.first = {}
        for raw, head in zip(self.raws, self.heads):
            if head.id is not None:
                self.first.setdefault(head.id, raw)
        self.threads = archive.threads(self.heads)

    @classmethod
    def of(cls, path):
        if path.is_dir():
            return cls(archive.mail_file(p) for p in archive.files_of(path))
        return cls(archive.mails(archive.load(path)))

    @property
    def partition(self):
        return archive.partition(self.threads)

    @property
    def without_id(self):
        return [raw for raw, head in zip(self.raws, self.heads) if head.id is None]


def exported(path):
    """{Message-ID: mail} as Python's mailbox reads the file, and how many there are."""
    box, found, count = mailbox.mbox(path, create=False), {}, 0
    for message in box:
        count += 1
        found[archive.id_of((message["Message-ID"] or "").encode())] = message
    box.close()
    return found, count
