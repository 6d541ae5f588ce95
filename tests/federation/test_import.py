#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Archives come into a topic whole, once, and in their threads, whatever is killed meanwhile.

The archives are made here: mails that answer others by References and In-Reply-To, some whose
beginning nobody has, some that refer to themselves or in a circle, one without an id, some that are
no good. Then the node's answers are meddled with: it is busy, takes a part, refuses one mail for
good, breaks off. And importer and node are killed at random moments of an import, and a post is
written in between with the same device.

    test_import.py [--kills N] [--seed N]
"""
import argparse
import collections
import gzip
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True

from harness import CONVENECTL, CommandFailure, Forum, poll, run, tap_run  # noqa: E402
from rogue import FRAMES, pb  # noqa: E402

LIMIT = 65536
KILLED_MAILS = 4000
MEDDLED_MAILS = 3000
REPORT = ("mails", "imported", "present", "repeated", "repeated_other_text", "refused")


def stamp(n):
    return time.gmtime(1000000000 + 600 * n)


def mail(n, identifier=None, references=(), answers=None, text="Text.", extra=()):
    lines = ["From someone at example.org  " + time.asctime(stamp(n)),
             "From: someone at example.org (Person %d)" % (n % 7),
             "Date: " + time.strftime("%a, %d %b %Y %H:%M:%S +0000", stamp(n)),
             "Subject: Matter %d" % n]
    if references:
        lines.append("References: " + "\n\t".join("<%s>" % r for r in references))
    if answers:
        lines.append("In-Reply-To: <%s>" % answers)
    if identifier:
        lines.append("Message-ID: <%s>" % identifier)
    return "\n".join(lines + list(extra) + ["", text, "", ""])


class Archivist:
    def __init__(self, node, person):
        self.node, self.person, self.config = node, person, node.config

    def words(self, form, paths, topic, *more):
        return [str(w) for w in (CONVENECTL, "-c", self.config, "import", form, "--home",
                                 self.person.home, "--topic", topic, "--json", *more, *paths)]

    def run(self, form, paths, topic, *more):
        """(exit code, report)"""
        paths = paths if isinstance(paths, list) else [paths]
        done = subprocess.run(self.words(form, paths, topic, *more), capture_output=True,
                              timeout=120, check=False)
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            return done.returncode, {"error": {"text": done.stderr.decode()}}

    def start(self, form, path, topic, patience=30):
        return subprocess.Popen(self.words(form, [path], topic, "--patience", patience),
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def everything(person, topic, count):
    """Items of a topic once there are `count`, and none after a moment more."""
    follower, items = person.follow(), []

    def collect():
        for item in follower.items():
            if item.get("kind") == "post" and item["topic"]["id"] == topic:
                items.append(item)
    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    try:
        poll(lambda: "%d of %d posts came" % (len(items), count), 60, lambda: len(items) >= count)
        time.sleep(0.5)
    finally:
        follower.stop()
        thread.join(10)
    return items


def tree(items):
    """Message-ID: that of the post that it answers, or None."""
    names = {i["id"]: i["content"]["imported"]["message_id"] for i in items}
    return {names[i["id"]]: names[i["parent"]["id"]] if "parent" in i else None for i in items}


# ---- one of each kind ----

def threads(tap, archivist, folder, name):
    path = folder / "threads.mbox"
    wanted = {"a1": None, "a2": "a1", "a3": "a2", "a4": "a1", "late": None, "early": "late",
              "g1": None, "g2": "g1", "g3": "g2", "self": None, "c1": "c2", "c2": None,
              "alone": None}
    path.write_text("".join([
        mail(1, "a1"), mail(2, "a2", ["a1"]), mail(3, "a3", ["a1", "a2"]),
        mail(4, "a4", ["a1"], "nobody"), mail(5, "early", [], "late"), mail(6, "late"),
        mail(7, "g1", ["ghost"]), mail(8, "g2", [], "ghost"), mail(9, "g3", ["ghost", "g2"]),
        mail(10, "self", ["self"]), mail(11, "c1", ["c2"]), mail(12, "c2", ["c1"]),
        mail(13, "alone"), mail(14, None, ["a1"]), mail(15, "a2", ["a1"], text="Other text."),
        mail(16, "alone").replace("10 ", "10 "),
        mail(17, "large", ["a1"], text="Much text. " * 10000),
        mail(18, "under-large", ["a1", "large"])]))
    wanted.update({"under-large": "a1", "": "a1"})
    topic = archivist.person.topic(name)
    code, report = archivist.run("mbox", path, name)
    tap.equal(code, 7, "an import with a refused mail ends with 7")
    tap.equal([report[k] for k in REPORT], [18, 15, 0, 2, 2, 1], "all mails are accounted for")
    refusal = report["refusals"][0]
    tap.equal((refusal["file"], refusal["mail"], path.read_text().splitlines()[
        refusal["line"] - 1][:5]), (str(path), 17, "From "), "the refused mail is named")
    tap.ok("limit" in refusal["reason"], "and why", refusal["reason"])
    tap.equal([r["mail"] for r in report["repeats"]], [15, 16],
              "mails that differ from an earlier one of their id are named")
    tap.ok("mail 2 (line" in report["repeats"][0]["reason"], "with that", report["repeats"][0])
    items = everything(archivist.person, topic, 15)
    tap.equal(tree(items), wanted, "what answers what")
    tap.equal(report["threads"], len({i["thread"] for i in items}), "as many threads")
    tap.ok(all(i["signature"] == "good" and i["content_check"] == "good" for i in items),
           "all signatures and contents are good")
    first = next(i for i in items if i["content"]["imported"]["message_id"] == "a1")
    tap.equal((first["time"], first["content"]["imported"]["source"], first["content"]["subject"]),
              (1000000600000, "threads.mbox", "Matter 1"), "date, source and subject")
    return topic, path


def again(tap, archivist, topic, path, name):
    code, report = archivist.run("mbox", path, name)
    tap.equal((code, report["imported"], report["present"]), (7, 0, 15), "a second time adds none")
    os.unlink(archivist.person.home / "import.db")
    code, report = archivist.run("mbox", path, name)
    tap.equal((code, report["imported"], report["present"]), (7, 0, 15),
              "nor does it when the journal is lost")
    later = path.with_name("later.mbox")
    later.write_text("".join([mail(20, "h1", ["a3"]), mail(21, "h2", ["ghost"]),
                              mail(22, "ghost"), mail(23, "h3", [], "h1")]))
    code, report = archivist.run("mbox", later, name)
    tap.equal((code, report["imported"]), (0, 4), "a later archive goes in")
    got = tree(everything(archivist.person, topic, 19))
    tap.equal([got[k] for k in ("h1", "h2", "ghost", "h3")], ["a3", "ghost", "g1", "h1"],
              "below what the topic had, also where that came first")
    code, report = archivist.run("mbox", [path, later], name)
    tap.equal((report["imported"], report["present"]), (0, 19), "both together add none")


def squatted(tap, archivist, squatter, folder, name):
    """Somebody else's posts that call themselves by the archive's ids, or answer its mails."""
    forged, path = folder / "forged.mbox", folder / "squatted.mbox"
    forged.write_text("".join([
        mail(1, "s1", text="Forged."), mail(2, "s3", text="Forged too."),
        mail(3, "trap", ["s1", "s3", "s5", "nobody-has-it"], text="All below me.")]))
    path.write_text("".join([
        mail(1, "s1"), mail(2, "s2", ["s1"]), mail(3, "s3"), mail(4, "s4", ["s3"]),
        mail(5, "s5"), mail(6, "s6", ["nobody-has-it"])]))
    topic = archivist.person.topic(name)
    code, report = squatter.run("mbox", forged, name)
    tap.equal((code, report["imported"]), (0, 3), "somebody squats on Message-IDs")
    code, report = archivist.run("mbox", path, name)
    tap.equal((code, report["imported"], report["present"]), (0, 6, 0),
              "which keeps none of the archive out")
    items = everything(archivist.person, topic, 9)
    own = [i for i in items if i.get("handle") == "archivist"]
    names = {i["id"]: i["content"]["imported"]["message_id"] for i in own}
    tap.equal({names[i["id"]]: names.get(i["parent"]["id"], "a stranger's") if "parent" in i
               else None for i in own},
              {"s1": None, "s2": "s1", "s3": None, "s4": "s3", "s5": None, "s6": None},
              "and none of its threads below what isn't of it")
    code, report = squatter.run("mbox", path, name)
    tap.equal((code, report["imported"], report["present"]), (0, 0, 6),
              "the same content by somebody else is there already")
    os.unlink(archivist.person.home / "import.db")
    code, report = archivist.run("mbox", path, name)
    tap.equal((code, report["imported"], report["present"]), (0, 0, 6),
              "and one's own, when the journal is lost")


def folders(tap, archivist, folder, name):
    maildir = folder / "maildir"
    for sub in ("cur", "new", "tmp"):
        (maildir / sub).mkdir(parents=True)
    for i, sub in enumerate(("cur", "new", "tmp")):
        text = mail(30 + i, "m%d" % i, ["m0"] if i else []).split("\n", 1)[1]
        (maildir / sub / ("%d.x:2,S" % i)).write_text(text)
    (maildir / "dovecot-uidlist").write_text("3 V1")
    (maildir / "cur" / "0.link").symlink_to(maildir / "tmp" / "2.x:2,S")
    (maildir / "new" / "7.broken").write_text("no header\nat all\n")
    topic = archivist.person.topic(name)
    code, report = archivist.run("mail", maildir, name)
    tap.equal((code, [report[k] for k in REPORT]), (7, [3, 2, 0, 0, 0, 1]), "a maildir")
    tap.equal(report["refusals"][0]["file"], str(maildir / "new/7.broken"), "and what is no mail")
    texts = folder / "texts"
    (texts / "deep").mkdir(parents=True)
    (texts / "one.txt").write_bytes(b"\n  A caf\xe9 \nand more\n")
    (texts / "deep/two.md").write_text("x" * 300 + "\n")
    (texts / "empty.txt").write_text("\n")
    (texts / "wide.txt").write_text("In UTF-16", "utf-16-le")
    (texts / "other.bin").write_text("no\n")
    code, report = archivist.run("text", texts, name, "--author", "Ann", "--date", "2014-03-31")
    tap.equal((code, [report[k] for k in REPORT]), (7, [4, 2, 0, 0, 0, 2]), "a folder of texts")
    items = everything(archivist.person, topic, 4)
    one = next(i for i in items if i["content"]["imported"]["source"] == "one.txt")
    tap.equal((one["content"]["subject"], one["content"]["imported"]["author"], one["time"]),
              ("A caf\xe9", "Ann", 1396224000000), "a text's subject, author, and date")
    os.unlink(archivist.person.home / "import.db")
    code, report = archivist.run("text", texts, name)
    tap.equal((report["imported"], report["present"]), (0, 2),
              "the same texts with another date add none")


def exported(tap, archivist, folder, name):
    """What was written here, exported, is known when it comes back, and so are answers to it."""
    topic = archivist.person.topic(name)
    first = archivist.person.post(topic, "First", "Written here.")
    archivist.person.reply(first, "An answer, written here.")
    path = folder / "exported.mbox"
    archivist.node.wait_sealing()
    poll("the posts are not folded", 10, lambda: len(archivist.person.read(first, whole=True)) == 2)
    path.write_text(mail(40, "outside", ["%s@%s" % (first, archivist.node.name)]))
    archivist.node.ctl("export", "mbox", "--topic", topic, "--output", folder / "out.mbox")
    text = (folder / "out.mbox").read_text()
    posts = [m for m in text.split("\nFrom ") if "X-Convene-Kind: topic" not in m]
    path.write_text(path.read_text() + "".join(
        (m if m.startswith("From ") else "From " + m).rstrip("\n") + "\n\n" for m in posts))
    code, report = archivist.run("mbox", path, name)
    tap.equal((code, [report.get(k) for k in REPORT]), (0, [3, 1, 2, 0, 0, 0]),
              "an export's own posts are known")
    got = [i for i in everything(archivist.person, topic, 3) if "imported" in i["content"]]
    tap.equal([i["parent"]["id"] for i in got], [first], "and one from outside answers one of them")


def rehearsal(tap, archivist, path):
    out = run([CONVENECTL, "import", "mbox", "--dry-run", "--json", path], env={
        "CONVENE_HOME": "/nonexistent"})
    report = json.loads(out)
    tap.equal((report["mails"], report["imported"], report["refused"], report["dry_run"]),
              (18, 16, 0, True), "a rehearsal wants neither node nor home")


# ---- what can be wrong ----

def sentences(tap, forum, archivist, path, name):
    def fails(code, word, what, *words, node=forum[0], home=archivist.person.home):
        try:
            run([CONVENECTL, "-c", node.config, "import", *words], env={"CONVENE_HOME": str(home)})
            tap.ok(False, what, "it went well")
        except CommandFailure as failure:
            tap.ok(failure.code == code and word in failure.err, what, failure.code, failure.err)
    fails(5, "no topic", "a topic that isn't there", "mbox", path, "--topic", "Nowhere")
    fails(1, "--topic", "no topic at all", "mbox", path)
    fails(5, "nothing.mbox", "a file that isn't there", "mbox", "nothing.mbox", "--topic", name)
    fails(6, "import mail", "a folder for a file", "mbox", path.parent, "--topic", name)
    fails(1, "charset", "an unknown charset", "mbox", path, "--topic", name, "--charset", "nonsense-8")
    fails(6, "joined", "a home that isn't one", "mbox", path, "--topic", name, home="/nonexistent")
    fails(4, forum[1].name, "another node's participant", "mbox", path, "--topic", name,
          home=forum.stranger.home)
    packed = path.with_name("packed.mbox.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    fails(7, "gunzip", "a compressed file", "mbox", packed, "--topic", name)
    fails(5, "pipe", "standard input", "mbox", "-", "--topic", name)
    fails(1, "future", "a date to come", "text", path.parent, "--topic", name, "--date", "2999-01-01")
    fails(1, "import mail", "half a command")
    helped = run([CONVENECTL, "import", "--help"])
    tap.ok(all("import " + form in helped for form in ("mbox", "mail", "text")),
           "help with half a command names the whole ones", helped)
    forum[1].stop()
    fails(3, "no daemon", "a node that is down", "mbox", path, "--topic", name, node=forum[1],
          home=forum.stranger.home)


# ---- a node with moods ----

class Meddler(threading.Thread):
    """Stands before the control socket. Whatever it says is what a node may say, and what it lets
    pass the node has truly taken."""

    def __init__(self, path, real, rng):
        super().__init__(daemon=True)
        self.path, self.real, self.rng = path, real, rng
        self.moods = collections.Counter()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.start()

    def run(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        node = socket.socket(socket.AF_UNIX)
        node.connect(str(self.real))
        threading.Thread(target=self.answers, args=(node, client), daemon=True).start()
        try:
            while self.request(client, node):
                pass
        except OSError:
            pass
        for end in (client, node):
            end.close()

    @staticmethod
    def frame(end):
        def take(count):
            data = b""
            while len(data) < count:
                more = end.recv(count - len(data))
                if not more:
                    raise OSError
                data += more
            return data
        head = take(9)
        return head[4], int.from_bytes(head[5:], "big"), take(int.from_bytes(head[:4], "big"))

    @staticmethod
    def send(end, kind, stream, payload):
        end.sendall(len(payload).to_bytes(4, "big") + bytes([kind]) + stream.to_bytes(4, "big")
                    + payload)

    def answers(self, node, client):
        try:
            while True:
                self.send(client, *self.frame(node))
        except OSError:
            client.close()

    def request(self, client, node):
        kind, stream, payload = self.frame(client)
        if kind != FRAMES["SUBMIT"]:
            self.send(node, kind, stream, payload)
            return True
        submit = pb.Submit.FromString(payload)
        bad = next((i for i, s in enumerate(submit.submissions)
                    if pb.Content.FromString(s.content).subject.startswith(b"Refuse")), None)
        mood = self.rng.choice(["good", "good", "busy", "part", "part", "gone", "lost"])
        if mood == "good" and bad is None:
            self.moods["good"] += 1
            self.send(node, kind, stream, payload)
            return True
        if mood == "busy":
            self.moods["busy"] += 1
            self.send(client, FRAMES["ERROR"], stream, pb.Error(
                code=pb.BUSY, text=b"too much").SerializeToString())
            return True
        count = self.rng.randrange(len(submit.submissions) + (mood != "part"))
        code = self.rng.choice([pb.BUSY, pb.QUOTA, pb.READ_ONLY, pb.INTERNAL])
        if bad is not None and bad <= count:
            count, code, mood = bad, pb.TOO_LARGE, "refused"
        self.moods[mood] += 1
        return self.part(client, node, stream, submit, count, code if mood != "lost" else None,
                         mood == "gone")

    def part(self, client, node, stream, submit, count, code, gone):
        """The node gets the first `count`, over a connection of our own; the rest is refused."""
        total, outcomes = len(submit.submissions), []
        del submit.submissions[count:]
        if count:
            with socket.socket(socket.AF_UNIX) as own:
                own.connect(str(self.real))
                self.send(own, FRAMES["SUBMIT"], 1, submit.SerializeToString())
                kind, _, payload = self.frame(own)
            if kind != FRAMES["SUBMITTED"]:
                return False
            outcomes = list(pb.Submitted.FromString(payload).outcomes)
        if code is None or gone:
            return False
        while len(outcomes) < total:
            outcomes.append(pb.Outcome(status=pb.REFUSED, text=b"a mood", code=pb.NOT_FIRST
                                       if len(outcomes) > count else code))
        self.send(client, FRAMES["SUBMITTED"], stream, pb.Submitted(
            outcomes=outcomes).SerializeToString())
        return True


def meddled(tap, archivist, folder, rng):
    """Refused ones are answered by what they answer; the first answer to one that answers nothing
    stands for it."""
    mails = answers(rng, MEDDLED_MAILS)
    refused = set(rng.sample(list(mails), 12)) | {"k0"}
    path, name = folder / "meddled.mbox", "Meddled"
    path.write_text("".join(
        mail(100 + n, k, references).replace("Subject: ", "Subject: Refuse " if k in refused
                                             else "Subject: ")
        for n, (k, references) in enumerate(mails.items())))
    topic = archivist.person.topic(name)
    meddler = Meddler(folder / "meddled.sock", archivist.node.folder / "data/convened.sock", rng)
    archivist.config = archivist.node.config.with_name("meddled.conf")
    archivist.config.write_text(re.sub(
        r"(?m)^node {$", 'node {\n\tcontrol = "%s"' % meddler.path,
        archivist.node.config.read_text(), count=1))
    code, report = archivist.run("mbox", path, name)
    archivist.config = archivist.node.config
    meddler.listener.close()
    tap.equal((code, report.get("imported"), report.get("refused")),
              (7, len(mails) - len(refused), len(refused)),
              "with a moody node all come but the refused (%s)" % dict(meddler.moods))
    tap.equal({r["mail"] for r in report.get("refusals", [])},
              {n + 1 for n, k in enumerate(mails) if k in refused}, "and those are named")
    items = everything(archivist.person, topic, len(mails) - len(refused))
    count = collections.Counter(i["content"]["imported"]["message_id"] for i in items)
    tap.ok(set(count) == set(mails) - refused and max(count.values()) == 1, "each is there once")
    heirs = {}

    def parent(k):
        above = mails[k][-1] if mails[k] else None
        while above in refused:
            if not mails[above]:
                first = heirs.setdefault(above, k)
                return first if first != k else None
            above = mails[above][-1]
        return above
    got = tree(items)
    wrong = [(k, got[k], parent(k)) for k in mails
             if k not in refused and got[k] != parent(k)]
    tap.ok(not wrong, "each answers the right one", wrong[:5])


# ---- kills ----

def answers(rng, count):
    """A large archive: {id: (references, answers)}, in its order."""
    mails = collections.OrderedDict()
    for n in range(count):
        names = list(mails)
        if n == 0 or rng.random() < 0.2:
            mails["k%d" % n] = []
        else:
            parent = names[-1 - min(int(rng.expovariate(0.05)), n - 1)]
            mails["k%d" % n] = (mails[parent] + [parent])[-8:]
    return mails


class Killing:
    def __init__(self, tap, archivist, topic, path, rng):
        self.tap, self.archivist, self.topic, self.path, self.rng = tap, archivist, topic, path, rng
        self.between = 0
        self.kills = collections.Counter()

    def begin(self):
        return self.archivist.start("mbox", self.path, self.topic)

    def post(self):
        self.between += 1
        self.archivist.person.post(self.topic, "Between %d" % self.between, "Written by hand.")

    def step(self, importer):
        """Kill something; returns an importer that runs."""
        time.sleep(self.rng.choice([0.02, 0.1, 0.25, 0.4]) * self.rng.random())
        if importer.poll() is None and self.rng.random() < 0.35:
            self.kills["node"] += 1
            self.archivist.node.kill()
            self.archivist.node.start()
            return importer
        if importer.poll() is None:
            self.kills["importer"] += 1
            importer.send_signal(signal.SIGKILL)
        importer.communicate()
        if self.rng.random() < 0.3:
            self.post()
        return self.begin()


def interrupted(tap, archivist, path, name):
    """Whoever stops an import is told what that leaves, and the shell that it was a signal."""
    with open(path.with_name("said"), "w+", encoding="utf-8") as said:
        importer = subprocess.Popen(archivist.words("mbox", [path], name), stderr=said,
                                    stdout=subprocess.DEVNULL)
        poll("nothing was imported", 20, lambda: importer.poll() is not None or sum(
            t["posts"] for t in archivist.person.topics() if t["title"] == name))
        importer.send_signal(signal.SIGINT)
        tap.equal(importer.wait(30), -signal.SIGINT, "an interrupted import ends by the signal")
        said.seek(0)
        text = said.read()
    tap.ok("interrupted" in text and "same command" in text, "and says how to go on", text)
    # What is told as done is in an export without waiting.
    code, report = archivist.run("mbox", path, name)
    whole = json.loads(archivist.node.ctl("--json", "export", "ndjson", "-t", name, "-o",
                                          path.with_name("whole")))
    tap.equal((code, whole["posts"], whole["waiting"]), (0, report["mails"], 0),
              "what is imported is in the log when the command ends")


def killed(tap, archivist, folder, kills, rng):
    mails = answers(rng, KILLED_MAILS)
    path, name = folder / "killed.mbox", "Killed"
    path.write_text("".join(
        mail(100 + n, identifier, references, text="Some text %d. " % n * rng.randrange(1, 200))
        for n, (identifier, references) in enumerate(mails.items())))
    archivist.person.topic("Interrupted")
    interrupted(tap, archivist, path, "Interrupted")
    topic = archivist.person.topic(name)
    importer = archivist.start("mbox", path, name, patience=1)
    poll("nothing was imported", 20, lambda: importer.poll() is not None or sum(
        t["posts"] for t in archivist.person.topics() if t["id"] == topic))
    archivist.node.kill()
    tap.equal(importer.wait(30), 3, "when the node stays away, that is said with 3")
    archivist.node.start()
    work = Killing(tap, archivist, name, path, rng)
    importer = work.begin()
    while sum(work.kills.values()) < kills:
        if importer.poll() is not None and len(work.kills) and importer.returncode == 0:
            # All is in: begin again, as if on another machine, with a fresh topic.
            tap.say("whole after %s" % dict(work.kills))
            verify(tap, archivist, topic, mails, work)
            name += "+"
            topic = archivist.person.topic(name)
            work.topic, work.between = name, 0
            importer = work.begin()
        importer = work.step(importer)
    code = importer.wait(120)
    if code == 3:  # the node was away while it began
        importer = work.begin()
        code = importer.wait(120)
    tap.equal(code, 0, "the last import ends well after %s" % dict(work.kills))
    verify(tap, archivist, topic, mails, work)
    work.post()
    code, report = archivist.run("mbox", path, name)
    tap.equal((code, report["imported"], report["present"]), (0, 0, len(mails)),
              "once more adds none")
    os.unlink(archivist.person.home / "import.db")
    code, report = archivist.run("mbox", path, name)
    tap.equal((code, report["imported"], report["present"]), (0, 0, len(mails)),
              "nor without the journal")


def verify(tap, archivist, topic, mails, work):
    items = everything(archivist.person, topic, len(mails) + work.between)
    own = [i for i in items if "imported" not in i["content"]]
    count = collections.Counter(i["content"]["imported"]["message_id"] for i in items
                                if "imported" in i["content"])
    tap.equal(sorted(i["content"]["subject"] for i in own),
              sorted("Between %d" % (n + 1) for n in range(work.between)),
              "%d posts by hand are there once" % work.between)
    tap.ok(set(count) == set(mails) and max(count.values()) == 1, "every mail is there once",
           "%d missing, %s" % (len(set(mails) - set(count)), count.most_common(3)))
    got = tree([i for i in items if "imported" in i["content"]])
    wrong = [k for k, references in mails.items()
             if got.get(k) != (references[-1] if references else None)]
    tap.ok(not wrong, "every mail answers the right one", wrong[:5])


def main(tap, args):
    rng = random.Random(args.seed)
    tap.say("seed %d" % args.seed)
    with Forum(["a.example", "b.example"], edges=[], limits={"posts_per_hour": "40"},
               terms=["--content-limit", LIMIT]) as forum:
        forum.start()
        node = forum[0]
        archivist = Archivist(node, node.enrol("archivist"))
        forum.stranger = forum[1].enrol("stranger")
        topic, path = threads(tap, archivist, forum.folder, "Threads")
        again(tap, archivist, topic, path, "Threads")
        squatted(tap, archivist, Archivist(node, node.enrol("squatter")), forum.folder,
                 "Squatted")
        folders(tap, archivist, forum.folder, "Folders")
        exported(tap, archivist, forum.folder, "Exported")
        rehearsal(tap, archivist, path)
        sentences(tap, forum, archivist, path, "Threads")
        code, report = archivist.run("mbox", path, "Threads", "--remote")
        tap.equal((code, report.get("present")), (7, 15), "over the network, too")
        node.set_options(posts_per_hour="100000")
        node.hangup()
        meddled(tap, archivist, forum.folder, rng)
        killed(tap, archivist, forum.folder, args.kills, rng)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10 ** 6))
    tap_run(main, parser.parse_args())
