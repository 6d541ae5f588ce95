# SPDX-License-Identifier: BSD-2-Clause
"""A forum with something of everything that a page can show: scripts, quotations, attachments,
amendments, erasures, what is hidden, and an archive."""
import sys

sys.dont_write_bytecode = True

import archives  # noqa: E402
from harness import Forum, ring  # noqa: E402

NAMES = ["isoc.example", "ripe.example", "apc.example"]
ERASED = "marzipanklotz that was erased"
HIDDEN = "quincejelly that is hidden here"
WHY = "Names a private person's address"
HOSTILE = ('<script>alert("x")</script> <img src=x onerror=alert(1)> &amp; \' " '
           "\u202ereversed\u202c and javascript:alert(1) http://example.org/\"onmouseover=\"x "
           "]]> <!-- -->\n")
LONG_QUOTE = "".join("> line %d of a long quotation that nobody wants to read again here\n" % n
                     for n in range(12))

ARABIC = ("من يحتفظ بسجل النقاش بين اجتماعين؟ نقترح أن تحتفظ كل منظمة بنسختها الخاصة من السجل، "
          "وأن يكون من الممكن لأي شخص التحقق منها.\n\nانظر https://example.org/record?id=7 للتفاصيل.\n")
CHINESE = "两次会议之间由谁保存记录？我们建议每个组织都保存自己的副本，任何人都可以核对。\n"
RUSSIAN = "Кто хранит записи между двумя встречами? Пусть каждая организация хранит свою копию.\n"
FRENCH = ("Qui conserve les débats entre deux réunions ? Chaque organisation devrait garder sa copie, "
          "et chacun devrait pouvoir la vérifier.\n")


class World:
    """lists: (title, mbox) of archives to bring along."""

    erased_words, hidden_words = ERASED, HIDDEN

    def __init__(self, forum, lists=()):
        self.forum, self.lists = forum, lists
        self.home = forum[0]

    def fill(self):
        forum = self.forum
        isoc, ripe, apc = forum.nodes
        forum.start()
        self.alice = isoc.enrol("alice", name="Alice Liddell", group="civil society")
        self.tomas = ripe.enrol("tomas", name="Tomás Ó Briain", group="technical community")
        self.laila = apc.enrol("laila", name="ليلى حداد", group="academia")
        self.wei = ripe.enrol("wei")
        self.topic = self.alice.topic("Roadmap for the next meeting")
        self.other = self.laila.topic("اللغات والكتابات")
        self.settle()
        self.talk()
        self.oddities()
        for title, path in self.lists:
            self.bring(title, path)
        self.settle()
        return self

    def settle(self):
        self.forum.settle(120)

    def bring(self, title, path):
        """An archive, as a topic of its own."""
        archivist = archives.Archivist(self.home, "archivist%d" % len(title))
        topic = archivist.topic(title)
        archivist.bring("mbox", path, topic, timeout=1200)
        return topic

    def talk(self):
        alice, tomas, laila, wei = self.alice, self.tomas, self.laila, self.wei
        self.root = alice.post(
            self.topic, "Who keeps the record between two meetings?",
            "Between two meetings most of what is said is lost: it stands in mailboxes, in minutes "
            "that nobody finds, and on sites that go away.\n\n"
            "I would like us to agree on three things:\n\n"
            "- every organisation keeps a copy of its own\n"
            "- anybody can check that nothing was changed\n"
            "- what was said can be found again\n\n"
            "See https://example.org/minutes/2026/03/roadmap.html (and its annex).\n")
        self.settle()
        self.reply = tomas.reply(self.root,
                                 "> Between two meetings most of what is said is lost\n\n"
                                 "Not lost, but not found either. A log that is only appended to, "
                                 "and heads that others cosign, would be enough for us.\n\n"
                                 "    member          entries   root\n"
                                 "    ripe.example        212   9f0c62ab\n"
                                 "    apc.example          17   c131c421\n\n-- \nTomás\n")
        self.arabic = laila.reply(self.root, ARABIC)
        self.settle()
        self.chinese = wei.reply(self.arabic, CHINESE)
        self.settle()
        self.russian = tomas.reply(self.chinese, RUSSIAN)
        self.french = alice.reply(self.root, FRENCH)
        self.settle()
        self.long = laila.reply(self.french, LONG_QUOTE + "\nAgreed.\n")
        self.settle()
        deep = self.reply
        for n in range(9):
            who = (alice, wei)[n % 2]
            deep = who.reply(deep, "A short answer, the %dth of them in a row.\n" % (n + 1))
            self.settle()
        self.other_root = laila.post(self.other, "كيف نقرأ بعضنا بعضا؟", ARABIC + ARABIC)

    def oddities(self):
        alice, tomas = self.alice, self.tomas
        folder = self.forum.folder
        paper = folder / "Contribution (final) – “draft”.pdf"
        paper.write_bytes(b"%PDF-1.4\n" + b"not really\n" * 3000)
        note = folder / "notes.html"
        note.write_text("<script>alert('attached')</script>\n")
        self.parts = [paper, note]
        self.attached = alice.reply(self.root, "Our contribution is attached.\n",
                                    attach=[paper, note])
        self.amended = tomas.reply(self.root, "Frist words.\n")
        self.erased = alice.reply(self.root, ERASED + "\n")
        self.hidden = tomas.post(self.topic, "A subject that is hidden", HIDDEN + "\n")
        self.hostile = alice.post(self.topic, '<b onclick="x">bold</b> & "quoted" </title>', HOSTILE)
        self.lost = tomas.reply(self.hostile, "An answer to something odd.\n")
        self.settle()
        tomas.convene("amend", self.amended, "--file", "-", stdin=b"First words, amended.\n")
        alice.convene("erase", self.erased, "--yes")
        self.settle()
        self.home.ctl("hide", self.hidden, "--reason", WHY)

    def store(self, node=None):
        return (node or self.home).folder / "data/convene.db"


def world(lists=()):
    return Forum(NAMES, ring(3), purpose="Dialogue between meetings, across stakeholder groups, "
                 "languages and scripts.")
