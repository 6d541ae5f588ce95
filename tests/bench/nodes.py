# SPDX-License-Identifier: BSD-2-Clause
"""What the subjects share: an origin with a filled log, nodes that begin anew, and how far they are.

How far a node is, is read from its store, by a reader of its own as the web's would be: what such a
reader sees is committed, and nothing of the node is asked. It costs the node nothing."""
import contextlib
import json
import re
import shutil
import sqlite3
import time

from harness import Failure, Forum


SEARCH_OFF = {"search": "no"}  # the subject `search` alone has it on


def fill(frame, node, entries, *words):
    """Make the store of a node that has never run; what fill says."""
    out, _, wall = frame.run([frame.program("fill"), node.config, "--entries", entries, *words])
    made = json.loads(out)
    made["payload"] = made["leaf_bytes"] + made["content_bytes"] + 32 * entries  # and the salts
    frame.say("filled %d entries in %.0f s: leaves of %.0f bytes, contents of %.0f on the average" % (
        entries, wall, made["leaf_bytes"] / entries, made["content_bytes"] / entries))
    return made


@contextlib.contextmanager
def filled(frame, entries, names, edges, *words):
    """A forum whose first node holds that many entries, folded, and runs: (forum, what fill said)."""
    with Forum(names, edges=edges, limits=SEARCH_OFF) as forum:
        made = fill(frame, forum[0], entries, "--fold", *words)
        forum[0].start()
        yield forum, made


def wipe(node):
    """As if it had never run."""
    node.stop()
    data = node.folder / "data"
    if data.exists():
        shutil.rmtree(data)


class Held:
    """How much of one log a node holds durably: look() -> (size, folded, contents missing)."""

    def __init__(self, node, log):
        self.node, self.log, self._db, self._no = node, log, None, 0

    def look(self):
        try:
            if self._db is None:
                path = self.node.folder / "data" / "convene.db"
                self._db = sqlite3.connect("file:%s?mode=ro" % path, uri=True, isolation_level=None)
            row = self._db.execute("SELECT no, size, folded FROM log WHERE name = ?",
                                   (self.log,)).fetchone()
            if row is None:
                return 0, 0, 0
            self._no = row[0]
            return row[1], row[2], 0
        except sqlite3.OperationalError:  # not there yet, or about to be
            self.close()
            return 0, 0, 0

    def missing(self):
        """Contents that are committed to and not here."""
        rows = self._db.execute("SELECT missing FROM gap WHERE key >= ? AND key < ?",
                                (self._no << 40, (self._no + 1) << 40))
        return sum(bin(int.from_bytes(row[0], "little")).count("1") for row in rows)

    def whole(self, size):
        """Whether all entries below `size` are here with their contents."""
        if self.look()[0] < size:
            return False
        return self._db.execute("SELECT NOT EXISTS (SELECT 1 FROM gap WHERE key >= ? AND key < ?)",
                                (self._no << 40, (self._no + 1) << 40)).fetchone()[0] == 1

    def shown(self, size):
        return self.look()[1] >= size and self.whole(size)

    def close(self):
        if self._db is not None:
            self._db.close()
        self._db = None


def wait(what, check, seconds=1800, pause=0.005):
    """When check() first was true, by time.monotonic(); and the last time that it was not."""
    began = last = time.monotonic()
    while True:
        now = time.monotonic()
        if check():
            return now, last
        last = now
        if now - began > seconds:
            raise Failure("after %d s: %s" % (seconds, what))
        time.sleep(pause)


def wire_bytes(node):
    """Bytes of frames that a node got from all its peers since it started."""
    return sum(peer["bytes_in"] for peer in node.peers().values())


def warnings(node):
    """What its log complains of, other than running as root and peers that are not up yet."""
    return [line for line in node.log_lines() if re.search(r" (error|warning): ", line)
            and "running as root" not in line and "nobody answers" not in line]
