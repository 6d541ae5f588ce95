#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Two real nodes with web pages, for a browser that is driven by another program.

Prints a line of JSON when they run: {"nodes": [{"name", "url"}…], "topic"}. Then each line of JSON on
standard input is a command, answered by one: see COMMANDS. Ends with its input.
"""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "federation"))

from harness import CommandFailure, Forum, free_port, pair  # noqa: E402

NAMES = ["isoc.example", "ripe.example"]
LOREM = ("The forum goes on between the meetings.\n\n> Who keeps the record?\n> All of us do.\n\n"
         "Each of us keeps a copy: see https://example.org/record (and the log).\n\n-- \nAmina\n")
ARABIC = "من يحفظ السجل بين اجتماعين؟ نحن جميعا.\n\nانظر https://example.org/ أيضا."


def web(node):
    port = free_port()
    node.url = "http://127.0.0.1:%d" % port
    text = node.config.read_text()
    section = 'web {\n\tlisten = {"127.0.0.1:%d"}\n\turl = "%s"\n\toperator = "The operators of %s"\n}\n'
    node.config.write_text(text + "\n" + section % (port, node.url, node.name))


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
    if what == "stop":
        node.stop()
        return {}
    if what == "start":
        node.start()
        node.wait_sealing()
        return {}
    raise KeyError(what)


def main():
    with Forum(NAMES, pair(), terms=["--anchor", "1 of all"]) as forum:
        for node in forum:
            web(node)
        forum.start()
        about = dict(nodes=[{"name": node.name, "url": node.url} for node in forum], **seed(forum))
        print(json.dumps(about), flush=True)
        for line in sys.stdin:
            try:
                answer = command(forum, json.loads(line))
            except CommandFailure as failure:
                answer = {"failed": str(failure)}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
