#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What people see: threads in Arabic, Hebrew and Chinese in a terminal (tmux, 80 and 40 columns),
and texts, titles, names and answers of nodes that want to be taken for something else.

What the programs write on a terminal is looked at byte by byte, and what tmux shows of it must be
the same lines: nothing was wrapped, moved or eaten.
"""
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata

sys.dont_write_bytecode = True

import harness  # noqa: E402
from rogue import Link, Rogue, Text, message, pb, pin, reference, spec, wait_for  # noqa: E402

ARABIC = """\
هذا اقتراح لمبدأ الشفافية: يجب أن تكون كل القرارات علنية، وأن يستطيع كل مشارك قراءة الأسباب التي بنيت عليها.

نشرت IETF وثيقتها RFC 9635 في سنة 2024، وهي متاحة للجميع (بالإنجليزية).

> ما رأيكم في هذا الاقتراح؟ نحتاج إلى رأي كل المنظمات قبل الاجتماع القادم في شهر مارس من هذا العام، وشكرا لكم جميعا.
نوافق."""

HEBREW = """\
אנחנו מסכימים עם ההצעה, ומבקשים להוסיף שהפרוטוקולים יפורסמו בתוך שבעה ימים מהישיבה, בכל השפות.
The last word is with ICANN: זאת הגישה שלנו, version 2.1 of it.
שָׁלוֹם עֲלֵיכֶם"""

CHINESE = """\
我们认为，任何一个组织都不应当单独控制论坛：每个节点都保存完整的副本，可以独立地继续运行（见第三节）。“透明”不是口号，而是可以检验的事实；每个人都能核对签名、日志和收据。
参见RFC 9162和《章程》第2条，网址是https://example.org/charter/zh-Hans/section-2。

> 这是一段被引用的文字，它很长，必须在终端里折行，折行以后每一行的前面仍然应当有引用的标记，否则读者就不知道是谁说的。
同意。"""

CHINESE_TITLE = "关于论坛治理原则的讨论：透明、平等与可验证性，以及多语言参与的具体办法（第二稿）"
ARABIC_TITLE = "مبادئ الشفافية والمساواة في إدارة المنتدى"

TAGS = "".join(chr(0xe0000 + ord(c)) for c in "hidden order") + "\U000e007f"
ZALGO = "Z" + "\u0300\u0338\u0489\u0353" * 50 + "algo"

# What goes into texts, titles and names: (what it tries, bytes).
HOSTILE = [
    ("a title for the window", "\x1b]0;owned\x07\x1b]2;owned\x1b\\end"),
    ("the clipboard", "\x1b]52;c;cm0gLXJmIH4=\x07paste"),
    ("a link that says something else", "\x1b]8;;http://evil.example\x1b\\good.example\x1b]8;;\x1b\\"),
    ("colours and a cleared screen", "\x1b[2J\x1b[H\x1b[8mhidden\x1b[0m"),
    ("C1 controls", "\x9b31mred\x90q\x9c\x9d0;x\x9c\x85next"),
    ("overwriting", "harmless\rEVIL    \b\b\b\b\x7f\x7f"),
    ("NUL, BEL, VT and FF", "a\x00b\x07c\x0bd\x0ce"),
    ("overrides", "\u202egnp.exe\u202d\u202a\u202b end"),
    ("isolates left open", "\u2066\u2067\u2068 end \u202e"),
    ("isolates closed too often", "\u2069\u2069\u202c\u202cend"),
    ("tags", "visible" + TAGS),
    ("zero-width characters", "al\u200b\u200c\u200d\u2060\ufeffice" + "\u200b" * 40),
    ("selectors", "v" + "".join(chr(0xe0100 + b) for b in b"another message") + "\ufe00\ufe01\ufe02"),
    ("heaps of marks", ZALGO),
    ("Hangul in one heap", "\u1100" + "\u1161\u11a8" * 40 + " end"),
    ("annotations and old controls", "\ufff9a\ufffab\ufffb\u206a\u206f\u2028\u2029end"),
    ("a byte order mark", "\ufefftext \ufeff end"),
]

FAKE_TEXT = """\
I agree.

!! The author's signature does NOT verify: this is not what they signed. It is not shown.

  deadbeef  alice@a.example (Alice)  2026-01-01 00:00  en
    | I never said so.

