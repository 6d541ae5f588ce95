#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The full-screen reader in tmux, against real nodes: topics, threads, messages, an answer written in
$EDITOR and seen at the other node, what comes live, unread marks that survive a kill, search,
scripts of all kinds, small screens and other sizes, the local copy while the node is away, and a
thin link. And three commands from an invite to a sealed message.

CONVENE_SHOW=1 prints the screens.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unicodedata

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402
from harness import Failure, Forum, pair, poll, tap_run  # noqa: E402

SLOW = ["delay 300ms", "rate 64kbit", "queue 64kb"]
FIRST_THREAD_SECONDS = 10
SHOW = os.environ.get("CONVENE_SHOW")

ARABIC = "من يحفظ السجل بين اجتماعين؟"
HEBREW = "מי שומר את הפרוטוקול?"
CHINESE = "两次会议之间由谁保存记录？"
COMBINING = "Vie\u0323\u0302t Nam, cafe\u0301"
EMOJI = "Yes \U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f done"


class Screens:
    """A tmux server of our own; each reader has a screen in it."""

    def __init__(self, folder):
        self.folder = folder
        self.env = dict(os.environ, TERM="screen-256color", SHELL="/bin/sh",
                        TMUX_TMPDIR=str(folder), LC_ALL="C.UTF-8", TZ="UTC")
        for name in ("TMUX", "LANGUAGE", "VISUAL", "NO_COLOR"):
            self.env.pop(name, None)
        self.count = 0
        # A server ends with its last session, and then is no more when the next one comes.
        self.tmux("new-session", "-d", "-s", "base", "--", "sleep", "3600")

    def tmux(self, *words):
        return subprocess.run(
            ["tmux", "-L", "screen-%d" % os.getpid(), "-f", "/dev/null", "-u",
             *[str(word) for word in words]],
            env=self.env, capture_output=True, timeout=30, check=False).stdout.decode()

    def open(self, person, *words, columns=80, rows=24, enter=(), env=None):
        self.count += 1
        return Screen(self, "s%d" % self.count, person, words, columns, rows, enter, env or {})

    def close(self):
        self.tmux("kill-server")


class Screen:
    """One reader."""

    def __init__(self, screens, name, person, words, columns, rows, enter, env):
        self.screens, self.name, self.columns, self.rows = screens, name, columns, rows
        environment = dict({"CONVENE_HOME": str(person.home), "LC_ALL": "C.UTF-8", "TZ": "UTC",
                            "CONVENE_LOCALEDIR": str(harness.BUILD / "po")}, **env)
        argv = [*enter, "env", *["%s=%s" % pair for pair in environment.items()],
                str(harness.CONVENE), *words]
        self.pid_file = screens.folder / (name + ".pid")
        self.code_file = screens.folder / (name + ".code")
        # In the foreground: a shell without job control gives the terminal's input away.
        script = 'echo $$ >%s; "$@"; echo $? >%s; exec sleep 600' % (self.pid_file, self.code_file)
        self.began = time.monotonic()
        screens.tmux("new-session", "-d", "-s", name, "-x", columns, "-y", rows, "--",
                     "sh", "-c", script, "sh", *argv)

    def text(self):
        return self.screens.tmux("capture-pane", "-p", "-t", self.name)

    def lines(self):
        return [line.rstrip() for line in self.text().rstrip("\n").split("\n")]

    def keys(self, *keys):
        self.screens.tmux("send-keys", "-t", self.name, *keys)

    def type(self, text):
        self.screens.tmux("send-keys", "-t", self.name, "-l", text)

    def wait(self, *wanted, seconds=15, gone=()):
        """Until the screen shows all of these, as they are or found by a function."""
        def there():
            text = self.text()
            return text if all(w(text) if callable(w) else w in text for w in wanted) and \
                not any(w in text for w in gone) else None
        text = poll(lambda: "%r in\n%s" % (wanted, self.text()), seconds, there, 0.05)
        if SHOW:
            print("\n".join("# %s|" % line for line in text.rstrip("\n").split("\n")))
        return text

    def resize(self, columns, rows):
        self.screens.tmux("resize-window", "-t", self.name, "-x", columns, "-y", rows)
        self.columns, self.rows = columns, rows

    def pid(self):
        """Of the reader itself, below the shell."""
        shell = int(self.pid_file.read_text())
        found = subprocess.run(["pgrep", "-P", str(shell)], capture_output=True, check=False)
        return int(found.stdout.split()[0])

    def kill(self):
        os.kill(self.pid(), 9)
        self.ended()

    def ended(self):
        """The exit code."""
        poll("the reader ends", 10, self.code_file.exists)
        return int(self.code_file.read_text() or -1)

    def close(self):
        self.screens.tmux("kill-session", "-t", self.name)


