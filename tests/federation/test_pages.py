#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every kind of page, over HTTP, from real nodes with real mail: HTML without an error, links that
lead somewhere, feeds that parse; what was erased or is hidden is nowhere; the same paths at every
node; and two browsers for terminals that walk from the front page to a message of every topic."""
import collections
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.dont_write_bytecode = True

import archives  # noqa: E402
import page_world  # noqa: E402
from harness import Failure, poll, tap_run  # noqa: E402
from page_checks import Page, feed_faults  # noqa: E402
from web_client import Web  # noqa: E402

LIST = archives.sources("lists/python-committers.mbox*")
ARABIC = archives.sources("multilingual/sampler-arabic.mbox*")
MAILS = 400      # of the list: threads of all sizes
OF_A_KIND = 30   # pages that are looked at, and whose links are followed
TRANSLATED = 2   # of them in each other language
KINDS = [
    ("search", r"/search"), ("since", r"/since"), ("feed", r".*/feed|/feed"),
    ("topic", r"/topic/"), ("thread", r"/thread/"), ("part", r"/m/.*/part/"),
    ("raw", r"/m/.*/(raw|content)"), ("proof", r"/m/.*/proof"), ("message", r"/m/"),
    ("author", r"/by/"), ("about", r"/about"), ("help", r"/help"), ("static", r"/static/"),
    ("writing", r"/(join|write|outbox|you)"), ("front", r"/$"),
]


LANGUAGE = re.compile(r"^/(en|ar|es|fr|pt|ru|zh)(?=/)")


def kind_of(path):
    path = LANGUAGE.sub("", path)
    return next((kind for kind, pattern in KINDS if re.match(pattern, path)), "other")


class Crawl:
    """Pages of a node, each asked for once."""

    def __init__(self, tap, web):
        self.tap, self.web = tap, web
        self.answers = {}
        self.looked, self.asked = collections.Counter(), collections.Counter()
        self.faults = collections.defaultdict(list)
        self.bad, self.bodies, self.feeds = [], [], 0

    def get(self, path):
        if path not in self.answers:
            answer = self.web.ask(path)
            self.answers[path] = answer.status
            if answer.unsafe():
                self.faults["fields"].append((path, answer.unsafe()))
            self.bodies.append((path, answer.body))
            return answer
        return None

    def look(self, path, answer):
        """What it leads to."""
        kind = answer["content-type"]
        if kind.startswith("text/html"):
            page = Page(path, answer.body)
            if page.faults or page.anchors():
                self.faults[kind_of(path)].append((path, page.faults[:4], page.anchors()[:4]))
            return page.links()
        if kind.startswith("application/atom+xml"):
            entries, faults = feed_faults(answer.body)
            self.feeds += len(entries) > 0
            if faults:
                self.faults["feed"].append((path, faults[:4]))
        return []

    def enough(self, path):
        """Of each kind so many are asked for, and fewer in each other language."""
        language = LANGUAGE.match(path)
        self.asked[language and language[1], kind_of(path)] += 1
        return language and self.asked[language[1], kind_of(path)] > TRANSLATED

    def run(self, *starts):
        """From some paths on, wherever they lead."""
        queue = collections.deque(starts)
        seen = set(starts)
        while queue:
            path = queue.popleft()
            answer = None if self.enough(path) else self.get(path)
            if answer is None:
                continue
            if answer.status in (301, 302, 303):
                target = answer["location"]
                if target not in seen:
                    seen.add(target)
                    queue.append(target)
                continue
            if answer.status != 200:
                self.bad.append((answer.status, path))
                continue
            kind = kind_of(path)
            self.looked[kind] += 1
            if self.looked[kind] > OF_A_KIND:
                continue
            for link in self.look(path, answer):
                if link not in seen:
                    seen.add(link)
                    queue.append(link)


class Tests:
    def __init__(self, tap, world, web, other):
        self.tap, self.world, self.web, self.other = tap, world, web, other

    def page(self, path, web=None, **fields):
        answer = (web or self.web).ask(path, **fields)
        if answer.status != 200:
            raise Failure("%s: %d" % (path, answer.status))
        return Page(path, answer.body)

    def crawl(self):
        tap, world = self.tap, self.world
        crawl = Crawl(tap, self.web)
        crawl.run("/", "/search?q=record")
        tap.say("%d pages: %s" % (len(crawl.answers), dict(crawl.looked)))
        tap.ok(not crawl.faults, "every page is HTML without an error, and every feed Atom",
               *["%s: %s" % (kind, found[:3]) for kind, found in crawl.faults.items()])
        wanted = {kind for kind, _ in KINDS} - {"part", "proof"}
        tap.ok(wanted <= set(crawl.looked), "every kind of page was seen",
               wanted - set(crawl.looked))
        tap.ok(crawl.feeds >= 5, "feeds of the forum, topics, threads and authors have entries")
        tap.ok(not crawl.bad, "every link leads to a page", crawl.bad[:10])
        for words, what in ((world.erased_words, "erased"), (world.hidden_words, "hidden")):
            found = [path for path, body in crawl.bodies if words.encode() in body]
            tap.ok(not found, "what was %s stands on no page" % what, found[:5])
        for bad in (b"<script>alert", b"<img", b"onmouseover=\"x", b"<b onclick"):
            found = [path for path, body in crawl.bodies if bad in body
                     and not re.search("/(content|part/|raw)", path)]
            tap.ok(not found, "no markup of a message's stands on a page: %s" % bad.decode(),
                   found[:5])

    def said(self):
        tap, world = self.tap, self.world
        thread = self.page("/thread/%s" % world.root).main()
        for words, what in (
                ("Its author erased the text on", "erased"),
                ("Amended by its author on", "amended"),
                ("First words, amended.", "with its new text"),
                ("12 lines quoted", "a long quotation is folded"),
                ("ليلى حداد", "names in their own script")):
            tap.ok(words in thread, "the thread says it: %s" % what, thread)
        tap.ok("Frist words" not in thread, "what was amended is not shown")
        hidden = self.page("/thread/%s" % world.hidden).main()
        tap.ok("Hidden at this node by who runs it." in hidden and page_world.WHY in hidden,
               "what is hidden says so, and why", hidden)
        elsewhere = self.page("/thread/%s" % world.hidden, self.other).main()
        tap.ok(world.hidden_words in elsewhere, "another node shows it")
        page = self.page("/m/%s" % world.chinese)
        main = page.main()
        tap.ok("In reply to" in main and "Replies" in main and "ليلى" in main
               and "Кто хранит" in main, "a message stands between what it answers and its answers")
        tap.ok("ripe.example/" in main and world.chinese in main, "and tells where it is recorded")
        tap.equal(self.web.ask("/m/%s" % ("0" * 64)).status, 404, "what isn't here isn't found")
        tap.equal(self.web.ask("/m/%s/content" % world.erased).status, 410, "erased content is gone")
        own = self.web.ask("/m/%s/content" % world.amended)
        tap.ok(b"Frist words" in own.body, "the content of what was amended is its own", own.body)
        error = Page("error", self.web.ask("/m/%s" % ("0" * 64)).body)
        tap.ok(not error.faults and "Nothing is here" in error.main(), "an error is a page",
               error.faults)

    def same(self):
        """At every node the same path leads to the same message."""
        tap, world = self.tap, self.world
        for what in ("root", "arabic", "amended", "attached"):
            pages = []
            for web in (self.web, self.other):
                main = self.page("/m/%s" % getattr(world, what), web).main()
                pages.append(re.sub(r"Held and cosigned by .*", "", main))
            tap.equal(pages[0], pages[1], "the %s message reads the same at another node" % what)
            raw = [web.ask("/m/%s/raw" % getattr(world, what)).body
                   for web in (self.web, self.other)]
            tap.ok(raw[0] == raw[1] and 100 < len(raw[0]) <= 2048, "and has the same signed bytes")

    def parts(self):
        tap, world = self.tap, self.world
        page = self.page("/m/%s" % world.attached)
        links = [link for link in page.links() if "/part/" in link]
        tap.equal(len(links), 2, "attachments are links")
        for link, path, kind in zip(links, world.parts, ("pdf", "html")):
            answer = self.web.ask(link)
            tap.ok(answer.body == path.read_bytes(), "an attachment comes as it was sent", link)
            tap.ok(answer["content-type"] == "application/octet-stream"
                   and answer["content-disposition"].startswith("attachment;")
                   and answer["x-content-type-options"] == "nosniff",
                   "to be kept, never to be shown (%s)" % kind, answer.list)
            tap.ok(kind in answer["content-disposition"] and "/" not in answer[
                "content-disposition"].partition("filename")[2], "under a name that does no harm",
                answer.list)
        tap.equal(self.web.ask("/m/%s/part/9" % world.attached).status, 404, "there are no others")

    def order(self):
        """What is hidden stands above nothing, and can't be chosen; days don't depend on a clock."""
        tap, world = self.tap, self.world
        tap.ok(world.hidden not in self.web.ask("/").body.decode(), "nothing hidden is alive")
        threads = [link for link in self.page("/topic/%s" % world.topic).links()
                   if link.startswith("/thread/")]
        tap.equal(threads[-1:], ["/thread/%s" % world.hidden],
                  "in its topic the hidden thread is the last")
        tap.equal(self.web.ask("/?page=2").status, 404, "a few topics are on one page")
        title = "Roadmap for the next meeting"
        tap.ok(title in self.web.ask("/write").body.decode(), "a topic can be chosen")
        self.world.home.ctl("hide", world.topic, "--reason", "a test")

        def gone():
            answer = self.web.ask("/write")
            return answer.status == 200 and title not in answer.body.decode()

        tap.ok(poll("it is there still", 10, gone), "a hidden one can't, and isn't named")
        front = self.web.ask("/")
        tap.ok(front.status == 200 and world.root not in front.body.decode(), "nor is it alive",
               front.body.decode())
        self.world.home.ctl("unhide", world.topic)
        poll("it does not come back", 10, lambda: title in self.web.ask("/write").body.decode())
        today = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 7 * 86400))
        week = self.web.ask("/fr/since?days=7")
        tap.ok(week.status == 303 and week["location"] == "/fr/since/" + today,
               "days ago lead to the page of that day", week.status, week["location"])
        tap.ok("/since?days=30" in self.page("/since/" + today).links(), "which links to others")

    def languages(self):
        tap, world = self.tap, self.world
        page = self.page("/ar/thread/%s" % world.root)
        html = page.find("html")[0]
        tap.equal((html.get("lang"), html.get("dir")), ("ar", "rtl"), "a page in Arabic runs so")
        inside = [link for e in page.find("a") for link in [e.get("href", "")]
                  if link.startswith("/") and not e.get("hreflang")]
        tap.ok(inside and all(link.startswith("/ar/") or link == "/ar" for link in inside),
               "and its links keep the language", [i for i in inside if not i.startswith("/ar")])
        canonical = [e.get("href") for e in page.find("link") if e.get("rel") == "canonical"]
        tap.equal(canonical, ["/thread/%s" % world.root], "its own address has none")
        alternates = {e.get("hreflang"): e.get("href") for e in page.find("link")
                      if e.get("hreflang")}
        tap.ok(alternates.get("fr") == "/fr/thread/%s" % world.root
               and len(alternates) == 8, "and it knows the other six", alternates)
        texts = [e for e in page.find("div") if e.get("class") == "text"]
        tap.ok({e.get("dir") for e in texts} == {"ltr", "rtl"}, "each text runs as it is written")
        paragraphs = [e for e in page.find("p") if e.get("dir") == "auto"]
        tap.ok(len(paragraphs) > 15, "and each paragraph for itself")

    def search(self):
        tap, world = self.tap, self.world

        def found(words, web=None):
            page = self.page("/search?q=" + urllib.parse.quote(words), web)
            if page.faults:
                raise Failure("%s: %s" % (words, page.faults))
            return page

        poll("the index is not there", 30,
             lambda: "/m/" + world.other_root in found("نقرأ").links())
        page = found("mailboxes minutes")
        tap.ok("/m/" + world.root in page.links(), "words are found", page.main())
        marked = ["".join(e.itertext()) for e in page.find("mark")]
        tap.ok({word.lower() for word in marked} == {"mailboxes", "minutes"},
               "and marked where they stand", marked)
        tap.ok("/m/" + world.chinese in found("会议").links(), "two characters are found")
        tap.ok("/m/" + world.amended in found("amended by:tomas@ripe.example").links()
               and "/m/" + world.amended not in found("Frist").links(),
               "what was amended is found by its new text alone")
        for words, what in (("marzipanklotz", "erased"), ("quincejelly", "hidden")):
            tap.ok("Nothing was found" in found(words).main(), "what was %s is not found" % what)
        tap.ok("/m/" + world.hidden in found("quincejelly", self.other).links(),
               "but is at a node that shows it")
        odd = found('"unended <script>alert(1)</script> topic:zz')
        tap.ok(not odd.find("li") or odd.find("h1"), "what can't be asked for is answered")

    def pages(self):
        """Long threads and topics by pages."""
        tap, world = self.tap, self.world
        topic = getattr(world, "list_topic", None)
        if not topic:
            tap.skip("long lists", "there is no archive")
            return
        first = self.page("/topic/%s" % topic)
        rel = {e.get("rel"): e.get("href") for e in first.find("link")}
        tap.ok(rel.get("next") == "/topic/%s?page=2" % topic and "prev" not in rel,
               "a topic with many threads names its next page", rel)
        second = self.page("/topic/%s?page=2" % topic)
        threads = [{link for link in page.links() if "/thread/" in link}
                   for page in (first, second)]
        tap.ok(len(threads[0]) == 50 and threads[1] and not threads[0] & threads[1],
               "which has others", [len(t) for t in threads])
        tap.equal(self.web.ask("/topic/%s?page=x" % topic).status, 200, "a page that is none is the first")

    def walk(self, browser, follow):
        """From the front page to a message of each topic, by the links that are shown."""
        topics = follow.links(self.web.url("/"), "/topic/")
        walked = []
        for topic in topics:
            threads = follow.links(topic, "/thread/")
            if not threads:
                continue
            messages = follow.links(threads[0], "/m/")
            text = follow.text(messages[0]) if messages else ""
            if "Signed bytes" in text or "Signed" in text:
                walked.append(topic)
        self.tap.equal(len(walked), len(topics), "%s walks to a message in every topic" % browser)
        self.tap.ok(len(topics) >= 2, "and there are some", topics)
        shown = [(path, text) for path, text in (
            (path, follow.text(self.web.url(path))) for path in ("/join", "/write", "/you"))
                 if "scripts" not in text or any(word in text for word in (
                     "Handle", "Sign and send", "Delete the key", "Your message"))]
        self.tap.ok(not shown, "and sees nothing that only scripts make of use", *shown)


class Follower:
    """A browser that writes a page as text with its links numbered, and lists them below."""

    def __init__(self, *argv):
        self.argv = argv
        self.home = tempfile.mkdtemp()

    def text(self, url):
        done = subprocess.run([*self.argv, url], capture_output=True, timeout=60, check=True,
                              env={"HOME": self.home, "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"})
        return done.stdout.decode("utf-8", "replace")

    def links(self, url, part):
        """Of the page at a URL, those that go to such a place, by what is shown alone."""
        base = urllib.parse.urlsplit(url)
        found = []
        for link in re.findall(r"^\s*\[?\d+[\].]\s*(\S+)$", self.text(url), re.M):
            link = urllib.parse.urljoin(url, link)
            split = urllib.parse.urlsplit(link)
            if split.netloc == base.netloc and split.path.startswith(part) \
                    and not split.path.endswith("/feed") and split.path.count("/") == 2:
                found.append(urllib.parse.urldefrag(link)[0])
        return list(dict.fromkeys(found))

    def end(self):
        shutil.rmtree(self.home, ignore_errors=True)


BROWSERS = {"w3m": ["w3m", "-dump", "-o", "display_link_number=1", "-o", "use_dictcommand=0"],
            "lynx": ["lynx", "-dump", "-assume_charset=utf-8", "-display_charset=utf-8"]}


def some(path, folder, mails):
    """The first mails of an archive."""
    plain = archives.unpacked(path, folder)
    data = pathlib.Path(plain).read_bytes()
    found = archives.archive.separators(data)
    cut = folder / ("some-%d.mbox" % mails)
    cut.write_bytes(data[:found[mails].start()] if mails < len(found) else data)
    return cut


def main(tap):
    with page_world.world() as forum:
        webs = [Web(node) for node in forum.nodes[:2]]
        world = page_world.World(forum).fill()
        if archives.missing(LIST) is None:
            world.list_topic = world.bring("python-committers", some(LIST[0], forum.folder, MAILS))
        if archives.missing(ARABIC) is None:
            world.bring("Arabic mail", some(ARABIC[0], forum.folder, 100))
        world.settle()
        tests = Tests(tap, world, *webs)
        for test in (tests.said, tests.same, tests.parts, tests.order, tests.languages, tests.search,
                     tests.pages, tests.crawl):
            test()
        for browser, argv in BROWSERS.items():
            if not shutil.which(browser):
                tap.skip(browser, "it is not installed")
                continue
            follow = Follower(*argv)
            tests.walk(browser, follow)
            follow.end()


if __name__ == "__main__":
    tap_run(main)
