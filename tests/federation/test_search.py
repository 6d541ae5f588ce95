#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Search: what is found is what is there, in every script, and nothing that isn't shown.

Two nodes. 40 questions and more in five languages about seven lists, asked at the node that did not
bring them, against a plain look through every text (NFKC, case folded; whole words where a script
has spaces). Then: what was amended, erased and hidden; kills while the index is made; an index that
is thrown away or damaged, views made anew, a node that has none; and queries that nobody should ask.

    test_search.py [--seed N]
"""
import argparse
import contextlib
import os
import pathlib
import random
import re
import sys
import time
import unicodedata

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import archives  # noqa: E402
from archives import Archivist  # noqa: E402
from harness import CommandFailure, Forum, Participant, pair, poll, tap_run  # noqa: E402
from rogue import Guest, pb  # noqa: E402

ASKED = {
    "Portuguese": ["não", "configuração", "servidor", "usuário", "também", "versão", "código",
                   "informações"],
    "Spanish": ["también", "mañana", "función", "además", "sábado", "reunión", "gracias", "código"],
    "French": ["où", "méthode", "problème", "contrôleur", "requête", "formulaire", "merci",
               "déjà"],
    "Russian": ["письмо", "написал", "внимание", "только", "если", "список", "номер", "будет"],
    "Chinese": ["公司", "系统", "企业", "时间", "问题", "北京", "答复", "主题", "任何", "手机", "谢谢", "地址",
                "水", "有限公司"],
}
HAN = "\u3400-\u9fff\u3040-\u30ff"
TEXTS = {
    "latin": ("Gläserne Übergangsfristen", "Zwölf Boxkämpfer jagen Viktor quer.\n", "boxkämpfer"),
    "greek": ("Ξεσκεπάζω", "την ψυχοφθόρα βδελυγμία\n", "ΨΥΧΟΦΘΌΡΑ"),
    "cyrillic": ("Булки", "Съешь ещё этих мягких французских булок.\n", "французских"),
    "arabic": ("نص", "صِف خَلقَ خَودِ كَمِثلِ الشَمسِ إِذ بَزَغَت.\n", "خلق"),
    "hebrew": ("דג סקרן", "דג סקרן שט לו בים זך.\n", "סקרן"),
    "devanagari": ("ऋषियों", "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा\n", "राक्षसों"),
    "han": ("天地玄黃", "日月盈昃辰宿列張寒來暑\n往秋收冬藏.\n", "暑往"),
    "kana": ("いろは", "色は匂へど散りぬるを我が世誰ぞ\n", "散りぬる"),
    "hangul": ("훈민정음", "나랏말싸미 중국에 달아 문자와로\n", "중국"),
    "thai": ("ไทย", "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า\n", "มนุษย์"),
    "khmer": ("ភាសា", "ខ្ញុំអាចញ៉ាំកញ្ចក់បាន\n", "កញ្ចក់"),
    "emoji": ("🦉🦔🦦", "🍇🍈🍉🍊🍋 and nothing else\n", "🍉🍊"),
}


def fold(text):
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return re.sub("(?<=[%s])\\s*\n\\s*(?=[%s])" % (HAN, HAN), "", text)


class Page:
    """Somebody who asks one node, by the protocol alone."""

    def __init__(self, node):
        self.node = node
        self.guest = Guest(("127.0.0.1", node.port), bytes.fromhex(node.status()["forum"]),
                           timeout=60)
        self.stream = 0

    def ask(self, query, before=0, limit=100):
        """(ids, next), or what the node says instead."""
        self.stream += 1
        self.guest.send("SEARCH", pb.Search(query=query.encode(), before=before, limit=limit),
                        self.stream)
        found = []
        while True:
            name, stream, answer = self.guest.receive()
            if name == "PING":
                self.guest.send("PONG", answer, 0)
                continue
            if name == "ERROR":
                return answer.text.decode(), None
            assert (name, stream) == ("ITEMS", self.stream)
            found += list(answer.items)
            if answer.last:
                return found, answer.next

    def all(self, query):
        found, before = [], 0
        while True:
            page, before = self.ask(query, before)
            if before is None:
                raise AssertionError("%r: %s" % (query, page))
            found += page
            if not before:
                break
        arrivals = [item.arrival for item in found]
        assert arrivals == sorted(set(arrivals), reverse=True), "newest first, once each"
        return found

    def ids(self, query):
        return {item.message for item in self.all(query)}

    def close(self):
        self.guest.close()


def search(node, query):
    page = Page(node)
    with contextlib.closing(page):
        return page.all(query)


def texts(node, query):
    """What is found, as text."""
    return sorted(archives.spec.parse_content(item.content).text.decode() for item in
                  search(node, query))


def caught_up(node, seconds=60):
    """Until the index has all that the node shows."""
    def done():
        status = node.status()
        state = status["search"]
        return state and not state["behind"] and state["missing"] == 0 and \
            status["inbox"] == 0 and state
    return poll(lambda: "the index of %s is not there: %s" % (node, node.status()["search"]),
                seconds, done)


# ---- what is found ----

def held_texts(node, topics):
    for topic in topics:
        for post in archives.held(node, topic):
            content = post.content
            fields = [content.subject.decode(), content.text.decode(),
                      *(part.name.decode() for part in content.parts)]
            if content.HasField("imported"):
                fields.append(content.imported.author.decode())
            yield post.id, [fold(field) for field in fields]


def expected(posts, word):
    folded = fold(word)
    if re.search("[%s]" % HAN, folded):
        pattern = re.compile(re.escape(folded))
    else:
        pattern = re.compile("(?<!\\w)%s(?!\\w)" % re.escape(folded))
    return {i for i, fields in posts if any(pattern.search(field) for field in fields)}


def message_id(forum, item):
    return archives.spec.parse_message(item.message, forum, item.log).id


def languages(tap, forum, archivist):
    sources = archives.sources("multilingual/*.mbox*")
    if archives.missing(sources):
        tap.skip("languages", "without the corpus: %s" % archives.missing(sources))
        return
    topics = []
    for path in sources:
        topics.append(archivist.topic(archives.name_of(path)))
        archivist.bring("mbox", archives.unpacked(path, forum.folder), topics[-1])
    forum.settle(120)
    for node in forum:
        state = caught_up(node, 120)
    posts = list(held_texts(forum[0], topics))
    size = sum(len(text.encode()) for _, fields in posts for text in fields)
    tap.ok(state["bytes"] <= size, "the index of %d posts takes %.2f of their text: %d of %d bytes" % (
        len(posts), state["bytes"] / size, state["bytes"], size), state)
    name = bytes.fromhex(forum[1].status()["forum"])
    page = Page(forum[1])
    wanted_all = found_all = common_all = pairs = 0
    for language, words in ASKED.items():
        worst = []
        for word in words:
            wanted = expected(posts, word)
            found = {message_id(name, item) for item in page.all(word)}
            wanted_all, found_all = wanted_all + len(wanted), found_all + len(found)
            common_all += len(wanted & found)
            pairs += language == "Chinese" and len(word) == 2
            precision = len(wanted & found) / len(found) if found else 0
            if not wanted or wanted - found or precision < 0.95:
                worst.append("%s: %d there, %d found, %d of them there" % (
                    word, len(wanted), len(found), len(wanted & found)))
        tap.ok(not worst, "%s: %d words, each found wherever it is, and hardly elsewhere" % (
            language, len(words)), *worst)
    page.close()
    tap.ok(common_all == wanted_all and common_all >= 0.95 * found_all and pairs >= 10,
           "%d questions, %d of two Han characters: recall %.3f, precision %.3f" % (
               sum(map(len, ASKED.values())), pairs, common_all / wanted_all,
               common_all / found_all))


def scripts(tap, forum, alice, topic):
    for subject, text, _ in TEXTS.values():
        alice.post(topic, subject, text)
    forum.settle()
    for node in forum:
        caught_up(node)
    for script, (subject, text, word) in TEXTS.items():
        for node in forum:
            tap.equal(texts(node, word), [text], "%s: %r is found at %s" % (script, word, node))
    b = forum[1]
    tap.equal(texts(b, "ubergangsfristen"), [TEXTS["latin"][1]], "without its mark, in a subject")
    tap.equal(texts(b, "boxkåmpfer"), [], "a mark that is another is not")
    tap.equal(texts(b, "box"), [], "nor a part of a word")
    tap.equal(texts(b, '"jagen viktor" -deich'), [TEXTS["latin"][1]], "a phrase, and what is not")
    tap.equal(texts(b, '"viktor jagen"'), [], "a phrase has an order")
    tap.equal(texts(b, "viktor -boxkämpfer"), [], "what is to be left out is")
    tap.equal(len(search(b, "by:alice@a.example topic:%s" % topic[:12])), 1 + len(TEXTS),
              "all of a person in a topic")
    tap.equal(len(search(b, "by:alice")), 1 + len(TEXTS), "wherever they are")
    tap.equal(len(search(b, "by:alice@b.example")), 0, "and of nobody else")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    tap.equal(texts(b, "viktor since:%s until:%s" % (today, today)), [TEXTS["latin"][1]], "of today")
    tap.equal(texts(b, "viktor until:2020-12-31"), [], "not of before")


def languages_tagged(tap, forum, alice, topic):
    alice.convene("post", topic, "--subject", "Tagged", "--lang", "fr-CA", "--file", "-",
                  stdin="étiquette\n".encode())
    forum.settle()
    caught_up(forum[1])
    tap.equal([len(search(forum[1], "etiquette lang:" + tag)) for tag in ("fr", "FR-ca", "fr-FR", "f")],
              [1, 1, 0, 0], "by language, or its beginning")


# ---- what is not ----

def changes(tap, forum, alice, topic):
    b = forum[1]
    amended = alice.post(topic, "Before", "unamended wording here\n")
    erased = alice.post(topic, "Doomed", "ephemeralword and so on\n")
    hidden = alice.post(topic, "Hideous", "concealedword and so on\n")
    forum.settle()
    caught_up(b)
    tap.equal([len(search(b, word)) for word in ("unamended", "ephemeralword", "concealedword")],
              [1, 1, 1], "three texts are found")
    alice.convene("amend", amended, "--file", "-", stdin=b"amended wording here\n")
    alice.convene("erase", erased, "--yes")
    b.ctl("hide", hidden, "--reason", "a test")
    forum.settle()
    poll("the erased is still found", 30, lambda: not search(b, "ephemeralword"))
    caught_up(b)
    tap.equal([len(search(b, word)) for word in ("unamended", "amended", "ephemeralword",
                                                 "concealedword")],
              [0, 1, 0, 0], "amended, erased, hidden: only what is shown is found")
    tap.equal(len(search(forum[0], "concealedword")), 1, "what another node hides is found here")
    page = Page(b)
    # Who tells that there is more tells what is in it.
    with contextlib.closing(page):
        for query in ("concealedword", "concealedword hideous", "by:alice concealedword"):
            tap.equal(page.ask(query, limit=1), ([], 0),
                      "%r: nor is it said that there is more to see" % query)
    b.ctl("unhide", hidden)
    tap.equal(len(search(b, "concealedword")), 1, "and again when it isn't hidden any more")


def hostile(tap, forum, alice, topic):
    # Marks on one letter, in an order that takes the square of their number to mend.
    # (The client's own normalizing takes it, too, before it posts.)
    alice.post(topic, "Marked", "wholly e" + "\u0300\u0316" * 60000 + " markedword\n")
    began = time.monotonic()
    forum.settle()
    caught_up(forum[1])
    tap.equal(len(search(forum[1], "markedword")), 1, "what stands behind 120,000 marks is found")
    took = time.monotonic() - began
    tap.ok(took < 10, "%.1f s after it came" % took)
    page = Page(forum[1])
    for query, said in (("", "needs a word"), ("-nothing", "something that is to be there"),
                        ("since:yesterday", "day"), ("lang:", "language"), ("topic:12", "topic"),
                        ("a " * 33, "too many"), ("x" * 1025, "too long"), ("--- ... !", "a word")):
        answer = page.ask(query)
        tap.ok(answer[1] is None and said in answer[0], "%.20r is refused with a sentence" % query,
               answer)
    page.guest.send("SEARCH", pb.Search(query=b"\xff\xfe"), 9000)
    name, stream, answer = page.guest.receive()
    tap.ok(name == "ERROR" and stream == 9000, "what is no text, too", answer)
    for query in ('"%s"' % ("a " * 500), " ".join(["the"] * 32), "的" * 340, "a" * 1024,
                  " ".join("-w%d" % i for i in range(31)) + " de", '"' * 1000 + " a"):
        began = time.monotonic()
        page.ask(query, limit=1000000)
        took = time.monotonic() - began
        tap.ok(took < 2, "%.20r… is answered in %.2f s" % (query, took))
    # Many at once: an answer or BUSY for each, in any order, and the node goes on.
    for stream in range(10000, 10050):
        page.guest.send("SEARCH", pb.Search(query=b"de OR la -nothing", limit=1), stream)
    answers = []
    while len(answers) < 50:
        name, stream, answer = page.guest.receive()
        if name == "ERROR" or (name == "ITEMS" and answer.last):
            answers.append((stream, name, answer.code if name == "ERROR" else None))
    tap.equal(sorted(stream for stream, _, _ in answers), list(range(10000, 10050)),
              "50 at once on one connection: each is answered once")
    tap.ok({code for _, _, code in answers} <= {None, pb.BUSY} and
           any(name == "ITEMS" for _, name, _ in answers), "or told to wait", answers)
    found, _ = page.ask("viktor", limit=1)
    tap.equal(len(found), 1, "and the next is answered as ever")
    page.close()


# ---- the index goes, and comes back ----

def files_of(node):
    return sorted((node.folder / "data" / "search").glob("*"))


def everything(node):
    """What a node finds of some words, for comparison."""
    page = Page(node)
    with contextlib.closing(page):
        return {word: page.ids(word) for word in ("de", "viktor", "暑往", "also", "by:alice", "amended")}


def throw_away(tap, forum, rng):
    b = forum[1]
    before = everything(b)
    b.ctl("rebuild")
    forum.settle()
    caught_up(b, 120)
    tap.equal(everything(b), before, "views and index made anew find the same")
    b.stop()
    for path in files_of(b):
        path.unlink()
    b.start()
    caught_up(b, 120)
    tap.equal(everything(b), before, "so does an index after it was thrown away")
    b.stop()
    victim = max(files_of(b), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    for _ in range(20):
        data[rng.randrange(len(data))] ^= 0xff
    victim.write_bytes(data)
    b.start()
    caught_up(b, 120)
    tap.ok(any("begins anew" in line for line in b.log_lines()), "a damaged one is told of")
    tap.equal(everything(b), before, "and begins anew")
    b.stop()
    b.set_options(search="no")
    b.start()
    tap.ok(not files_of(b) and b.status()["search"] is None, "search = no: there is none")
    page = Page(b)
    answer = page.ask("viktor")
    page.close()
    tap.ok(answer[1] is None and "no search" in answer[0], "which a client is told", answer)
    b.stop()
    b.set_options(search="yes")
    b.start()
    caught_up(b, 120)
    tap.equal(everything(b), before, "and there is again")


def kills(tap, forum, archivist, topic, rng, count):
    """The index is begun anew, and killed amid that, again and again."""
    b = forum[1]
    before = everything(b)
    b.stop()
    for path in files_of(b):
        path.unlink()
    b.start()
    poll("there is no index", 30, lambda: files_of(b))
    for i in range(count):
        time.sleep(rng.random() * 1.2)
        b.kill()
        b.start()
        if i % 4 == 0:
            archivist.person.post(topic, "Amid", "killedamid %d\n" % i)
    forum.wait_frontiers_equal(60)
    forum.settle(60)
    caught_up(b, 120)
    tap.equal(everything(b), before, "%d kills while it was made: it finds the same" % count)
    tap.equal(len(search(b, "killedamid")), (count + 3) // 4, "and what came meanwhile")
    told = b.log.read_text().rpartition("---- start %d\n" % (b.starts - count + 1))[2]
    tap.ok("begins anew" not in told, "no kill has cost what was there", told)


def commands(tap, forum, alice, topic):
    bob = Participant(alice.node, "bob", forum.folder / "people" / "bob")
    bob = forum[1].enrol("bob")
    found = bob.convene("search", "viktor")
    tap.ok(len(found["items"]) == 1 and "Viktor" in found["items"][0]["snippet"]
           and not found["more"], "convene search asks the node where nothing is kept", found)
    many = bob.convene("search", "by:alice", "--limit", "3", "--topic", "Topic 0")
    tap.ok(len(many["items"]) == 3 and many["more"], "in a topic, and no more than asked for")
    try:
        bob.convene("search", "since:never")
        tap.ok(False, "a bad query is refused")
    except CommandFailure as failure:
        tap.ok("2026-01-31" in failure.args[0], "a bad query is refused with a sentence", failure)
    here = [i["id"] for i in bob.convene("search", "boxkämpfer")["items"]]
    bob.convene("sync")
    for query in ("boxkämpfer", "暑往", '"jagen viktor"', "by:alice@a.example viktor", "viktor -zwölf",
                  "ubergangsfristen", "viktor lang:zz"):
        kept = {i["id"] for i in bob.convene("search", query, "--offline", "--limit", "1000")["items"]}
        page = search(forum[1], query)
        name = bytes.fromhex(forum[1].status()["forum"])
        posts = {message_id(name, item).hex() for item in page}
        tap.equal(kept, posts, "a copy and the node agree about %s" % query)
    tap.ok(here, "which is something")


def main(tap):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--kills", type=int, default=12)
    given = parser.parse_args()
    tap.say("--seed %d" % given.seed)
    rng = random.Random(given.seed)
    with Forum(["a.example", "b.example"], edges=pair()) as forum:
        forum.start()
        alice = forum[0].enrol("alice")
        topic = alice.topic("Topic 0")
        scripts(tap, forum, alice, topic)
        languages_tagged(tap, forum, alice, topic)
        archivist = Archivist(forum[0])
        languages(tap, forum, archivist)
        changes(tap, forum, alice, topic)
        hostile(tap, forum, alice, topic)
        commands(tap, forum, alice, topic)
        throw_away(tap, forum, rng)
        kills(tap, forum, archivist, topic, rng, given.kills)
        forum.stop()


if __name__ == "__main__":
    tap_run(main)