def visual(text):
    """How a line of one direction, from right to left, stands on a terminal that orders nothing:
    marks stay behind their letter."""
    clusters = re.findall(r".[\u0300-\u036f\u0591-\u05c7\u064b-\u065f]*", text)
    return "".join(reversed(clusters)).translate(str.maketrans("()", ")("))


def base(text):
    """Letters without the forms that joining gives them."""
    return unicodedata.normalize("NFKC", text)


def editor(folder, name, text):
    """A script that writes a text before the quotation, as an editor would."""
    path = folder / name
    path.write_text("#!/bin/sh\n{ printf '%%s\\n\\n' '%s'; cat \"$1\"; } >\"$1.new\" && "
                    "mv \"$1.new\" \"$1\"\n" % text)
    path.chmod(0o755)
    return path


class Story:
    def __init__(self, tap, forum):
        self.tap, self.forum = tap, forum
        self.alice, self.bob = forum[0].enrol("alice", name="Alice Ames"), forum[1].enrol("bob")
        self.screens = Screens(forum.folder)
        self.topic = self.alice.topic("Roadmap")
        self.root = self.alice.post(self.topic, "Who keeps the record?", "Who does, between two meetings?\n")
        self.forum.settle()

    def reading(self):
        tap = self.tap
        for n in range(3):
            self.bob.reply(self.root, "Answer number %d, from the other node." % n)
        self.bob.post(self.topic, "Second thread", "\n".join("Line %d of a long text." % n for n in range(60)))
        self.forum.settle()
        script = editor(self.forum.folder, "editor", "All of us do.")
        s = self.screens.open(self.alice, env={"EDITOR": str(script)})
        text = s.wait("Topics", "Roadmap", "? help")
        tap.ok(re.search(r"^ +5 +5 +20\d\d.* Roadmap", text, re.M), "topics with posts and unread", text)
        s.keys("Enter")
        text = s.wait("Second thread", "Who keeps the record?")
        tap.ok(re.search(r"^ +4 +4 +20\d\d-\S+ \S+ +alice@a\.example +Who keeps", text, re.M),
               "threads with posts, unread and author", text)
        s.keys("G")
        s.keys("Enter")
        text = s.wait("4 messages", "Answer number 2")
        tap.ok(text.count("*") == 3 and "├ bob@b.example" in text and "└ bob@b.example" in text,
               "a thread is a tree, with unread marks", text)
        s.keys("Enter")
        text = s.wait("Who does, between two meetings?", "1/4")
        tap.ok("alice@a.example (Alice Ames)" in text, "a message with its author", text)
        s.keys("n")
        s.wait("2/4", "bob@b.example")
        s.keys("q")
        text = s.wait("4 messages")
        tap.equal(text.count("*"), 2, "what was read is marked")
        s.kill()
        s.close()

        s = self.screens.open(self.alice, env={"EDITOR": str(script)})
        text = s.wait("Topics", "Roadmap", "? help")
        tap.ok(re.search(r"^ +3 +5 +20", text, re.M), "killed and started again: the marks are there", text)
        s.keys("Enter")
        s.wait("Second thread")
        s.keys("G", "Enter")
        s.wait("4 messages")
        s.keys("Tab")
        text = s.wait("3/4")
        tap.ok("Answer number" in text, "Tab goes to the next unread message", text)
        quoted = re.search(r"Answer number (\d)", text).group(0)
        s.keys("r")
        text = s.wait("Sent: it stands in your organisation's log.", seconds=30)
        tap.ok(True, "an answer was written in $EDITOR and sent")
        tap.ok("3/4" in text or "3/5" in text, "and the reader is where it was", text)
        seen = poll("the answer at the other node", 20, lambda: [
            item for item in self.bob.read(self.root, whole=True)
            if item.get("content", {}).get("text", "").startswith("All of us do.")])
        tap.ok("> " + quoted in seen[0]["content"]["text"] and seen[0]["depth"] == 2,
               "it is at the other node, and quotes what it answers", seen[0])
        s.keys("q")
        text = s.wait("5 messages", "All of us do.")
        tap.ok(re.search(r"^   . └ alice@a.example All of us do", text, re.M), "and stands in the tree, as read", text)

        # live
        s.wait("live", seconds=30)
        began = time.monotonic()
        self.bob.reply(self.root, "Fresh from the other node.")
        s.wait("6 messages", "Fresh from the other node.", "* ")
        tap.ok(True, "a message appears by itself, %.1f s after it was begun" % (time.monotonic() - began))
        s.keys("q")
        s.wait("Second thread")
        self.bob.post(self.topic, "Third thread", "New.")
        s.wait("Third thread")
        tap.ok(True, "and so does a thread")

        # a new thread
        s.keys("w")
        s.wait("Subject of the new thread:")
        s.type("Größe 规模")
        s.wait("Größe 规模")
        s.keys("Enter")
        s.wait("Sent: it stands", seconds=30)
        text = s.wait("Größe 规模")
        poll("the thread at the other node", 20, lambda: [
            t for t in self.bob.threads(self.topic) if t["subject"] == "Größe 规模"])
        tap.ok(True, "a thread that was begun here is at the other node")

        # a long one
        self.select(s, "Second thread")
        s.keys("Enter")
        s.wait("1 message")
        s.keys("Enter")
        s.wait("Line 5 of", gone=["Line 40 of"])
        s.keys("Space")
        s.wait("Line 30 of")
        s.keys("Space", "Space")
        s.wait("Line 59 of")
        s.keys("b")
        s.wait("Line 30 of")
        s.keys("?")
        s.wait("Keys", "reply, in your editor")
        s.keys("x")
        s.wait("Line 30 of", gone=["Keys"])
        tap.ok(True, "a long text by pages, and help")
        s.keys("Q")
        tap.equal(s.ended(), 0, "Q ends the reader")
        s.close()

    @staticmethod
    def selected(s):
        """The line in reverse video, between the bars."""
        reverse = False
        for number, line in enumerate(s.screens.tmux("capture-pane", "-p", "-e", "-t", s.name).split("\n")):
            begins = None
            for code, text in re.findall("\x1b\\[([0-9;]*)m|([^\x1b]+)", line):
                if text and begins is None:
                    begins = reverse
                if not text:  # what holds goes over from line to line
                    for number_ in (code or "0").split(";"):
                        reverse = {"7": True, "0": False, "27": False}.get(number_, reverse)
            if begins and 0 < number < s.rows - 1:
                return re.sub("\x1b\\[[0-9;]*m", "", line)
        return ""

    def select(self, s, text):
        """Move to the line with this."""
        s.keys("g")
        for _ in range(30):
            time.sleep(0.1)
            if text in self.selected(s):
                return
            s.keys("j")
        raise Failure("%r can't be selected in\n%s" % (text, s.text()))

    def scripts(self):
        tap = self.tap
        topic = self.bob.topic("Scripts")
        thread = self.bob.post(topic, CHINESE, CHINESE + "\n")
        self.bob.reply(thread, ARABIC + "\nabc " + ARABIC + " def\n")
        self.bob.reply(thread, HEBREW + "\n")
        self.bob.reply(thread, COMBINING + "\n")
        self.bob.reply(thread, EMOJI + "\n")
        self.bob.reply(thread, "a\x1b[31mred\x07\u202e gnp.exe\u2066 x\n".encode(), raw=True)
        self.forum.settle()
        s = self.screens.open(self.alice)
        s.wait("Scripts", "Roadmap")
        s.keys("G" if "Scripts" in self.text_below(s, "Roadmap") else "g")
        s.keys("Enter")
        s.wait(CHINESE[:8])
        s.keys("Enter")
        text = s.wait("6 messages", lambda text: text.count("bob@b.example") >= 6)
        tap.ok(visual(HEBREW)[:8] in text, "Hebrew stands from right to left in a tree", text)
        s.keys("Enter")
        text = s.wait("1/6")
        tap.ok(CHINESE in text, "Chinese", text)
        s.keys("n")
        text = base(s.wait("2/6", "abc", "def"))
        tap.ok(visual(ARABIC) in text and "abc " + visual(ARABIC).rstrip() + " def" in text,
               "Arabic: in the order of the screen, alone and within English", text)
        line = next(line for line in text.split("\n") if visual(ARABIC) in line and "abc" not in line)
        tap.ok(line.rstrip().endswith(visual(ARABIC)) and len(line) > 60,
               "and begins at the right", line)
        tap.ok(any("\ufe80" <= c <= "\ufefc" for c in s.text()), "with joined letters")
        s.keys("B")
        text = s.wait("left to the terminal")
        tap.ok(ARABIC in text, "B leaves the order to the terminal", text)
        s.keys("B")
        s.wait("put in order here")
        s.keys("n")
        text = s.wait("3/6", visual(HEBREW)[:8])
        tap.ok(visual(HEBREW) in text, "Hebrew", text)
        s.keys("n")
        text = s.wait("4/6", "Nam")
        tap.ok(unicodedata.normalize("NFC", COMBINING) in unicodedata.normalize("NFC", text),
               "combining marks", text)
        s.keys("n")
        text = s.wait("5/6", "done")
        tap.ok(re.search("Yes \U0001f44d \U0001f468\U0001f469\U0001f467 \u2764 done", text),
               "emoji, each by itself", text)
        s.keys("n")
        text = s.wait("6/6", "[31m")
        tap.ok("a\ufffd[31mred\ufffd" in text and not re.search("[\u202a-\u202e\u2066-\u2069]", text),
               "nothing that was received controls the terminal", text)
        s.close()

        # sizes
        s = self.screens.open(self.alice, columns=40, rows=10)
        s.wait("Roadmap", "Scripts")
        s.keys("G" if "Scripts" in self.text_below(s, "Roadmap") else "g")
        s.keys("Enter")
        s.wait(CHINESE[:8])
        s.keys("Enter")
        s.wait("6 messages")
        s.keys("Enter")
        text = s.wait("1/6")
        tap.ok(len(s.lines()) == 10 and CHINESE in text, "40 columns and 10 lines", text)
        tap.ok("q back  ? help" in s.lines()[-1], "which tell the way back", text)
        for columns, rows in ((100, 30), (30, 8), (80, 24), (12, 4), (40, 10)):
            s.resize(columns, rows)
            time.sleep(0.3)
        text = s.wait("1/6", CHINESE)
        tap.ok(len(s.lines()) == 10, "other sizes, while it runs", text)
        s.keys("Q")
        s.ended()
        s.close()

        s = self.screens.open(self.alice, env={"LANGUAGE": "ar"})
        text = base(s.wait("Roadmap"))
        tap.ok(visual("المواضيع") in text.split("\n")[0] and
               text.split("\n")[0].rstrip().endswith(visual("المواضيع")),
               "in Arabic the screen is its mirror image", text)
        s.keys("Q")
        s.ended()
        s.close()

    @staticmethod
    def text_below(s, line):
        return s.text().split(line, 1)[-1]

    def offline(self):
        tap = self.tap
        s = self.screens.open(self.alice)
        s.wait("Roadmap", "? help")
        s.keys("/")
        s.wait("Search for:")
        s.type("record by:alice")
        s.keys("Enter")
        text = s.wait("alice@a.example")
        tap.ok("Who keeps the record?" in text and not (self.alice.home / "copy.db").exists(),
               "a search at the node", text)
        s.keys("q")
        s.wait("Topics")
        s.keys("y")
        s.wait("Your copy is up to date.", seconds=30)
        s.keys("/")
        s.wait("Search for:")
        s.type("规模")
        s.keys("Enter")
        s.wait("Größe 规模", "t thread")
        s.keys("/")
        s.wait("Search for:")
        s.type("RECORD other")
        s.keys("Enter")
        s.wait("Nothing was found")
        s.keys("/")
        s.wait("Search for:")
        s.type("FRESH node")
        s.keys("Enter")
        s.wait("Fresh from the other node.")
        s.keys("Enter")
        s.wait("Fresh from the other node.", "1/1")
        s.keys("t")
        text = s.wait("messages", "Answer number 0")
        tap.ok("Fresh from" in text, "a search in the copy, and the thread around what was found")
        s.keys("Q")
        s.ended()
        s.close()

        self.forum[0].stop()
        script = editor(self.forum.folder, "editor2", "Written while the node was away.")
        s = self.screens.open(self.alice, env={"EDITOR": str(script)})
        text = s.wait("Roadmap", "offline: copy of 20")
        tap.ok(True, "while the node is away the copy is shown, and said to be one")
        self.select(s, "Roadmap")
        s.keys("Enter")
        s.wait("Second thread", "offline")
        self.select(s, "Who keeps")
        s.keys("Enter")
        s.wait("messages", "Answer number 0")
        s.keys("r")
        s.wait("Signed and kept here", "unsent", seconds=30)
        tap.ok(True, "an answer is signed and kept")
        self.forum[0].start()
        # By the watching connection, which tries again by itself.
        s.wait("live", seconds=60, gone=["offline"])
        found = poll("the answer at the other node", 60, lambda: [
            item for item in self.bob.read(self.root, whole=True)
            if item.get("content", {}).get("text", "").startswith("Written while")])
        tap.ok(found, "and sent when the node is there again, without a key")
        s.keys("Q")
        s.ended()
        s.close()

        s = self.screens.open(self.alice)
        s.wait("Roadmap")
        os.kill(s.pid(), 15)
        tap.ok(s.ended() == 0, "SIGTERM ends it in order")
        s.close()

        s = self.screens.open(self.alice, "--offline")
        s.wait("Roadmap", "offline: copy of 20")
        tap.ok(True, "convene --offline asks nobody")
        s.keys("q")
        tap.equal(s.ended(), 0, "q at the topics ends it")
        s.close()

    def states(self):
        """Erased, amended, hidden."""
        tap = self.tap
        gone = self.bob.reply(self.root, "This will be erased.")
        other = self.bob.reply(self.root, "This will be amended.")
        hidden = self.bob.reply(self.root, "This will be hidden.")
        self.forum.settle()
        s = self.screens.open(self.alice)
        s.wait("Roadmap", "live", seconds=30)
        self.select(s, "Roadmap")
        s.keys("Enter")
        s.wait("Who keeps the record?")
        self.select(s, "Who keeps")
        s.keys("Enter")
        s.wait("This will be erased.", "This will be amended.", "This will be hidden.")
        self.bob.convene("erase", gone, "--yes")
        self.bob.convene("amend", other, "--file", "-", stdin=b"This was amended.\n")
        s.wait("[erased]", "[amended] This was amended.", gone=["This will be erased.", "This will be amended."])
        tap.ok(True, "erased and amended show at once")
        self.forum[0].ctl("hide", hidden, "--reason", "spam")
        s.keys("R")
        text = s.wait("[hidden]", gone=["This will be hidden."])
        self.select(s, "[hidden]")
        s.keys("Enter")
        s.wait("Hidden by this node: ", "spam")
        tap.ok(True, "hidden by the node, and why")
        s.keys("Q")
        s.ended()
        s.close()

    def short(self):
        """No screen where there is none."""
        for name, words in (("a pipe", []), ("TERM=dumb", ["env", "TERM=dumb"])):
            argv = [*words, str(harness.CONVENE)]
            if words:
                argv = ["script", "-qec", " ".join(argv), "/dev/null"]
            done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=False,
                                  env=dict(os.environ, CONVENE_HOME=str(self.alice.home), LC_ALL="C.UTF-8"))
            self.tap.ok(b"take part in a forum" in done.stdout and b"\x1b" not in done.stdout and
                        done.returncode == 1, "%s: the short help" % name, done)

    def invited(self):
        """From an invite to a sealed message: commands counted by who runs them."""
        home = self.forum.folder / "carol"
        invite = self.forum[0].ctl_json("invite", "--handle", "carol")["invite"]
        ran = []

        def command(*words, stdin=b""):
            ran.append(words)
            return harness.run([harness.CONVENE, *words], stdin, {"CONVENE_HOME": str(home)})
        began = time.monotonic()
        command("join", invite, "--handle", "carol")
        out = command("post", "Roadmap", "--subject", "Hello from Carol", stdin=b"I am new here.\n")
        took = time.monotonic() - began
        self.tap.ok(len(ran) <= 3 and re.search(r"stands in the log of a\.example at \d+", out),
                    "from invite to sealed message in %d commands, %.1f s" % (len(ran), took), out)

    def end(self):
        self.screens.close()


