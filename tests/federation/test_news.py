#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The news server of real nodes, read by slrn, tin and Python's nntplib, and by a script that gives
every command that a reader uses right and wrong arguments.

Two nodes, one of them with TLS, tell the same groups and articles; what is in an article is compared
with the node's export, mail by mail; numbers outlive a restart and views made anew; what is erased
is gone; and python-committers has the References of the list's own archive.
"""
import email
import email.policy
import mailbox
import os
import pathlib
import re
import signal
import ssl
import subprocess
import sys
import time
import unicodedata
import warnings

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parent))

import archives  # noqa: E402
import news  # noqa: E402
from archives import archive  # noqa: E402
from harness import CONVENED, Forum, pair, poll, tap_run  # noqa: E402
from news import Line, Screen  # noqa: E402
from test_export import decoded, text_of  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import nntplib  # Python 3.11 is the last that has it

POSTS = [
    ("First draft", "A line.\n.\n..and dots\nFrom here on.\n", False),
    (None, "no newline at the end", True),
    ("שלום לכולם", "טקסט בעברית, מימין לשמאל.\nשורה שנייה עם English באמצע.\n", False),
    (None, "نص عربي\n", True),
    ("关于治理的讨论", "第一行。\n第二行没有换行", False),
    (None, "回复。\n\n> quoted\n", True),
    ("Long " + "word " * 60 + "end", "x" * 2000 + "\n" + "é" * 600 + "\n", False),
    ("=?utf-8?B?bm90IHRoaXM=?= stands here", "tab\there, trailing space \n.\n", False),
    ("Émile  two spaces", "> \n\n", False),
]
SECRET = "Unwiederbringlichkeitsbeweis"


def write(forum, people, topic, files):
    last, wanted = None, {}
    for number, (subject, text, answers) in enumerate(POSTS):
        who = people[number % 2]
        attach = files if number in (0, 3) else ()
        if answers:
            forum.settle()
            last = who.reply(last, text, attach=attach, raw=True)
        else:
            last = who.post(topic, subject, text, attach=attach, raw=True)
        wanted[last] = (who, text)
    forum.settle()
    return wanted


# ---- the same everywhere ----

def articles_of(line, group):
    """{X-Convene-Id: mail}, by number; the number is in `mail.number`."""
    found = {}
    for number in map(int, line.ask("LISTGROUP " + group)[1]):
        raw = line.article(number)
        mail = email.message_from_bytes(raw, policy=email.policy.compat32)
        mail.number, mail.raw = number, raw
        found[mail["X-Convene-Id"]] = mail
    return found


def compare_export(tap, node, articles, wanted):
    """Each article with the mail that `convenectl export mbox` makes of the same post."""
    path = node.folder.with_suffix(".mbox")
    path.unlink(missing_ok=True)
    node.ctl("export", "mbox", "--output", path)
    bad, compared = [], 0
    for mail in mailbox.mbox(path):
        i = mail["X-Convene-Id"]
        if i not in articles:
            continue
        compared += 1
        got = articles[i]
        for field in ("Message-ID", "From", "Date", "In-Reply-To", "Content-Language",
                      "X-Convene-Log", "X-Convene-Topic", "X-Convene-Imported-By"):
            if got[field] != mail[field]:
                bad.append("%s: %s is %r, and %r in the export" % (i, field, got[field], mail[field]))
        if (got["References"] or "").split() != (mail["References"] or "").split():
            bad.append("%s: References differ" % i)
        if mail["Subject"] and decoded(got["Subject"]) != decoded(mail["Subject"]):
            bad.append("%s: Subject %r" % (i, got["Subject"]))
        if text_of(got).rstrip("\n") != text_of(mail).rstrip("\n"):
            bad.append("%s: text %r" % (i, text_of(got)))
        if mail.is_multipart() and [p.get_payload(decode=True) for p in got.get_payload()[1:]] != [
                p.get_payload(decode=True) for p in mail.get_payload()[1:]]:
            bad.append("%s: parts" % i)
        missing = [f for f in ("Path", "From", "Newsgroups", "Subject", "Date", "Message-ID",
                               "Injection-Date", "Xref", "MIME-Version") if not got[f]]
        if missing:
            bad.append("%s lacks %s" % (i, missing))
        for text in got.raw.split(b"\n"):
            if len(text) > 998 or not is_utf8(text):
                bad.append("%s: a line that must not be: %.60r" % (i, text))
    tap.ok(compared == len(articles) and not bad, "%d articles say what the export says: ids, authors, "
           "references, texts, parts" % compared, *bad[:10])


def is_utf8(text):
    try:
        text.decode()
    except UnicodeError:
        return False
    return True


def same_everywhere(tap, forum, lines, wanted):
    groups = [line.groups() for line in lines]
    tap.equal(list(groups[0]), list(groups[1]), "both nodes have groups of the same names")
    described = [sorted(line.ask("LIST NEWSGROUPS")[1]) for line in lines]
    tap.ok(described[0] == described[1] and any("治理" in text for text in described[0]),
           "and the same descriptions, in every script", *described[0])
    group = next(name for name in groups[0] if "internet-principles" in name)
    tap.ok(re.fullmatch(r"test\.internet-principles-[0-9a-f]{16}", group), "a group is called %s" % group)
    tap.ok(any(re.fullmatch(r"test\.topic-[0-9a-f]{16}", name) for name in groups[0]),
           "one without Latin letters has its digits")
    found = [articles_of(line, group) for line in lines]
    tap.equal(sorted(found[0]), sorted(found[1]), "both have the same articles")
    tap.equal(len(found[0]), len(wanted) + 1, "one for each post, and one for the topic")
    ids = [{i: (mail["Message-ID"], mail["References"]) for i, mail in each.items()}
           for each in found]
    tap.ok(ids[0] == ids[1], "with the same Message-IDs and References")
    for node, articles in zip(forum, found):
        compare_export(tap, node, articles, wanted)
    return group, found[0]


# ---- every command ----

def conversation(tap, line, group, articles):
    """Each command, right and wrong, and what its answer has to begin with."""
    count = len(articles)
    first = next(mail for mail in articles.values() if mail.number == 1)["Message-ID"]
    other = next(name for name in line.groups() if name != group)
    script = [
        ("CAPABILITIES", r"101 "), ("CAPABILITIES AUTOUPDATE", r"101 "), ("MODE READER", r"201 "),
        ("MODE STREAM", r"501 "), ("ARTICLE 1", r"412 "), ("NEXT", r"412 "), ("OVER 1-", r"412 "),
        ("GROUP no.such", r"411 "), ("GROUP", r"501 "), ("GROUP %s" % group,
                                                         r"211 %d 1 %d %s$" % (count, count, group)),
        ("group %s extra" % group, r"501 "), ("STAT", r"223 1 <"), ("LAST", r"422 "),
        ("NEXT", r"223 2 <"), ("LAST", r"223 1 <"), ("STAT %d" % count, r"223 %d <" % count),
        ("NEXT", r"421 "), ("STAT %d" % (count + 1), r"423 "), ("STAT 0", r"423 "),
        ("STAT abc", r"501 "), ("STAT <nobody@nowhere>", r"430 "), ("STAT %s" % first, r"223 1 <"),
        ("ARTICLE %s" % first, r"220 1 <"), ("HEAD 2", r"221 2 <"), ("BODY 2", r"222 2 <"),
        ("ARTICLE", r"220 2 <"), ("ARTICLE 99999999999999", r"423 "),
        ("LISTGROUP", r"211 %d 1 %d " % (count, count)), ("LISTGROUP %s 2-3" % group, r"211 "),
        ("LISTGROUP %s 5-x" % group, r"501 "), ("LISTGROUP no.such", r"411 "),
        ("GROUP %s" % other, r"211 "), ("STAT %s" % first, r"223 0 <"),
        ("GROUP %s" % group, r"211 "),
        ("OVER", r"224 "), ("OVER 1-", r"224 "), ("OVER %d-" % (count + 1), r"423 "),
        ("OVER %s" % first, r"224 "), ("OVER <nobody@nowhere>", r"430 "), ("OVER 1-x", r"501 "),
        ("XOVER 2-3", r"224 "), ("XOVER %d-" % (count + 1), r"420 "),
        ("HDR Subject 1-", r"225 "), ("HDR Subject %s" % first, r"225 "), ("HDR :bytes 2", r"225 "),
        ("HDR :lines", r"225 "), ("HDR X-None 1-2", r"225 "), ("HDR :none 1", r"503 "),
        ("HDR", r"501 "), ("XHDR From 1-3", r"221 "), ("XHDR Lines 1", r"221 "),
        ("XPAT Subject 1- *draft*", r"221 "), ("XPAT Subject 1-", r"501 "),
        ("LIST", r"215 "), ("LIST ACTIVE %s" % group, r"215 "), ("LIST ACTIVE.TIMES", r"215 "),
        ("LIST COUNTS", r"215 "), ("LIST NEWSGROUPS test.*,!*topic*", r"215 "),
        ("LIST OVERVIEW.FMT", r"215 "), ("LIST HEADERS", r"215 "), ("LIST SUBSCRIPTIONS", r"215 "),
        ("LIST HEADERS RANGE", r"215 "), ("LIST DISTRIB.PATS", r"503 "), ("LIST ACTIVE [a]", r"501 "),
        ("NEWGROUPS 20200101 000000 GMT", r"231 "), ("NEWGROUPS 200101 000000", r"231 "),
        ("NEWGROUPS 2020 000000", r"501 "), ("NEWGROUPS 20201301 000000", r"501 "),
        ("NEWNEWS * 20200101 000000 GMT", r"230 "), ("NEWNEWS test.* 990101 000000", r"230 "),
        ("NEWNEWS * 20200101", r"501 "), ("DATE", r"111 \d{14}$"), ("DATE x", r"501 "),
        ("HELP", r"100 "), ("POST", r"440 .*convene"), ("IHAVE <a@b>", r"500 "),
        ("AUTHINFO USER x", r"500 "), ("NONSENSE", r"500 "), ("", r"501 "), ("x" * 600, r"501 "),
        ("STAT \0", r"501 "), ("QUIT", r"205 "),
    ]
    bad, known = [], set()
    for command, pattern in script:
        code, _ = line.ask(command)
        known.add(command.split(" ")[0].upper())
        if not re.match(pattern, code):
            bad.append("%.60s: %s" % (command, code))
    tap.ok(not bad, "%d commands are answered as RFC 3977 says" % len(script), *bad)
    try:
        line.line()
        bad = ["it goes on after QUIT"]
    except EOFError:
        bad = []
    tap.ok(not bad, "and QUIT ends it")
    return known


def helps(tap, port, context, known):
    with Line(port, context) as line:
        named = {text.split()[0] for text in line.ask("HELP")[1] if text.startswith("  ")}
        named = {name.rstrip(":") for name in named}
        tap.equal(named - known, set(), "and no command that HELP names was left out")
        overview = line.ask("LIST OVERVIEW.FMT")[1]
        tap.equal(overview, ["Subject:", "From:", "Date:", "Message-ID:", "References:", "Bytes:",
                             "Lines:", "Xref:full"], "overviews have the fields that readers expect")


def overviews(tap, port, group, articles):
    """Overview, headers and articles agree; sizes are those of what is sent."""
    bad = []
    with Line(port) as line:
        line.ask("GROUP " + group)
        rows = [row.split("\t") for row in line.ask("OVER 1-")[1]]
        for row in rows:
            mail = next(m for m in articles.values() if m.number == int(row[0]))
            unfold = lambda text: re.sub(r"\n(?=[ \t])", "", text or "")  # noqa: E731
            body = mail.raw.split(b"\n\n", 1)[1]
            want = [row[0], *(unfold(mail[f]) for f in (
                "Subject", "From", "Date", "Message-ID", "References")),
                str(len(mail.raw.replace(b"\n", b"\r\n"))), str(body.count(b"\n")),
                "Xref: " + mail["Xref"]]
            if row != want:
                bad.append("%r\n%r" % (row, want))
        tap.ok(rows and not bad, "%d overviews say what the articles say" % len(rows), *bad[:3])
        head = line.ask("HEAD 2")[1]
        whole = line.ask("ARTICLE 2")[1]
        body = line.ask("BODY 2")[1]
        tap.ok(whole == head + [""] + body, "ARTICLE is HEAD, an empty line, and BODY")
        ids = {text for text in line.ask("NEWNEWS %s 20200101 000000" % group)[1]}
        tap.equal(ids, {m["Message-ID"] for m in articles.values()}, "NEWNEWS names every article")
        later = time.strftime("%Y%m%d %H%M%S", time.gmtime(time.time() + 3600))
        tap.equal(line.ask("NEWNEWS * %s" % later)[1], [], "and none of the future")


# ---- newsreaders ----

def by_nntplib(tap, port, context, group, articles):
    connect = (lambda: nntplib.NNTP_SSL("localhost", port, ssl_context=context)) if context else (
        lambda: nntplib.NNTP("127.0.0.1", port))
    with connect() as server:
        server.set_debuglevel(0)
        _, listed = server.list()
        count, first, last, name = server.group(group)[1:]
        tap.equal((group in [g.group for g in listed], int(count), int(first), int(last), name),
                  (True, len(articles), 1, len(articles), group),
                  "nntplib chooses a group%s" % (", over TLS" if context else ""))
        _, rows = server.over((1, last))
        bad = []
        for number, row in rows:
            _, info = server.article(row["message-id"])
            mail = email.message_from_bytes(b"\r\n".join(info.lines))
            if mail["Subject"].split() != row["subject"].split() or int(row[":bytes"]) <= 0:
                bad.append("%d: %s" % (number, row))
        subjects = [nntplib.decode_header(row["subject"]) for _, row in rows]
        tap.ok(len(rows) == len(articles) and not bad and "关于治理的讨论" in subjects,
               "and reads overviews and articles, in every script", *bad[:3], subjects)
        tap.equal(server.description(group), "Internet principles", "and the group's description")
        try:
            server.post(b"Subject: x\r\n\r\nx\r\n")
            said = ""
        except nntplib.NNTPTemporaryError as error:
            said = str(error)
        tap.ok(said.startswith("440 ") and "convene" in said, "posting is answered with where to write",
               said)


def by_slrn(tap, forum, port, group):
    why = news.lacks("slrn")
    if why:
        tap.skip("slrn", why)
        return
    rc = forum.folder / "slrnrc"
    rc.write_text('set hostname "reader.example"\nset wrap_flags 3\n')
    argv = ["slrn", "-i", rc, "-f", forum.folder / "jnewsrc", "--create", "-h", "127.0.0.1", "-p", port]
    with Screen(forum.folder, "slrn", argv) as screen:
        text = screen.wait(r"test\.internet")
        tap.ok(re.search(r"\b10\s+%s" % re.escape(group[:30]), text), "slrn lists the group with its 10 articles",
               text)
        screen.keys("Enter")
        text = screen.wait(r"First draft", again="Enter")
        tap.ok("שלום" in text and "关于治理的讨论" in text and re.search(r"2 First draft", text),
               "slrn shows threads, in every script", text)
        rows = [row for row in text.splitlines() if ":[" in row]
        down = next(i for i, row in enumerate(rows) if "First draft" in row)
        screen.keys(*["Down"] * down, "Enter")
        text = screen.wait(r"and dots")
        tap.ok(re.search(r"^\.\n\.\.and dots", text, re.M), "slrn shows an article", text)
        screen.keys("q")
        time.sleep(0.3)
        screen.keys("q", "q")


def by_tin(tap, forum, port, group):
    why = news.lacks("tin")
    if why:
        tap.skip("tin", why)
        return
    home = forum.folder / "tin"
    home.joinpath(".tin").mkdir(parents=True, exist_ok=True)
    home.joinpath(".newsrc").write_text(group + ":\n")
    argv = ["tin", "-r", "-g", "127.0.0.1", "-p", port, "-f", home / ".newsrc"]
    with Screen(forum.folder, "tin", argv) as screen:
        text = screen.wait(r"Group Selection|Welcome to tin")
        if "Welcome" in text:
            screen.keys("Enter")
            text = screen.wait(r"Group Selection")
        tap.ok(re.search(r"\b10\s+test\.internet", text), "tin lists the group with its 10 articles", text)
        screen.keys("Enter")
        text = screen.wait(r"First draft")
        tap.ok("关于治理的讨论" in text and "שלום" in text, "tin shows threads, in every script", text)
        screen.keys("Enter")
        text = screen.wait(r"A line|Internet principles|Re: ")
        tap.ok("ENDED" not in text, "tin shows an article", text)
        screen.keys("q", "q", "q")


# ---- many at once ----

def pipelined(tap, port, group, count):
    with Line(port) as line:
        line.ask("GROUP " + group)
        rounds = 2000
        began = time.monotonic()
        line.send("".join("ARTICLE %d\r\n" % (i % count + 1) for i in range(rounds)))
        good = sum(line.answer()[0].startswith("220 %d " % (i % count + 1)) for i in range(rounds))
        took = time.monotonic() - began
        tap.equal(good, rounds, "%d articles that were asked for at once come in order: %d a second" % (
            rounds, rounds / took))


def worker_of(node):
    """The process that serves news."""
    for path in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            name, pid = path.read_text().strip(), int(path.parent.name)
            if not name.startswith("convened-nntp-"):
                continue
            parent = int(re.search(r"PPid:\s+(\d+)", path.with_name("status").read_text()).group(1))
            above = pathlib.Path("/proc/%d/status" % parent).read_text()
            if int(re.search(r"PPid:\s+(\d+)", above).group(1)) == node.process.pid:
                return pid
        except OSError:
            continue
    return None


def memory_of(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path("/proc/%d/status" % pid).read_text()).group(1))


def slow_readers(tap, node, port, group):
    """Who asks for much and takes nothing costs little, and holds nobody up."""
    pid = worker_of(node)
    before = memory_of(pid)
    lines = [Line(port, buffer=4096) for _ in range(8)]
    for line in lines:
        line.send("GROUP %s\r\n" % group)
        line.socket.settimeout(0.5)
        try:
            for _ in range(300):
                line.send("OVER 1-\r\n" * 100)
        except TimeoutError:
            pass
    began = time.monotonic()
    with Line(port) as line:
        good = line.ask("GROUP " + group)[0].startswith("211")
    took, grown = time.monotonic() - began, memory_of(pid) - before
    # A sanitizer keeps for a while what was given back.
    most = 8 * (600 if b"__asan_init" not in CONVENED.read_bytes() else 20000)
    tap.ok(good and took < 5 and grown < most, "eight that ask for 30,000 overviews and take none "
           "cost %d KiB, and others are answered in %d ms" % (grown, took * 1000))
    for line in lines:
        line.close()


def large_answers(tap, forum, node, port, alice, topic):
    """Readers who ask for large articles and take nothing: their memory is bounded in sum."""
    path = forum.folder / "large.bin"
    path.write_bytes(os.urandom(900000))
    post = alice.post(topic, "A large one", "See there.\n", attach=[path])
    forum.settle()
    name = "<%s@%s>" % (post, node.name)

    def there():
        with Line(port) as line:
            return line.ask("STAT " + name)[0].startswith("223")
    poll("the large article does not come", 20, there)
    pid = worker_of(node)
    before, lines = memory_of(pid), []
    for _ in range(160):
        lines.append(Line(port, buffer=4096))
        lines[-1].send("ARTICLE %s\r\n" % name * 4)
    time.sleep(3)
    grown = memory_of(pid) - before
    # A sanitizer keeps for a while what was given back.
    most = 120000 if b"__asan_init" not in CONVENED.read_bytes() else 600000
    tap.ok(grown < most, "160 readers who take nothing of large articles cost %d KiB" % grown)
    tap.ok(there(), "and another one is answered")
    for line in lines:
        line.socket.close()


def crowds(tap, node, port, context):
    """No more than connections_per_address from one address; others are let in."""
    limit = int(re.search(r"nntp .*connections_per_address = (\d+)", node.config.read_text()).group(1))
    lines, refused = [], None
    for _ in range(limit + 1):
        try:
            line = Line(port, context, source="127.0.0.2")
            if not line.greeting.startswith("201"):
                raise EOFError(line.greeting)
            lines.append(line)
        except (EOFError, OSError) as error:
            refused = error
    with Line(port, context, source="127.0.0.3") as other:
        tap.ok(len(lines) == limit and refused and other.greeting.startswith("201"),
               "an address has %d connections, and another one still gets in" % limit, refused)
    for line in lines:
        line.close()


def hashes_of(node):
    return {path: hash(path.read_bytes()) for path in archive.files_of(node.folder)
            if path.suffix != ".sock"} | {node.log: hash(node.log.read_bytes())}


def unknown_readers(tap, node, port, context):
    """10,000 requests from 50 addresses: none of them is in any file."""
    before = hashes_of(node)
    sources = ["127.94.83.%d" % (i + 10) for i in range(50)]
    for source in sources:
        with Line(port, context, source=source) as line:
            line.send("LIST\r\nDATE\r\nXYZZY\r\nARTICLE <a@b>\r\n" * 50)
            for _ in range(200):
                line.answer()
    after = hashes_of(node)
    found = []
    for path, value in after.items():
        data = path.read_bytes()
        if b"127.94.83." in data:
            found.append(path)
        # Four bytes come about by chance; not in what has not changed.
        if before.get(path) != value and bytes([127, 94, 83]) in data:
            found.append(path)
    tap.ok(not found, "10,000 requests from 50 addresses leave none of them in the %d files of the node" %
           len(after), *found)


# ---- what stays, and what goes ----

def numbers_of(port, group):
    with Line(port) as line:
        line.ask("GROUP " + group)
        return {text.split(" ", 1)[1]: int(text.split(" ", 1)[0])
                for text in line.ask("HDR Message-ID 1-")[1]}


def numbers_stay(tap, forum, node, port, group, alice):
    before = numbers_of(port, group)
    node.stop()
    node.start()
    news.wait_articles(port, len(before) + 1)
    tap.equal(numbers_of(port, group), before, "a restart changes no number")
    node.ctl("rebuild")
    forum.settle()
    pid = worker_of(node)
    os.kill(pid, signal.SIGKILL)
    poll("no other is started", 20, lambda: worker_of(node) not in (None, pid))
    news.wait_articles(port, len(before) + 1)
    tap.equal(numbers_of(port, group), before, "nor do views made anew, and a server that was killed")
    topic = group.rsplit("-", 1)[1]
    alice.post(topic, "After", "Later.")
    news.wait_articles(port, len(before) + 2)
    after = numbers_of(port, group)
    tap.ok({i: n for i, n in after.items() if i in before} == before
           and max(after.values()) == len(before) + 1, "and what comes next gets the next")


def erased(tap, forum, ports, contexts, group, alice, topic):
    secret = alice.post(topic, "About a " + SECRET, "The %s stands here.\n" % SECRET)
    forum.settle()
    lines = [Line(port, context) for port, context in zip(ports, contexts)]
    for line in lines:
        poll("it does not come", 20, lambda: line.ask(
            "ARTICLE <%s@%s>" % (secret, alice.node.name))[0].startswith("220"))
        line.ask("GROUP " + group)
    before = [line.ask("XPAT Subject 1- *%s*" % SECRET)[1] for line in lines]
    alice.convene("erase", secret, "--yes")
    forum.settle()
    name = "<%s@%s>" % (secret, alice.node.name)
    for line in lines:
        poll("it is still there", 20,
             lambda: SECRET not in str(line.ask("ARTICLE " + name)))
        line.ask("GROUP " + group)
    told = [str([line.ask(command) for command in (
        "ARTICLE " + name, "OVER 1-", "XHDR Subject 1-", "XPAT Subject 1- *%s*" % SECRET, "LIST NEWSGROUPS",
        "NEWNEWS * 20200101 000000")]) for line in lines]
    files = [path for node in forum for path in archive.files_of(node.folder / "data" / "news")
             if SECRET.encode() in path.read_bytes()]
    tap.ok(all(before) and not any(SECRET in text for text in told) and not files,
           "what is erased is in no answer of either node, nor in their files of numbers", files)
    first, text = lines[1].ask("ARTICLE " + name)
    tap.ok(first.startswith("220") and any("was erased" in t for t in text)
           and "X-Convene-State: erased" in text, "its place is still there, and says so", *text)
    for line in lines:
        line.close()


SPELT = {"æ": "ae", "œ": "oe", "ß": "ss", "þ": "th", "ð": "d", "đ": "d", "ø": "o", "ł": "l", "ħ": "h",
         "ı": "i"}
TITLES = ["Ærø, Þórr & Straße — Łódź", "What’s next? (2026)", "İstanbul'da 5G", "Đại hội ẤN ĐỘ ǅ",
          "résumé e\u0301toile", "Обсуждение IPv6", "a" * 60, "one two three four five six seven eight nine",
          "!!!", "ﬁne Ｗｉｄｅ x²", "123 456"]


def words_of(title, most):
    """SPEC.md 15.1, by Python's own tables."""
    text = ""
    for c in title:
        if 0x300 <= ord(c) < 0x370 or c in "'\u2019":
            continue
        if c.lower() in SPELT and c != "I":
            c = SPELT[c.lower()]
        elif 0xc0 <= ord(c) < 0x250 or 0x1e00 <= ord(c) < 0x1f00:
            c = unicodedata.normalize("NFD", c)[0]
        c = "".join(chr(ord(d) + 32) if "A" <= d <= "Z" else d for d in c)
        text += c if re.fullmatch("[a-z0-9]+", c) else " "
    words = text.split()
    while len(words) > 1 and len("-".join(words)) > most:
        words.pop()
    return "-".join(words)[:most]


