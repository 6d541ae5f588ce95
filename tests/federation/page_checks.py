# SPDX-License-Identifier: BSD-2-Clause
"""What every page has to be: HTML without a single error, for every reader; and what is in it."""
import collections
import re
import urllib.parse
import xml.etree.ElementTree as ET

import feedparser
import html5lib

XHTML = "{http://www.w3.org/1999/xhtml}"
VOID_LANGUAGES = re.compile(r"^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$")
TIME = re.compile(r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?$")
# What only scripts see, and put in its own place: it has to be as right as the rest.
SHELL = re.compile(rb'<script type="text/html" id="shell">\n(.*?)</script>', re.DOTALL)
HEADINGS = ["h%d" % n for n in range(1, 7)]


class Page:
    """A page that was parsed; `faults`: everything that is wrong with it."""

    def __init__(self, path, body):
        self.path, self.faults = path, []
        self.text = body.decode("utf-8")
        body = SHELL.sub(rb"\1", body)
        parser = html5lib.HTMLParser(namespaceHTMLElements=False)
        self.root = parser.parse(body, transport_encoding="utf-8")
        self.faults += ["%s at %s" % (code, where) for where, code, _ in parser.errors]
        self.all = list(self.root.iter())
        self.elements = [e for e in self.all if isinstance(e.tag, str)]
        for check in (self._frame, self._headings, self._attributes, self._controls, self._times):
            check()

    def find(self, *tags):
        return [e for e in self.elements if e.tag in tags]

    def fault(self, text):
        self.faults.append(text)

    def _frame(self):
        html = self.find("html")[0]
        if not VOID_LANGUAGES.match(html.get("lang", "")) or html.get("dir") not in ("ltr", "rtl"):
            self.fault("html has no lang or dir")
        for tag in ("main", "h1", "title", "header", "footer"):
            count = len([e for e in self.find(tag) if tag not in ("header", "footer")
                         or e.get("class") in ("top", "bottom")])
            if count != 1:
                self.fault("%d %s" % (count, tag))
        skip = next((e for e in self.find("a")), None)
        if skip is None or skip.get("href") != "#main":
            self.fault("the first link does not skip to the content")
        for nav in self.find("nav"):
            if not nav.get("aria-label"):
                self.fault("a nav without a name")
        if not "".join(self.find("title")[0].itertext()).strip():
            self.fault("an empty title")

    def _headings(self):
        level = 0
        for e in self.find(*HEADINGS):
            now = int(e.tag[1])
            if now > level + 1:
                self.fault("h%d follows h%d" % (now, level))
            level = now
            if not "".join(e.itertext()).strip():
                self.fault("an empty %s" % e.tag)

    def _attributes(self):
        ids = collections.Counter(e.get("id") for e in self.elements if e.get("id"))
        self.faults += ["id %s is there %d times" % pair for pair in ids.items() if pair[1] > 1]
        for e in self.elements:
            for name in e.attrib:
                if name.startswith("on") or name in ("style", "srcdoc", "ping"):
                    self.fault("%s on a %s" % (name, e.tag))
            for name in ("aria-labelledby", "aria-describedby", "for"):
                for wanted in (e.get(name) or "").split():
                    if wanted not in ids:
                        self.fault("%s names %s, which isn't there" % (name, wanted))
            if e.get("lang") is not None and not VOID_LANGUAGES.match(e.get("lang")):
                self.fault("lang %r" % e.get("lang"))
        for e in self.find("img", "iframe", "object", "embed", "style", "base", "font", "center"):
            self.fault("a %s" % e.tag)
        for e in self.find("script"):
            if not e.get("src", "").startswith("/static/") and e.get("type") != "application/json":
                self.fault("a script of another kind")
        for e in self.find("a"):
            href = e.get("href")
            if href is None or href == "":
                self.fault("a link to nowhere")
            elif href.startswith(("http://", "https://")):
                if "nofollow" not in e.get("rel", "") or "noopener" not in e.get("rel", ""):
                    self.fault("a link to elsewhere without rel: %s" % href)
                if "".join(e.itertext()) != href:
                    self.fault("%s isn't shown whole" % href)
            elif not href.startswith(("/", "#", "mailto:")):
                self.fault("a link to %s" % href)
            if not "".join(e.itertext()).strip() and not e.get("aria-label"):
                self.fault("a link without a text: %s" % href)

    def _controls(self):
        labelled = {label.get("for") for label in self.find("label")}
        inside = {id(e) for label in self.find("label") for e in label.iter()}
        for e in self.find("input", "textarea", "select"):
            if e.get("type") != "hidden" and not e.get("aria-label") and id(e) not in inside \
                    and e.get("id") not in labelled and not e.get("aria-labelledby"):
                self.fault("a control without a label")

    def _times(self):
        for e in self.find("time"):
            if not TIME.match(e.get("datetime", "")):
                self.fault("time %r" % e.get("datetime"))

    def links(self):
        """Paths of ours that it leads to."""
        paths = []
        for e in self.find("a", "link"):
            href = e.get("href", "")
            if href.startswith("/") and not href.startswith("//"):
                paths.append(urllib.parse.urldefrag(href)[0])
        return list(dict.fromkeys(paths))

    def anchors(self):
        """Links within it that lead nowhere."""
        ids = {e.get("id") for e in self.elements}
        return [e.get("href") for e in self.find("a") if e.get("href", "").startswith("#")
                and e.get("href")[1:] not in ids]

    def main(self):
        """What is read."""
        return " ".join("".join(self.find("main")[0].itertext()).split())


ATOM = "{http://www.w3.org/2005/Atom}"


def feed_faults(body):
    """Entries of an Atom feed, and what is wrong with it (RFC 4287 4.1)."""
    faults = []
    root = ET.fromstring(body)
    parsed = feedparser.parse(body)
    if parsed.bozo:
        faults.append("feedparser: %s" % parsed.bozo_exception)
    if root.tag != ATOM + "feed" or parsed.version != "atom10":
        faults.append("it is no Atom feed")
    for parent, names in [(root, ("id", "title", "updated"))] + [
            (e, ("id", "title", "updated", "published", "author", "content"))
            for e in root.findall(ATOM + "entry")]:
        for name in names:
            if len(parent.findall(ATOM + name)) != 1:
                faults.append("%s of %s" % (name, parent.tag))
        for name in ("updated", "published"):
            if parent.find(ATOM + name) is not None and not TIME.match(
                    parent.find(ATOM + name).text or ""):
                faults.append(name)
    ids = [e.find(ATOM + "id").text for e in root.findall(ATOM + "entry")]
    if len(set(ids)) != len(ids) or not all(i.startswith("ni:///sha-256;") for i in ids):
        faults.append("ids of entries: %s" % ids)
    if not [e for e in root.findall(ATOM + "link") if e.get("rel") == "self"]:
        faults.append("no link to itself")
    for e in root.findall(ATOM + "entry"):
        inner = html5lib.HTMLParser()
        inner.parseFragment(e.find(ATOM + "content").text or "")
        faults += [str(error) for error in inner.errors]
    return root.findall(ATOM + "entry"), faults