def slow(tap):
    """The first thread over 64 kbit/s and 600 ms, and an answer over it."""
    with Forum(["a.example", "b.example"], edges=pair(), linked=SLOW) as forum:
        if not forum.links.packets:
            tap.skip("over a thin link", forum.links.mode)
            return
        forum.links.set("delay 0ms")
        forum.links.set("rate 10mbit")
        forum.start()
        alice, bob = forum[0].enrol("alice"), forum[1].enrol("bob")
        topic = alice.topic("Roadmap")
        root = alice.post(topic, "Who keeps the record?", "Who does? " * 60)
        for n in range(30):
            alice.reply(root, ("Answer number %d. " % n) * 40)
        forum.settle()
        for command in SLOW:
            forum.links.set(command)
        screens = Screens(forum.folder)
        script = editor(forum.folder, "editor", "Over a thin link.")
        try:
            # Alice reads at her node, from where the other node stands: over the link.
            s = screens.open(alice, enter=forum.links.enter(1), env={"EDITOR": str(script)})
            s.wait("Roadmap", seconds=40)
            tap.say("topics after %.1f s" % (time.monotonic() - s.began))
            s.keys("Enter")
            s.wait("Who keeps the record?", seconds=40)
            tap.say("threads after %.1f s" % (time.monotonic() - s.began))
            s.keys("Enter")
            s.wait("1 message", "alice@a.example", seconds=40)
            tree = time.monotonic() - s.began
            s.keys("Enter")
            s.wait("Who does?", "1/", seconds=40)
            took = time.monotonic() - s.began
            tap.ok(took <= FIRST_THREAD_SECONDS,
                   "first thread after %.1f s, its first message read after %.1f s; wanted %d s" % (
                       tree, took, FIRST_THREAD_SECONDS))
            s.keys("r")
            s.wait("Sent: it stands", seconds=60)
            tap.ok(True, "an answer goes over it")
            poll("the answer", 60, lambda: [
                item for item in bob.read(root, whole=True)
                if item.get("content", {}).get("text", "").startswith("Over a thin")])
            s.keys("Q")
            s.ended()
        finally:
            screens.close()


def main(tap):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stories", nargs="*", help="reading scripts offline states short invited slow")
    wanted = parser.parse_args().stories
    if not shutil.which("tmux"):
        tap.skip("the reader", "there is no tmux here")
        return
    names = [name for name in ("reading", "scripts", "states", "offline", "short", "invited")
             if not wanted or name in wanted or (name == "reading" and "offline" in wanted)]
    if names:
        with Forum(["a.example", "b.example"], edges=pair()) as forum:
            forum.start()
            story = Story(tap, forum)
            try:
                for name in names:
                    tap.say(name)
                    getattr(story, name)()
            finally:
                story.end()
    if not wanted or "slow" in wanted:
        tap.say("slow")
        slow(tap)


if __name__ == "__main__":
    tap_run(main)