def named(tap, forum, port, alice):
    """Topics in many scripts are called as the specification says."""
    topics = {alice.topic(title): title for title in TITLES}
    forum.settle()

    def groups():
        with Line(port) as line:
            return set(line.groups())

    wanted = {"test.%s-%s" % (words_of(title, 40) or "topic", topic[:16])
              for topic, title in topics.items()}
    poll("the groups are not there", 20, lambda: sum(t[:16] in str(groups()) for t in topics)
         == len(topics))
    tap.equal(sorted(wanted - groups()), [], "%d groups have the names that SPEC.md 15.1 gives them" %
              len(topics))


def renamed(tap, forum, node, port, alice):
    """A title may be amended, a group's name not; an erased one loses its words."""
    topic = alice.topic("Working title")
    forum.settle()
    find = lambda: next((g for g in numbers() if topic[:16] in g), None)  # noqa: E731

    def numbers():
        with Line(port) as line:
            return line.groups()

    def title(group):
        with Line(port) as line:
            return line.ask("LIST NEWSGROUPS " + group)[1]

    poll("the new group does not come", 20, find)
    group = find()
    alice.convene("amend", topic, "--subject", "Another title", stdin=b"")
    forum.settle()
    poll("the new title does not come", 20, lambda: "Another title" in str(title(group)))
    tap.equal(find(), "test.working-title-" + topic[:16], "an amended title leaves the group's name")
    alice.convene("erase", topic, "--yes")
    forum.settle()
    poll("the erased title stays", 20, lambda: find() == "test.topic-" + topic[:16])
    with Line(port) as line:
        tap.ok(line.ask("GROUP " + group)[0].startswith("211 "),
               "an erased one is gone from it; the old name still leads there")


