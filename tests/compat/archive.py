#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Archives of mailing lists, read with Python's standard library, by the rules of SPEC.md 8.3 and of
client/archive/*.h alone: what an import must have understood, found by other means.

    archive.py FILE...    counts of each mbox file (.zst is unpacked), or of a folder of mails

    mails(data)           the mails of an mbox file
    Mail(raw)             id, references, subject, author, date, text and parts of one
    threads(mails)        who talks with whom: {id: number of its thread}
"""
import calendar
import codecs
import datetime
import email
import email.utils
import html.parser
import pathlib
import re
import subprocess
import sys

DATE = (rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
        rb" [ 0-3]?\d [ 0-2]?\d:\d\d(?::\d\d)?(?: [A-Za-z0-9+-]+)? \d{4}(?: [A-Za-z0-9+-]+)?")
SEPARATOR = re.compile(rb"^From [^\n]*[^\s][ \t]+(" + DATE + rb")[ \t]*\r?\n(?=[!-9;-~]+[ \t]*:)", re.M)
# Python's names for what has another one; what is no charset at all is left out.
NO_CHARSETS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
ENCODED_WORD = re.compile(r"=\?([^?\s]*)\?([bBqQ])\?([^?]*)\?=")


def load(path):
    """The bytes of a file, unpacked."""
    path = pathlib.Path(path)
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dc", "--long=27", str(path)], capture_output=True,
                              check=True).stdout
    return path.read_bytes()


def separators(data):
    return list(SEPARATOR.finditer(data))


def mails(data):
    """Each mail without its separator, and without the empty line that belongs to the next one."""
    found = separators(data)
    for here, after in zip(found, found[1:] + [None]):
        raw = data[here.end():after.start() if after else len(data)]
        for end in (b"\r\n", b"\n"):
            if raw.endswith(end + end):
                raw = raw[:-len(end)]
                break
        yield raw


# ---- text ----

def charset_known(name):
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError, UnicodeError):
        return None
    return found.name if found._is_text_encoding and found.name not in NO_CHARSETS else None


def decode(data, declared=None, fallback="cp1252"):
    """As declared, else UTF-8, else the fallback; and whether it had to be guessed."""
    name = charset_known(declared) if declared else None
    for guess, charset in ((not name, name or "utf-8"), (True, "utf-8")):
        try:
            return data.decode(charset), guess and not data.isascii()
        except (UnicodeError, ValueError):
            pass
    return data.decode(fallback, "replace"), True


def source_form(text):
    return text.replace("\r\n", "\n").replace("\0", "\ufffd")


def word_bytes(word):
    """The bytes inside an encoded word; None when they can't be had."""
    kind, data = word.group(2).lower(), word.group(3)
    try:
        raw = data.encode("ascii")
    except UnicodeError:
        return None
    if kind == "q":
        return re.sub(rb"=([0-9A-Fa-f]{2})", lambda m: bytes([int(m.group(1), 16)]),
                      raw.replace(b"_", b" "))
    import binascii
    raw = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
    if len(raw) % 4 == 1:
        return None
    try:
        return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4))
    except binascii.Error:
        return None


def header_text(raw):
    """A header's value: unfolded, encoded words decoded, without space around it."""
    raw = re.sub(rb"\r?\n(?=[ \t])", b"", raw).strip(b" \t\r\n")
    text = decode(raw)[0]
    result, pending, charset, end = [], b"", None, 0

    def flush():
        nonlocal pending
        if pending:
            result.append(decode(pending, charset)[0])
        pending = b""

    previous = None
    for word in ENCODED_WORD.finditer(text):
        data = word_bytes(word)
        if data is None:
            continue
        between = text[end:word.start()]
        name = word.group(1).partition("*")[0].lower()
        # Space between two encoded words belongs to neither; a character may be cut between them.
        if not (previous and not between.strip(" \t")):
            flush()
            result.append(between)
        elif name != charset:
            flush()
        pending, charset, end, previous = pending + data, name, word.end(), word
    flush()
    result.append(text[end:])
    return source_form("".join(result)).strip(" \t")


def fields(raw):
    """Header fields as [(lower-case name, raw value)], and where the body begins."""
    found, pos = [], 0
    while pos < len(raw):
        end = raw.find(b"\n", pos)
        end = len(raw) if end < 0 else end + 1
        line = raw[pos:end]
        if line.strip(b"\r\n") == b"":
            return found, end
        if line[:1] in b" \t" and found:
            found[-1][1] += line
        else:
            match = re.match(rb"([!-9;-~]+)[ \t]*:", line)
            if not match:
                return found, pos
            found.append([match.group(1).lower().decode(), line[match.end():]])
        pos = end
    return found, pos


def ids_of(value):
    """What stands in angle brackets, without space."""
    found = (re.sub(rb"\s+", b"", i) for i in re.findall(rb"<([^<>]+)>", value))
    return [decode(i)[0] for i in found if i]


def id_of(value):
    """A mail's own. Some programs leave the brackets out; elsewhere such words are no ids."""
    found = ids_of(value)
    if not found and b"<" not in value and b">" not in value:
        found = [decode(i)[0] for i in value.split()]
    return found[0] if found else None


def instant(value):
    """Milliseconds since 1970 of a date as mails have it, or None."""
    text = decode(value)[0].strip()
    parsed = email.utils.parsedate_tz(text)
    if not parsed:
        try:
            when = datetime.datetime.fromisoformat(text)  # of none of the standards for mail
        except ValueError:
            return None
        parsed = when.utctimetuple()[:9] + (0,)
    try:
        return (calendar.timegm(parsed[:6] + (0, 0, 0)) - (parsed[9] or 0)) * 1000
    except (ValueError, OverflowError):
        return None


class Head:
    """A mail's header alone, which is quick."""

    def __init__(self, raw):
        self.raw = raw
        self.fields, self.body_at = fields(raw)
        self.id = id_of(self.first("message-id"))
        self.references = []
        for i in ids_of(self.first("references")) + ids_of(self.first("in-reply-to")):
            if i not in self.references:
                self.references.append(i)

    def first(self, name):
        return next((value for key, value in self.fields if key == name), b"")

    @property
    def subject(self):
        return header_text(self.first("subject"))

    @property
    def author(self):
        return header_text(self.first("from"))

    @property
    def date(self):
        """Of Date, or else of the topmost Received."""
        when = instant(self.first("date"))
        if when is None:
            when = instant(self.first("received").rpartition(b";")[2])
        return when


class Words(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.words, self.hidden = [], 0

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in ("style", "script", "title")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("style", "script", "title") and self.hidden > 0

    def handle_data(self, data):
        if not self.hidden:
            self.words += data.split()


def words_of(markup):
    parser = Words()
    parser.feed(markup)
    return parser.words


class Part:
    def __init__(self, part, alternative):
        self.alternative = alternative
        for key, value in list(part.raw_items()):
            if not str(value).isascii():  # what is declared nowhere, by the rule for texts
                part.replace_header(key, decode(str(value).encode("utf-8", "surrogateescape"))[0])
        self.type = part.get_content_type()
        name = part.get_filename()
        if name is not None:
            name = email.utils.collapse_rfc2231_value(name)
            name = header_text(name.encode("utf-8", "replace"))
        self.name = name or None
        self.disposition = (part.get_content_disposition() or "")
        self.attached_mail = self.type == "message/rfc822" or part.is_multipart()
        self.data = b"" if self.attached_mail else part.get_payload(decode=True) or b""
        self.charset = part.get_param("charset")
        if isinstance(self.charset, tuple):
            self.charset = email.utils.collapse_rfc2231_value(self.charset)

    def text(self):
        text, self.guessed = decode(self.data, self.charset)
        return source_form(text)


class Mail(Head):
    """A whole mail. `text` is what its plain parts say, None without any. `html` is what stands
    before that, or for it: its words are of the text, and how they are laid out is the reader's."""

    def __init__(self, raw):
        super().__init__(raw)
        self.parts = []
        self._walk(email.message_from_bytes(raw), ())
        plain = [p for p in self.parts if p.type == "text/plain"]
        chosen = [p for p in plain if p.disposition != "attachment" and p.name is None] or plain[:1]
        markup = [p for p in self.parts if p.type == "text/html" and p.disposition != "attachment"]
        if markup and not any(p.data.strip() for p in chosen):
            chosen = []
        spoken = {id(a) for p in chosen for a in p.alternative}
        beside = [p for p in markup if any(id(a) in spoken for a in p.alternative)]
        alone = [p for p in markup if p not in beside]
        first = min(map(self.parts.index, chosen), default=len(self.parts))
        # HTML that says what no plain text does, when it is all there is or comes first.
        self.html = next((p.text() for p in alone if self.parts.index(p) < first), None)
        self.texts = [p.text() for p in chosen]
        self.guessed = any(p.guessed for p in chosen)
        self.charsets = [p.charset for p in chosen]
        self.text = None
        for text in self.texts:
            if self.text is None:
                self.text = text
            else:
                self.text += "" if self.text.endswith("\n") or not self.text else "\n"
                self.text += "\n" + text
        # The same once more in HTML isn't kept (mail.h); an empty text beside HTML isn't one.
        self.alternatives = len(beside)
        self.others = [p for p in self.parts if p not in chosen and p not in beside
                       and (p.data.strip() or p.type != "text/plain" or p.name or p.attached_mail)]

    def _walk(self, message, alternative):
        """Its leaves, each with the multipart/alternatives that it stands in."""
        if message.get_content_maintype() == "multipart" and message.is_multipart():
            if message.get_content_type() == "multipart/alternative":
                alternative += (message,)
            for part in message.get_payload():
                self._walk(part, alternative)
        else:
            self.parts.append(Part(message, alternative))


# ---- threads ----

def threads(heads):
    """{id: number}: everything that shares an id or a reference talks of the same thing."""
    parent = {}

    def root(i):
        while parent.setdefault(i, i) != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    ids = set()
    for head in heads:
        if head.id is None:
            continue
        ids.add(head.id)
        for other in head.references:
            parent[root(other)] = root(head.id)
    numbers = {}
    return {i: numbers.setdefault(root(i), len(numbers)) for i in ids}


def partition(of):
    """{id: thread} as a set of sets, whatever the threads are called."""
    groups = {}
    for i, thread in of.items():
        groups.setdefault(thread, set()).add(i)
    return {frozenset(group) for group in groups.values()}


def mail_file(path):
    """One mail of a folder; some still have the separator of the mbox they came from."""
    data = path.read_bytes()
    return data.partition(b"\n")[2] if data.startswith(b"From ") else data


def files_of(folder):
    return sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file())


def main(paths):
    for path in paths:
        raws = ([mail_file(p) for p in files_of(path)] if pathlib.Path(path).is_dir()
                else list(mails(load(path))))
        heads = [Head(raw) for raw in raws]
        groups = partition(threads(heads))
        print("%s: %d mails, %d without an id, %d ids, %d threads, the largest of %d" % (
            path, len(heads), sum(h.id is None for h in heads), sum(map(len, groups)),
            len(groups), max(map(len, groups), default=0)))


if __name__ == "__main__":
    main(sys.argv[1:])
