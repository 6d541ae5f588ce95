#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Two real nodes with web pages, for a browser that is driven by another program.

With --thin the browser is meant to be where the second node is, and the first one behind a link of
64 kbit/s and 600 ms there and back; its pages then come by TLS, and "enter" are the words before a
command that is to run there.

Prints a line of JSON when they run: {"nodes": [{"name", "url"}…], "topic"}. Then each line of JSON on
standard input is a command, answered by one: see COMMANDS. Ends with its input.
"""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "federation"))

from harness import CommandFailure, Forum, free_port, pair, run  # noqa: E402

NAMES = ["isoc.example", "ripe.example"]
LOREM = ("The forum goes on between the meetings.\n\n> Who keeps the record?\n> All of us do.\n\n"
         "Each of us keeps a copy: see https://example.org/record (and the log).\n\n-- \nAmina\n")
ARABIC = "من يحفظ السجل بين اجتماعين؟ نحن جميعا.\n\nانظر https://example.org/ أيضا."


def certificate(node):
    """A certificate that no browser trusts unless it is told to."""
    cert, key = node.folder / "web.pem", node.folder / "web.key"
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=%s" % node.name, "-out", cert, "-keyout", key])
    return '\tcertificate = "%s"\n\tkey = "%s"\n' % (cert, key)


def web(node):
    port = free_port()
    tls = node.host != "127.0.0.1"
    node.url = "%s://%s:%d" % ("https" if tls else "http", node.host, port)
    text = node.config.read_text()
    section = 'web {\n\tlisten = {"%s:%d"}\n\turl = "%s"\n\toperator = "The operators of %s"\n%s}\n'
    node.config.write_text(text + "\n" + section % (node.host, port, node.url, node.name, certificate(node) if tls else ""))


def seed(forum):
    """What there is to read: topics, a thread in two scripts, an attachment, an erased post."""
    amina, tomas = forum[0].enrol("amina", name="Amina", group="civil society"), forum[1].enrol("tomas")
    topic = amina.topic("Between the meetings")
    amina.topic("بين الاجتماعات")
    first = amina.post(topic, "Who keeps the record?", LOREM)
    forum.settle()
    plan = forum.folder / "plan.txt"
    plan.write_text("Plan\n")
    reply = tomas.reply(first, ARABIC, attach=[plan])
    tomas.convene("erase", tomas.reply(first, "A mistake."), "--yes")
    for number in range(3):
        amina.post(topic, "Thread %d" % number, "Text %d.\n" % number)
    for number in range(40 if forum.links else 0):  # a thread as threads are
        amina.reply(first, LOREM + "\n%d" % number)
    forum.settle()
    return {"topic": topic, "thread": first, "reply": reply,
            "author": amina.convene("whoami")["identity"]}


def command(forum, words):
    node = forum[words.get("node", 0)]
    what = words["do"]
    if what == "invite":
        more = ["--handle", words["handle"]] if "handle" in words else []
        return node.ctl_json("invite", *more)
    if what == "identity":
        return node.ctl_json("recover", "participant", words["handle"])
    if what == "recover":
        return node.ctl_json("recover", "participant", words["handle"], words["request"], "--yes")
    if what == "revoke":
        return node.ctl_json("revoke", words["handle"], "--yes")
    if what == "people":
        return node.ctl_json("people")
    if what == "settle":
        forum.settle()
        return {}
    if what == "relay":  # the relay is away for a moment; its parent brings it back
        return {"killed": node.kill_relay()}
    if what == "link":
        forum.links.set(words["set"])
        return {}
    if what == "stop":
        node.stop()
        return {}
    if what == "start":
        node.start()
        node.wait_sealing()
        return {}
    raise KeyError(what)


def main():
    thin = "--thin" in sys.argv[1:]
    with Forum(NAMES, pair(), terms=["--anchor", "1 of all"], linked=[] if thin else None) as forum:
        if thin and not forum.links.packets:
            print(json.dumps({"skip": forum.links.mode}), flush=True)
            return
        for node in forum:
            web(node)
        forum.start()
        about = dict(enter=forum.links.enter(1) if thin else [], nodes=[{"name": node.name, "url": node.url} for node in forum],
                     **seed(forum))
        if thin:
            forum.links.set("delay 300ms")
            forum.links.set("rate 64kbit")
        print(json.dumps(about), flush=True)
        for line in sys.stdin:
            try:
                answer = command(forum, json.loads(line))
            except CommandFailure as failure:
                answer = {"failed": str(failure)}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