def certificates(tap, forum, node, port, folder):
    before = news.fingerprint(port)
    with Line(port, context_of(folder / "news.pem")) as line:
        pem, key = news.certificate_make(folder, "next")
        os.replace(pem, folder / "news.pem")
        os.replace(key, folder / "news.key")
        node.hangup()
        poll("the new certificate is not used", 20, lambda: news.fingerprint(port) != before)
        tap.ok(line.ask("DATE")[0].startswith("111"), "a new certificate is taken up, and a connection "
               "that is open stays so")
    with Line(port, context_of(folder / "news.pem")) as line:
        tap.ok(line.greeting.startswith("201"), "and who trusts it is let in")
    got = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-tls1_1"],
                         input=b"", capture_output=True).returncode
    tap.ok(got != 0, "TLS before 1.2 is refused")


def context_of(pem):
    return ssl.create_default_context(cafile=pem)


# ---- an archive ----

def archived(tap, forum, node, port):
    source = archives.sources("lists/python-committers.mbox*")
    why = archives.missing(source)
    if why:
        tap.skip("python-committers", why)
        return
    plain = archives.unpacked(source[0], forum.folder)
    original = archives.Original.of(plain)
    archivist = archives.Archivist(node)
    topic = archivist.topic("python-committers")
    report = archivist.bring("mbox", plain, topic)
    group = "test.python-committers-" + topic[:16]
    with Line(port) as line:
        poll("the archive is not there", 60, lambda: line.groups().get(group, (0, 0))[1]
             == report["imported"] + 1)
        line.ask("GROUP " + group)
        began = time.monotonic()
        rows = line.ask("OVER 1-")[1]
        took = time.monotonic() - began
        line.send("".join("HEAD %s\r\n" % row.split("\t")[0] for row in rows))
        heads = {}
        for _ in rows:
            head = archive.Head(("\n".join(line.answer()[1]) + "\n\n").encode())
            heads[head.id] = head
        bad = []
        for i, raw in original.first.items():
            want, got = archive.Head(raw), heads.get(i)
            if got is None:
                bad.append("%s is not there" % i)
            elif got.references != want.references:
                bad.append("%s: %s, and in the archive %s" % (i, got.references, want.references))
        tap.ok(not bad, "python-committers: %d articles have the Message-ID and References of the list's "
               "archive; overviews at %d a second" % (len(original.first), len(rows) / took), *bad[:10])
        threads = archive.partition({i: t for i, t in archive.threads(list(heads.values())).items()
                                     if i in original.first})
        tap.ok(threads == original.partition, "and stand in the same %d threads" % len(original.partition))
        found = sum(line.ask("STAT <%s>" % i)[0].startswith("223") for i in original.first)
        tap.equal(found, len(original.first), "each is found by the Message-ID that it had there")
        rounds = min(len(rows), 5000)
        began = time.monotonic()
        line.send("".join("ARTICLE %d\r\n" % (i + 1) for i in range(rounds)))
        for _ in range(rounds):
            line.answer()
        tap.say("ARTICLE, pipelined on one connection: %d/s" % (rounds / (time.monotonic() - began)))