deadbeef  alice@a.example (Alice)  2026-01-01 00:00  en
(the text was erased)
Subject: Another subject
[1] minutes.pdf, application/pdf, 3.4 kB
from an archive: said to be by alice@a.example, 2003-01-01 00:00"""

WIDTHLESS = ("Mn", "Me", "Cf")


def width(text):
    """Columns, by a rule of this test's own."""
    columns = 0
    for c in text:
        if unicodedata.category(c) in WIDTHLESS or "\u1160" <= c <= "\u11ff":
            continue
        columns += 2 if unicodedata.east_asian_width(c) in "WF" else 1
    return columns


def visible(text):
    """Without what takes no column."""
    return "".join(c for c in text if unicodedata.category(c) not in WIDTHLESS).rstrip()


def unpaired(line):
    """Whether direction marks are left open or close nothing, within the line."""
    open_marks = []
    for c in line:
        if c in "\u202a\u202b\u202d\u202e":
            open_marks.append("\u202c")
        elif c in "\u2066\u2067\u2068":
            open_marks.append("\u2069")
        elif c in "\u202c\u2069":
            if not open_marks or open_marks.pop() != c:
                return True
    return bool(open_marks)


def faults(data, columns=None):
    """What is wrong with bytes that were written on a terminal."""
    found = []
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return ["not UTF-8: %s" % error]
    for line in text.split("\n"):
        bad = [c for c in line if unicodedata.category(c) in ("Cc", "Zl", "Zp")
               or c == "\ufeff" or "\U000e0000" <= c <= "\U000e007f" or "\ufff9" <= c <= "\ufffb"]
        if bad:
            found.append("%r in %r" % (bad, line))
        if unpaired(line):
            found.append("direction marks are not paired: %r" % line)
        if re.search("[\u0300-\u036f\u0489\u1160-\u11ff\u200b-\u200d\u2060\ufe00-\ufe0f"
                     "\U000e0100-\U000e01ef]{9}", line):
            found.append("a heap of marks: %r" % line)
        if columns and width(line) > columns:
            found.append("%d columns: %r" % (width(line), line))
    return found


