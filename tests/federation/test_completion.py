#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""TAB in real shells: contrib/completion with bash, zsh and fish, titles that would do harm, and a
node that is away."""
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
import fcntl
import termios

sys.dont_write_bytecode = True

import harness  # noqa: E402

SCRIPTS = (pathlib.Path(os.environ.get("srcdir") or pathlib.Path(__file__).resolve().parents[2])
           / "contrib/completion").resolve()

# One that a shell would run, one that would end its quotes, one that a terminal would obey.
HOSTILE = ["$(touch PWNED) `touch PWNED` %F{red} ${HOME}",
           "it's \"quoted\" \\ ; touch PWNED & # a:b=c",
           "\x1b]0;owned\x07\x1b[2J\x9b31m two\tcolumns \u202eturned \U000e0041",
           "مرحبا بالعالم 你好，世界"]


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, argv, env, cwd):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(argv[0], argv, env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.seen = b""

    def until(self, pattern, seconds=20):
        """All that came up to the end of `pattern`, which is taken; raises Failure."""
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.seen, re.S)
            if found:
                text, self.seen = self.seen[:found.end()], self.seen[found.end():]
                return text
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise harness.Failure("%r did not come; there is %r" % (pattern, self.seen[-2000:]))
            try:
                self.seen += os.read(self.fd, 65536)
            except OSError:
                raise harness.Failure("the shell ended: %r" % self.seen[-2000:]) from None

    def type(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        os.close(self.fd)
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)


class Completion:
    def __init__(self, tap, person, folder):
        self.tap, self.folder = tap, folder
        path = "%s:%s" % (harness.CONVENE.parent, os.environ["PATH"])
        self.env = {"PATH": path, "CONVENE_HOME": str(person.home), "HOME": str(folder),
                    "LC_ALL": "C.UTF-8", "TERM": "xterm", "COLUMNS": "120",
                    "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        for name in ("apple.txt", "avocado.txt"):
            (folder / name).write_text("x")
        (folder / "attic").mkdir()

    def run(self, *argv):
        return subprocess.run(argv, env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=60, check=False)

    def ask(self, *words, program=None):
        """(candidate, meaning) of the program itself."""
        done = self.run(program or harness.CONVENE, "complete", "--", *words)
        self.said = done.stderr
        return [tuple(line.split("\t")) for line in done.stdout.decode().splitlines()]

    def unharmed(self, what):
        self.tap.ok(not (self.folder / "PWNED").exists(), "%s: no title was run" % what)

    # ---- bash ----

    def bash_words(self, line, *words, kind=9):
        quoted = " ".join("'%s'" % word for word in words)
        done = self.run("bash", "--norc", "-c", """
            . "$1/convene"
            COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=%d COMP_WORDS=(%s) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _convene
            printf '%%s\\n' "${COMPREPLY[@]}" """ % (kind, quoted), "bash", SCRIPTS, line)
        return done.stdout.decode().splitlines()

    def bash(self, topics):
        tap = self.tap
        tap.equal(self.bash_words("convene re", "convene", "re"), ["read", "reply"],
                  "bash: commands")
        tap.equal(self.bash_words("convenectl charter s", "convenectl", "charter", "s"),
                  ["sign", "show"], "bash: commands of two words")
        tap.equal(self.bash_words("convenectl revoke --reason=l", "convenectl", "revoke", "--reason",
                                  "=", "l"), ["lost", "left"], "bash: values behind =")
        tap.equal(self.bash_words("convene threads ", "convene", "threads", ""), topics,
                  "bash: topics that are kept here")
        listed = self.bash_words("convene threads ", "convene", "threads", "", kind=63)
        tap.ok(len(listed) == len(topics) and all(
            re.fullmatch("%s  \\(.*" % topic, line) for topic, line in zip(topics, listed)),
               "bash: titles stand beside them in a list", listed)
        shell = Terminal(["bash", "--norc", "-i"], dict(self.env, PS1="READY> "), self.folder)
        try:
            shell.until(b"READY> ")
            shell.type(". '%s/convenectl'\n" % SCRIPTS)
            shell.until(b"READY> ")
            shell.type("convene who\t--help\n")
            text = shell.until(b"READY> ")
            tap.ok(b"whoami" in text and b"show who you are here" in text,
                   "bash: TAB completes a command", text)
            shell.type("convene threads \t\t")
            text = shell.until(b"READY> convene threads ")
            tap.ok(all(topic.encode() in text for topic in topics) and b"\x1b]0;" not in text,
                   "bash: TAB TAB lists topics, and no title reaches the terminal", text)
            shell.type("\x03")
            shell.until(b"READY> ")
            shell.type("convene threads %s\t\n" % topics[0][:7])
            text = shell.until(b"READY> ")
            tap.ok(topics[0].encode() + b" " in text, "bash: TAB completes an id", text)
            shell.type("ls -d \x15convene reply x --file ap\t\x01echo \n")
            text = shell.until(b"READY> ")
            tap.ok(b"apple.txt" in text, "bash: files are its own", text)
            shell.type("convene read --save at\t\x01echo \n")
            tap.ok(b"attic/" in shell.until(b"READY> "), "bash: folders are its own")
        finally:
            shell.close()
        self.unharmed("bash")

    # ---- zsh ----

    def zsh(self, topics):
        tap = self.tap
        shell = Terminal(["zsh", "-f", "-i"], dict(self.env, PS1="READY> "), self.folder)
        try:
            shell.until(b"READY> ")
            shell.type("unsetopt zle_bracketed_paste; PROMPT_EOL_MARK=; fpath=('%s' $fpath); "
                       "autoload -U compinit; compinit -u -D; setopt no_beep; echo LOA''DED\n"
                       % SCRIPTS)
            shell.until(b"LOADED.*READY> ")
            shell.type("convene who\t--help\n")
            text = shell.until(b"every command|say what this command takes.*READY> ")
            tap.ok(b"show who you are here" in text, "zsh: TAB completes a command", text)
            shell.type("convene re\t")
            text = shell.until(b"reply +-- answer a post")
            tap.ok(b"read " in text and b"show a thread, or a post" in text,
                   "zsh: commands and what they mean", text)
            shell.type("\x15")
            shell.type("convenectl revoke --reason \t")
            text = shell.until(b"left")
            tap.ok(b"lost" in text and b"stolen" in text, "zsh: values", text)
            shell.type("\x15")
            shell.type("convenectl revoke --reason=sto\tx\x01echo OUT: \n")
            tap.ok(b"--reason=stolen x" in shell.until(b"OUT: convene[^\r\n]*\r\n"),
                   "zsh: a value behind =")
            shell.type("convene threads \t")
            text = b""
            for topic in topics:
                text += shell.until(topic.encode())
            text += shell.until(b"HOME}")
            tap.ok(b"$(touch PWNED) `touch PWNED` %F{red} ${HOME}" in text
                   and b"\\ ; touch PWNED & # a:b=c" in text and "世界".encode() in text
                   and b"\x1b]0;" not in text,
                   "zsh: topics with their titles, as they are", text)
            shell.type("\x15")
            shell.type("convene threads %s\t\x01echo OUT: \n" % topics[0][:7])
            tap.ok(topics[0].encode() in shell.until(b"OUT: convene[^\r\n]*\r\n"),
                   "zsh: TAB completes an id")
            shell.type("convene reply x --file=ap\t\x01echo OUT: \n")
            tap.ok(b"--file=apple.txt" in shell.until(b"OUT: convene[^\r\n]*\r\n"),
                   "zsh: files are its own")
            shell.type("convene read --save at\t\x01echo OUT: \n")
            tap.ok(b"--save attic" in shell.until(b"OUT: convene[^\r\n]*\r\n"),
                   "zsh: folders are its own")
        finally:
            shell.close()
        self.unharmed("zsh")

    # ---- fish ----

    def fish_lines(self, line):
        done = self.run("fish", "--no-config", "-c",
                        "source $argv[1]/convenectl.fish; complete -C \"$argv[2]\"", SCRIPTS, line)
        return done.stdout.decode().splitlines()

    def fish(self, topics):
        tap = self.tap
        tap.equal(self.fish_lines("convene re"),
                  ["read\tshow a thread, or a post and what answers it", "reply\tanswer a post"],
                  "fish: commands and what they mean")
        tap.equal(self.fish_lines("convenectl revoke --reason=l"), ["--reason=lost", "--reason=left"],
                  "fish: values behind =")
        got = self.fish_lines("convene threads ")
        tap.equal([line.split("\t")[0] for line in got], topics, "fish: topics, the newest first")
        tap.ok(all("\x1b" not in line and "\u202e" not in line for line in got)
               and HOSTILE[0] in "".join(got), "fish: their titles, as they are", got)
        tap.equal(self.fish_lines("convene reply x --file ap"), ["apple.txt"],
                  "fish: files are its own")
        tap.equal(self.fish_lines("convene reply x --file=ap"), ["--file=apple.txt"],
                  "fish: files behind =")
        tap.ok([line.split("\t")[0] for line in self.fish_lines("convene read --save a")]
               == ["attic/"], "fish: folders are its own")
        self.unharmed("fish")


def main(tap):
    with harness.Forum(["a.example"]) as forum:
        forum.start()
        node = forum[0]
        alice = node.enrol("alice")
        titles = [title.encode().decode() for title in HOSTILE]
        topics = [alice.topic(title)[:8] for title in titles][::-1]
        post = alice.post(topics[0], "A subject", "Text.")[:8]
        bob = node.enrol("bob")
        elsewhere = alice.post(topics[1], "Kept", "Text.")[:8]
        time.sleep(0.01)
        kept = alice.reply(elsewhere, "A line of it\nand another.")[:8]
        answer = bob.reply(post, "First line.\nSecond.")[:8]
        bob.convene("sync", *topics[1:])
        bob.convene("post", topics[0], "--draft", "--subject", "Not yet", "--file", "-", stdin=b"Text.")
        folder = forum.folder / "work"
        folder.mkdir()
        at = Completion(tap, alice, folder)
        node.stop()

        began = time.monotonic()
        got = at.ask("threads", "")
        tap.equal([word for word, _ in got], topics, "topics are offered while the node is away")
        tap.ok(not at.said and time.monotonic() - began < 2, "nothing is said of that")
        tap.ok(all(not re.search("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text)
                   for _, text in got), "no meaning holds a control byte or a direction mark", got)
        tap.equal(at.ask("reply", post[:6]), [(post, "A subject")], "and posts, by their beginning")
        at.env["CONVENE_HOME"] = str(bob.home)
        tap.equal(sorted(word for word, _ in at.ask("threads", "")), sorted(topics),
                  "sync: all topics are offered that the node has listed")
        tap.equal(at.ask("read", "")[:2], [(elsewhere, "Kept"), (kept, "A line of it")],
                  "sync: threads, and posts, of the topics that are kept")
        tap.equal(at.ask("reply", ""), [(kept, "A line of it"), (elsewhere, "Kept"), (answer, "First line.")],
                  "sync: posts, and one's own")
        tap.equal(at.ask("reply", kept[:5]), [(kept, "A line of it")], "sync: by the first digits")
        tap.equal(at.ask("drafts", "send", ""), [("1", "Not yet")], "drafts, by their numbers")
        tap.equal(at.ask("reply", "xyz"), [], "sync: what is no id finds nothing")
        times = []
        for _ in range(20):
            began = time.monotonic()
            at.ask("reply", "")
            times.append(1000 * (time.monotonic() - began))
        tap.say("an answer of what sync keeps took %.1f ms, at best %.1f" % (sorted(times)[10], min(times)))
        at.env["CONVENE_HOME"] = str(alice.home)
        times = []
        for _ in range(20):
            began = time.monotonic()
            at.ask("threads", "")
            times.append(1000 * (time.monotonic() - began))
        tap.say("an answer took %.1f ms, at best %.1f" % (sorted(times)[10], min(times)))
        tap.ok(min(times) < 100, "an answer comes at once")
        at.env["CONVENE_HOME"] = str(folder / "nobody")
        got = at.ask("threads", "")
        tap.ok(got == [] and not at.said and not (folder / "nobody").exists(),
               "where nobody has joined, nothing is offered, said or made")
        at.env["CONVENE_HOME"] = str(alice.home)
        tap.ok("complete" not in harness.run([harness.CONVENE, "help"]), "help does not name it")
        for name in ("bash", "zsh", "fish"):
            if shutil.which(name):
                getattr(at, name)(topics)
            else:
                tap.skip(name, "there is no %s here" % name)


if __name__ == "__main__":
    harness.tap_run(main)