def main(tap):
    with Forum(["lists.example", "mirror.example"], edges=pair()) as forum:
        pem = news.certificate_make(forum.folder, "news")
        ports = [news.serve(forum[0]), news.serve(forum[1], pem)]
        text = forum[1].config.read_text()
        forum[1].config.write_text(text.rstrip()[:-1] + " connections_per_address = 20 }\n")
        forum.start()
        contexts = [None, context_of(pem[0])]
        alice, bob = forum[0].enrol("alice", name="Alice Élan"), forum[1].enrol("bob", name="Боб")
        topic, other = alice.topic("Internet principles"), alice.topic("治理的讨论")
        forum.settle()
        files = [forum.folder / "résumé.txt", forum.folder / "figure.bin"]
        files[0].write_text("words\n")
        files[1].write_bytes(bytes(range(256)) * 20)
        wanted = write(forum, [alice, bob], topic, files)
        for port, context in zip(ports, contexts):
            news.wait_articles(port, len(wanted) + 2, context)
        lines = [Line(port, context) for port, context in zip(ports, contexts)]
        group, articles = same_everywhere(tap, forum, lines, wanted)
        known = set()
        for line, port, context in zip(lines, ports, contexts):
            line.close()
            with Line(port, context) as fresh:
                known |= conversation(tap, fresh, group, articles)
        helps(tap, ports[1], contexts[1], known)
        overviews(tap, ports[0], group, articles)
        for port, context in zip(ports, contexts):
            by_nntplib(tap, port, context, group, articles)
        by_slrn(tap, forum, ports[0], group)
        by_tin(tap, forum, ports[0], group)
        pipelined(tap, ports[0], group, len(articles))
        slow_readers(tap, forum[0], ports[0], group)
        crowds(tap, forum[1], ports[1], contexts[1])
        unknown_readers(tap, forum[1], ports[1], contexts[1])
        numbers_stay(tap, forum, forum[0], ports[0], group, alice)
        erased(tap, forum, ports, contexts, group, alice, topic)
        renamed(tap, forum, forum[0], ports[0], alice)
        named(tap, forum, ports[0], alice)
        certificates(tap, forum, forum[1], ports[1], forum.folder)
        archived(tap, forum, forum[0], ports[0])
        large_answers(tap, forum, forum[0], ports[0], alice, topic)


if __name__ == "__main__":
    tap_run(main)