def written(argv, env, columns, until=None):
    """(what a program writes on a terminal of its own, exit code); until: end it behind that."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    mode = termios.tcgetattr(slave)
    mode[1] &= ~termios.OPOST  # LF stays LF
    termios.tcsetattr(slave, termios.TCSANOW, mode)
    process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=slave,
                               stderr=slave, env=env, start_new_session=True)
    os.close(slave)
    data, end, told = b"", time.monotonic() + 60, False
    while time.monotonic() < end:
        if until and until in data and not told:
            process.send_signal(signal.SIGTERM)
            told = True
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            more = os.read(master, 65536)
        except OSError:
            break
        if not more:
            break
        data += more
    code = process.wait(10)
    os.close(master)
    return data, code


class Tmux:
    """Screens of a tmux server of our own."""

    def __init__(self, folder, env):
        self.folder = folder
        self.env = dict(env, TERM="screen-256color", SHELL="/bin/sh", TMUX_TMPDIR=str(folder))
        self.env.pop("TMUX", None)
        self.count = 0

    def tmux(self, *words):
        return subprocess.run(["tmux", "-L", "convene-%d" % os.getpid(), "-f", "/dev/null", "-u",
                               *[str(word) for word in words]],
                              env=self.env, capture_output=True, timeout=30, check=False)

    def shows(self, argv, columns):
        """The lines on the screen when the program has ended."""
        self.count += 1
        name, done = "s%d" % self.count, self.folder / ("done%d" % self.count)
        command = 'clear; "$@"; : >%s; exec sleep 600' % done
        self.tmux("new-session", "-d", "-s", name, "-x", columns, "-y", 300, "--",
                  "sh", "-c", command, "sh", *argv)
        wait_for(done.exists, 20)
        last = None
        for _ in range(50):  # until tmux has drawn it
            now = self.tmux("capture-pane", "-p", "-t", name).stdout
            if now == last and now.strip():
                break
            last = now
            time.sleep(0.1)
        self.tmux("kill-session", "-t", name)
        return [line.rstrip() for line in now.decode().rstrip("\n").split("\n")]

    def close(self):
        self.tmux("kill-server")


class Terminals:
    def __init__(self, tap, forum):
        self.tap, self.forum, self.node = tap, forum, forum[0]
        self.env = dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC")
        self.tmux = Tmux(forum.folder, self.env) if shutil.which("tmux") else None
        self.people = []

    def argv(self, person, *words):
        return ["env", "CONVENE_HOME=%s" % person.home, harness.CONVENE, *words]

    def text(self, person, *words, columns=80, until=None):
        return written(self.argv(person, *words), self.env, columns, until)[0].decode()

    def clean(self, name, argv, columns=80, until=None):
        """Nothing is wrong with what the program writes; returns that."""
        data, _ = written(argv, self.env, columns, until)
        if os.environ.get("CONVENE_SHOW") and b"convenectl" in str(argv).encode():
            print("\n".join("# %s|" % line for line in data.decode("utf-8", "replace").split("\n")))
        wrong = faults(data, columns)
        self.tap.ok(data and not wrong, name, "%d bytes" % len(data), *wrong[:5])
        return data.decode("utf-8", "replace")

    # ---- reading ----

    def on_screen(self, name, person, *words):
        """On both widths: clean bytes, and tmux shows just these lines."""
        for columns in (80, 40):
            said = self.clean("%s: clean, at %d columns" % (name, columns),
                              self.argv(person, *words), columns)
            if self.tmux is None:
                self.tap.skip("%s: in tmux" % name, "there is no tmux here")
                continue
            shown = self.tmux.shows(self.argv(person, *words), columns)
            wanted = said.rstrip("\n").split("\n")
            self.tap.equal([visible(line) for line in shown], [visible(line) for line in wanted],
                           "%s: tmux shows these lines, at %d columns" % (name, columns))
            if os.environ.get("CONVENE_SHOW"):
                print("\n".join("# %s|" % line for line in shown))

    def paragraphs(self, said, text, columns, name):
        """The text is there whole, line for line, behind its bar."""
        bars = [re.match("  \\|( |$)", line) for line in said.split("\n")]
        lines = [line[bar.end():] for line, bar in zip(said.split("\n"), bars) if bar]
        got, at = [], 0
        for paragraph in text.split("\n"):
            quote = "> " if paragraph.startswith("> ") else ""
            whole = ""
            while at < len(lines) and re.sub("\\s", "", whole) != re.sub("\\s", "", paragraph):
                line = lines[at]
                at += 1
                if whole and quote and not line.startswith(quote):
                    self.tap.ok(False, "%s: a quoted line stays one" % name, line)
                whole += re.sub("[\u2066-\u2069]", "", line[len(quote):] if whole else line)
                if paragraph == "":
                    break
            got.append(re.sub("\\s", "", whole))
        self.tap.equal(got, [re.sub("\\s", "", p) for p in text.split("\n")],
                       "%s: every line is whole, at %d columns" % (name, columns))
        return [re.sub("[\u2066-\u2069]", "", line) for line in lines]

    def reading(self):
        tap = self.tap
        amina = self.node.enrol("amina", name="أمينة", group="المجتمع المدني")
        lin = self.node.enrol("lin", name="林一", group="Technical community")
        topic = amina.topic("多语言 and العربية")
        arabic = amina.post(topic, ARABIC_TITLE, ARABIC)
        hebrew = lin.reply(arabic, HEBREW)
        chinese = lin.post(topic, CHINESE_TITLE, CHINESE)
        lin.post(topic, "Plain", "Plain text.\n\n\tTabbed\tlines\tstay\tin\tcolumns.\n  x\n" + "y" * 200)
        self.people += [amina, lin]

        for name, thread in (("Arabic and Hebrew", arabic), ("Chinese", chinese)):
            self.on_screen(name, lin, "read", thread)
        self.on_screen("a thread of long words and tabs", lin, "read", lin.threads(topic)[0]["id"])
        self.on_screen("topics", lin, "topics")
        self.on_screen("threads", lin, "threads", topic)

        for columns in (80, 40):
            said = self.text(lin, "read", hebrew, columns=columns)
            self.paragraphs(said, HEBREW, columns, "Hebrew")
            said = self.text(lin, "read", arabic, columns=columns)
            lines = [line for line in said.split("\n") if line.startswith("  | ")]
            tap.ok(all(re.search("^\\|( > |  *)\u2067[^\u2066-\u2069]*\u2069$", line.strip())
                       for line in lines[:2]), "a line in Arabic runs from right to left", *lines[:3])
            self.paragraphs(said.partition(hebrew[:8])[0], ARABIC, columns, "Arabic")
            said = self.text(lin, "read", chinese, columns=columns)
            lines = self.paragraphs(said, CHINESE, columns, "Chinese")
            tap.ok(not any(re.match("(> )?[，。；：、）”》？！]", line) for line in lines) and
                   not any(re.search("[（“《]$", line) for line in lines),
                   "Chinese is folded where it may be, at %d columns" % columns, *lines)
            tap.ok(any(width(line) > columns * 3 // 4 for line in lines), "and uses the width")
            tap.ok("https://example.org/charter/zh-Hans/section-2" in "".join(lines),
                   "an address in it is whole")
            heading = re.search(r"^([0-9a-f]{8})  lin@a.example \(林一, Technical( |\n {8}\| )community\)"
                                r"(  |\n {10})\d{4}-\d\d-\d\d \d\d:\d\d$", said, re.M)
            tap.ok(heading and heading.group(1) == chinese[:8], "the heading can be read", said[:400])
        said = self.text(lin, "read", arabic)
        tap.ok(re.search("^[0-9a-f]{8}  amina@a.example \\(\u2068أمينة\u2069, \u2068المجتمع المدني\u2069\\)  "
                         "\\d{4}-", said, re.M), "names from right to left stand by themselves", said[:400])

        rows = self.text(lin, "threads", topic).split("\n")
        at = next(i for i, row in enumerate(rows) if row.startswith("ID "))
        columns = [rows[at].index(word) for word in ("AUTHOR", "SUBJECT")]
        for row in rows[at + 1:at + 4]:
            plain = visible(row)
            tap.ok(re.match("[^ ]", plain[columns[0]:]) and plain[columns[0] - 1] == " " and
                   re.match("[^ ]", plain[columns[1]:]) and plain[columns[1] - 1] == " ",
                   "the columns of threads stand below each other", rows[at], row)
        tap.ok(sum("…" in row for row in rows) == 2, "and what is too wide is cut", *rows)
        rows = self.text(lin, "threads", topic, columns=40)
        tap.ok(CHINESE_TITLE[:10] in rows and "amina@a.example" in rows,
               "on a narrow terminal they stand in several lines", rows)

    # ---- harm ----

    def hostile_organisation(self):
        """People and texts that a node's own registrar let through."""
        r = Rogue("rogue.example", str(self.forum["rogue.example"].folder / "keys"),
                  (self.node.folder / "forum.charter").read_bytes())
        topic = self.node.forum_topic
        index = spec.parse_log_name(self.node.status()["log"].encode()).digest
        handles = ["Alice", "alice\u200b", "al\u202eice", "аlice", "alice@a.example", "\x1b[31m", ""]
        said = []

        def post(device, text, subject="", **fields):
            device.sequence += 1
            content = Text(r.forum, r.log_name, device.key.public, text, subject, **fields)
            leaf = message(device.key, r.forum, r.log_name, sequence=device.sequence,
                           topic=index + bytes.fromhex(topic), **content.fields)
            r.log.append(leaf, content)
            said.append(spec.message_id(leaf[:-64], r.forum, r.log_name).hex())
            return said[-1]

        for handle in handles:
            post(r.enrol(handle), "Said by %r." % handle, "A subject")
        mallory = r.enrol("mallory")
        for what, text in HOSTILE:
            post(mallory, text, text)
        self.by_mallory = len(said)
        self.fake = post(mallory, FAKE_TEXT, "!! The author's signature does NOT verify")
        self.heading = post(mallory, "x", "%s%s  alice@a.example  2026-01-01 00:00" % (
            "\u00a0" * 72, "deadbeef"))
        self.wide = post(mallory, "\u00a0" * 78 + "deadbeef\u00a0\u00a0alice@a.example\u00a0(Alice)\n"
                         + " " * 300 + "!! The author's signature does NOT verify",
                         "Spaces that don't break")
        self.imported = post(
            mallory, "From the list.", "An old mail",
            imported=pb.Imported(author="alice@a.example (Alice)\x1b[0m\n2026".encode(),
                                 date=1000000000000, source="a.example\u202e".encode()),
            parts=[pb.Part(name="\u202egnp.exe\x1b[0m".encode(), media_type=b"a/b\x07", data=b"x")])
        self.huge = [post(mallory, "a" * 200000, "h" * 5000), post(mallory, "中" * 60000, "大" * 3000),
                     post(mallory, "e\u0301\n" * 30000, "many lines"),
                     post(mallory, ("x" + "\u0300" * 30) * 3000, "heaps")]
        self.rogue, self.said = r, said
        pin(self.node, "rogue.example", r.verifier())
        link = Link(r, ("127.0.0.1", self.node.port), answers={"WANT": self.contents})
        self.link = link
        taken = wait_for(lambda: any(log["organisation"] == "rogue.example"
                                     and log["folded"] == len(r.log.entries)
                                     and log["contents_missing"] == 0
                                     for log in self.node.status()["logs"]), 30)
        self.tap.ok(taken, "a hostile organisation's log has come", self.node.status()["logs"])
        return handles

    def contents(self, link, stream, want):
        """Contents in chunks, as the protocol wants them."""
        for index in want.index:
            text = self.rogue.log.contents[index]
            for at in range(0, len(text.bytes), 65536):
                link.send("CONTENT", pb.ContentChunk(
                    log=want.log, index=index, offset=at, total=len(text.bytes),
                    salt=text.salt if at == 0 else b"", data=text.bytes[at:at + 65536]))

    def items_named(self, said):
        """Lines that look like an item's heading, with whatever stands before."""
        return re.findall("^ *([0-9a-f]{8})  ", said, re.M)

    # Every line that `convene read` writes is one of these.
    OURS = re.compile("Thread: |[0-9]+ message|$|[0-9a-f]{8}  [^ ]| *\\|( |$)|  Subject: |  from an archive"
                      "|  \\[[0-9]+\\] |  !! |  \\(| {10}\\d{4}-")

    def ours(self, name, said):
        strange = [line for line in said.split("\n") if not self.OURS.match(line)]
        self.tap.ok(not strange, name, *strange[:5])

    def harm(self):
        tap, alice = self.tap, self.alice
        handles = self.hostile_organisation()
        for i, handle in enumerate(handles):
            said = self.clean("a post of handle %a is clean" % handle,
                              self.argv(alice, "read", self.said[i]))
            tap.ok(re.search("^%s  [0-9a-f]{8}@rogue.example  " % self.said[i][:8], said, re.M),
                   "handle %a is not prepared, and shown by the identity" % handle, said)
        for i, (what, _) in enumerate(HOSTILE):
            item = self.said[len(handles) + i]
            said = self.clean("%s: read" % what, self.argv(alice, "read", item))
            self.ours("%s: every line is ours or behind the bar" % what, said)
            self.clean("%s: as JSON" % what, self.argv(alice, "read", item, "--json"), 60000)

        for columns in (80, 40):
            for name, item in (("fake lines", self.fake), ("a fake heading in a title", self.heading),
                               ("a fake heading behind unbroken spaces", self.wide),
                               ("an archive's claim", self.imported)):
                said = self.clean("%s, at %d columns" % (name, columns),
                                  self.argv(alice, "read", item), columns)
                tap.equal(self.items_named(said), [item[:8]], "%s: one heading" % name)
                self.ours("%s: every line is ours or behind the bar" % name, said)
                tap.ok(not re.search("^ *!!", said, re.M), "%s: no mark of ours" % name, said)
        said = self.text(alice, "read", self.imported)
        tap.ok(re.search('^[0-9a-f]{8}  "alice@a.example .*", by the archive of\\s+(\\| )?'
                         "mallory@rogue.example\n {10}\\d.*\n  from an archive, .*, dated 2001-09-09", said, re.M),
               "an archive's claim is called one, beside who signed", said)
        for item in self.huge:
            began = time.monotonic()
            said = self.clean("a huge text", self.argv(alice, "read", item))
            self.ours("every line of it is behind the bar", said)
            tap.say("%d bytes in %.2f s" % (len(said), time.monotonic() - began))
            tap.ok(time.monotonic() - began < 5 or os.environ.get("ASAN_OPTIONS"), "and soon there")

        for columns in (80, 40):
            self.clean("threads", self.argv(alice, "threads", self.node.forum_topic), columns)
            self.clean("threads, as JSON", self.argv(alice, "threads", self.node.forum_topic, "--json"),
                       60000)
            said = self.clean("follow", self.argv(alice, "follow", "--after", "0"), columns,
                              until=self.huge[2][:8].encode())

    def lists(self):
        """Our own registrar is honest, our participants are not."""
        tap, node = self.tap, self.node
        people = []
        for i, (what, text) in enumerate(HOSTILE + [("much", "x" * 3000), ("much", "名" * 1000)]):
            name = re.sub("[\0\r\n]", "", text).encode()[:250].decode("utf-8", "ignore")
            people.append(node.enrol("mal%d" % i, name=name, group=name))
            self.clean("%s: whoami" % what, self.argv(people[-1], "whoami"), 80 if i % 2 else 40)
        for i, (what, text) in enumerate(HOSTILE):
            topic = people[i].topic(text.replace("\0", ""))
            people[i].post(topic, text.replace("\0", ""), text.replace("\0", ""))
        ctl = [harness.CONVENECTL, "-c", node.config]
        self.link.send("ERROR", pb.Error(code=pb.Code.Value("SHUTTING_DOWN"),
                                         text="".join(text for _, text in HOSTILE).encode()))
        self.link.close()
        wait_for(lambda: node.peers()["rogue.example"]["last_error"], 10)
        mallory = people[0]
        node.ctl("revoke", "mal0", "--reason", "stolen")
        for _, text in HOSTILE[:5]:
            try:
                mallory.post(self.node.forum_topic, text, text)
            except harness.CommandFailure:
                pass
        for _, text in HOSTILE:
            people[1].convene("post", self.node.forum_topic, "--draft", "--file", "-", "--subject",
                              re.sub("[\0\r\n]", "", text), stdin=text.encode())
        self.alice.convene("sync", *[topic["id"] for topic in self.alice.topics()])
        for columns in (80, 40):
            self.clean("topics", self.argv(self.alice, "topics"), columns)
            said = self.clean("outbox", self.argv(mallory, "outbox"), columns)
            tap.ok(said.count("refused ") >= 5, "with what was refused", said)
            self.clean("drafts", self.argv(people[1], "drafts"), columns)
            self.clean("a draft", self.argv(people[1], "drafts", "show", "1"), columns)
            self.clean("search", self.argv(self.alice, "search", "end"), columns)
            self.clean("sync", self.argv(self.alice, "sync", "--list"), columns)
            said = self.clean("read what sync keeps", self.argv(
                self.alice, "--offline", "read", self.fake), columns)
            tap.equal(self.items_named(said), [self.fake[:8]], "with one heading")
            for command in ("people", "peers", "status"):
                said = self.clean("convenectl " + command, ctl + [command], columns)
            tap.ok("rogue.example" in said, "status names the peer", said)
        self.clean("a topic that is not there", self.argv(self.alice, "threads", HOSTILE[0][1]))
        self.clean("a command that is not there", self.argv(self.alice, HOSTILE[3][1]))
        self.clean("people as JSON", ctl + ["people", "--json"], 60000)
        log = node.log.read_bytes()
        tap.ok(not faults(log.replace(b"\t", b" ")), "the daemon's log", *faults(log)[:3])

    def handles(self):
        """The registrar refuses a handle that can be taken for another one."""
        for handle in ("a1ice", "аlice", "alіce", "ALICE", "alice\u200d", "ali\u0441e"):
            try:
                person = self.node.enrol(handle)
                self.tap.ok(False, "%a is refused" % handle, "it is %s" % person.handle)
            except harness.CommandFailure as error:
                self.tap.ok(error.code in (2, 5, 6, 7) and not faults(error.err.encode()),
                            "%a is refused beside alice" % handle, error)
                self.tap.say(error.err)


def main(tap):
    with harness.Forum(["a.example", "rogue.example"], edges=[], terms=["--admit", "1"]) as forum:
        node = forum[0]
        node.start()
        node.wait_sealing()
        tests = Terminals(tap, forum)
        try:
            tests.alice = node.enrol("alice", name="Alice")
            node.forum_topic = tests.alice.topic("Everything")
            tests.reading()
            tests.handles()
            tests.harm()
            tests.lists()
        finally:
            if tests.tmux:
                tests.tmux.close()


if __name__ == "__main__":
    harness.tap_run(main)
