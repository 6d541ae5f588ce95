#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The web process: its answers, its way to the relay, its news, its certificates, and that neither
it nor the relay needs the other."""
import contextlib
import gzip
import hashlib
import json
import os
import pwd
import signal
import ssl
import sys
import time

sys.dont_write_bytecode = True

import rogue  # noqa: E402
from harness import CommandFailure, Forum, poll, tap_run  # noqa: E402
from rogue import FRAMES, pb  # noqa: E402
from web_client import Events, Web, certificate  # noqa: E402

KINDS = ("/", "/about", "/ar/", "/topic/%(topic)s", "/thread/%(post)s", "/m/%(post)s",
         "/m/%(post)s/raw", "/m/%(post)s/proof", "/m/%(post)s/content", "/feed",
         "/topic/%(topic)s/feed", "/search?q=text", "/since/2026-01-01", "/help", "/join",
         "/write?topic=%(topic)s", "/outbox", "/you", "/nothing", "/m/%(none)s", "/static/0/x.css",
         "/gate", "/about/", "/m/%(short)s", "/%%zz")


def test_answers(t, web, ids):
    for kind in KINDS:
        path = kind % ids
        plain = web.ask(path)
        bad = plain.unsafe()
        t.ok(not bad, "the fields of %s %d are safe" % (kind, plain.status), bad, plain.list)
        head = web.ask(path, "HEAD")
        same = {name for name in plain.fields if name != "date"}
        if path.startswith("/m/") and path.endswith("/proof"):
            same -= {"content-length"}  # a newer cosignature may have come
        t.ok(head.status == plain.status and not head.body
             and all(head[name] == plain[name] for name in same),
             "HEAD of %s tells the same without the body" % kind, head.list, plain.list)
        if plain.status != 200 or not plain["etag"]:
            continue
        again = web.ask(path, If_None_Match=plain["etag"])
        t.ok(again.status == 304 and not again.body and not again.unsafe()
             and again["etag"] == plain["etag"], "%s need not be sent twice" % kind, again.list)
        zipped = web.ask(path, Accept_Encoding="gzip")
        if zipped["content-encoding"] == "gzip":
            t.ok(gzip.decompress(zipped.body) == plain.body and "Accept-Encoding" in plain["vary"]
                 and "Accept-Encoding" in zipped["vary"] and zipped["etag"] != plain["etag"]
                 and web.ask(path, If_None_Match="W/" + zipped["etag"]).status == 304,
                 "%s is the same compressed" % kind, zipped.list, plain.list)
    t.equal([web.ask(path).status for path in ("/nothing", "/m/%(none)s" % ids, "/topic/xyz", "/%zz")],
            [404, 404, 404, 400], "what isn't there isn't there")
    for method in ("PUT", "DELETE", "POST", "OPTIONS", "BREW"):
        answer = web.ask("/about", method)
        t.ok(answer.status == 405 or (method != "POST" and answer.status in (405, 411)),
             "%s is not for a page" % method, answer.status)
    answer = web.ask("/m/%(short)s" % ids)
    t.ok(answer.status == 302 and answer["location"] == "/m/%(post)s" % ids,
         "the beginning of an id leads to the whole", answer.list)
    t.equal(web.ask("/fr/m/%s/?a=b" % ids["post"].upper())["location"],
            "/fr/m/%(post)s?a=b" % ids, "what is crooked leads to what is straight")
    t.equal([web.ask("/about", Accept_Language=tag)["content-language"]
             for tag in ("ar", "pt-BR, en;q=0.5", "xx", "")] + [web.ask("/zh/about")["content-language"]],
            ["ar", "pt", "en", "en", "zh"], "the language is that which is asked for")
    t.ok("Accept-Language" in web.ask("/about")["vary"]
         and "Accept-Language" not in web.ask("/zh/about")["vary"],
         "and only where it is asked for by a field it depends on that")


def test_static(t, web):
    path = "/static/%s/style.css"
    page = web.ask("/about").body.decode()
    at = page.find("/static/")
    if at < 0:
        t.skip("a page names its style sheet", "there are no pages yet")
        return
    digest = page[at:].split("/")[2]
    sheet = web.ask(path % digest)
    t.ok(sheet.status == 200 and sheet["content-type"].startswith("text/css")
         and "immutable" in sheet["cache-control"], "a page names its style sheet, which stays", sheet.list)
    t.equal(web.ask(path % ("0" * len(digest))).status, 404, "another version of it isn't there")


def test_gate(t, web, node, ids):
    forum = bytes.fromhex(node.status()["forum"])

    def answer(frame, payload, **fields):
        got = web.gate(FRAMES[frame], payload.SerializeToString() if payload is not None else b"", **fields)
        if got.status != 200 or not got.body:
            return got.status, None
        name = rogue.NAMES[got.body[0]]
        message = rogue.payload_type(name)()
        message.ParseFromString(got.body[1:])
        return name, message

    name, charter = answer("CHARTER_GET", pb.CharterGet())
    t.equal(name, "CHARTER", "the charter comes through the gate")
    invite = node.ctl_json("invite", "--handle", "bob")["invite"]
    secret = rogue.base64.urlsafe_b64decode(invite.split("/")[-1] + "==")
    log = next(entry["name"] for entry in node.status()["logs"]
               if entry["organisation"] == node.name).encode()
    bob = rogue.Device(forum, log)
    profile = bob.profile("bob", b"\0" * 32)
    redeem = pb.Redeem(secret=secret, identity=bob.identity, device_key=bob.key.public,
                       device_signature=bob.consent(), salt=profile.salt, content=profile.bytes)
    name, redeemed = answer("REDEEM", redeem)
    t.equal(name, "REDEEMED", "an invite is redeemed through the gate")
    topic = rogue.spec.parse_log_name(log).digest + bytes.fromhex(ids["topic"])
    message, text = bob.write(text="Written elsewhere.", subject="By the gate", topic=topic)
    submit = pb.Submit(forum=forum, log=log, submissions=[
        pb.Submission(message=message, salt=text.salt, content=text.bytes)])
    name, submitted = answer("SUBMIT", submit)
    good = name == "SUBMITTED" and submitted.outcomes[0].status >= pb.ACCEPTED
    t.ok(good, "a signed message is accepted through the gate", name, submitted)
    again = answer("SUBMIT", submit)
    t.ok(again[0] == "SUBMITTED" and again[1].outcomes[0].status >= pb.ACCEPTED,
         "and once more, with the same answer", again)
    spoilt = message[:-1] + bytes([message[-1] ^ 1])
    name, refused = answer("SUBMIT", pb.Submit(forum=forum, log=log, submissions=[
        pb.Submission(message=spoilt, salt=text.salt, content=text.bytes)]))
    t.ok(name == "SUBMITTED" and refused.outcomes[0].status == pb.REFUSED,
         "one whose signature does not verify is refused by the relay", name, refused)
    t.equal(answer("SIGNER_GET", pb.SignerGet(device_key=bob.key.public))[0], "SIGNER",
            "signers can be asked for")
    post = bytes.fromhex(ids["post"])
    t.equal(answer("THREAD_GET", pb.ThreadGet(id=post, alone=True))[0], "ITEMS",
            "a message alone comes through the gate")
    t.equal(answer("THREAD_GET", pb.ThreadGet(id=post))[0], 403, "a whole thread does not")
    few = [bob.write(text="Nr. %d" % i, topic=topic) for i in range(400)]
    for at in range(0, len(few), 50):
        name, submitted = answer("SUBMIT", pb.Submit(forum=forum, log=log, submissions=[
            pb.Submission(message=m, salt=c.salt, content=c.bytes) for m, c in few[at:at + 50]]))
    t.ok(name == "SUBMITTED" and submitted.outcomes[-1].status >= pb.ACCEPTED, "many are written", name, submitted)
    t.equal(answer("PROOF_GET", pb.ProofGet(id=post))[0], "PROOF", "a proof does")
    for frame in ("HELLO", "WATCH", "SUBSCRIBE", "CONTROL", "ENTRIES_GET", "TOPICS_GET", "PING"):
        t.equal(web.gate(FRAMES[frame]).status, 403, "%s does not pass the gate" % frame)
    t.equal(web.gate(FRAMES["CHARTER_GET"], Content_Type="text/plain").status, 415,
            "nor what a form of another site could send")
    t.equal(web.gate(FRAMES["CHARTER_GET"], Sec_Fetch_Site="cross-site").status, 403,
            "nor what a browser says comes from another site")
    t.equal(web.ask("/gate", "POST", b"", Content_Type="application/x-convene").status, 400,
            "nor nothing")
    # Each has a connection of its own while it is under way.
    good = answer("CHARTER_GET", pb.CharterGet())[0]
    bad = web.gate(FRAMES["SIGNER_GET"], b"\xff\xff\xff")
    t.ok(bad.status == 200 and bad.body[0] == FRAMES["ERROR"] or bad.status == 502,
         "what does not parse is refused by the relay", bad.status, bad.body)
    t.ok(good == "CHARTER" and answer("CHARTER_GET", pb.CharterGet())[0] == "CHARTER",
         "and ends nothing else")


def until(events, wanted):
    """The event about this message; others may come before it."""
    for event in iter(events.next, None):
        if event[0] == "item" and json.loads(event[2])["id"] == wanted:
            return event
    return None


def test_live(t, web, alice, ids):
    everything, topic, other = Events(web), Events(web, "?topic=%(topic)s" % ids), \
        Events(web, "?thread=" + "0" * 64)
    t.ok(everything.status == 200
         and everything.fields["content-type"].startswith("text/event-stream")
         and everything.fields["cache-control"] == "no-store", "news come as events", everything.fields)
    at = everything.next()
    t.ok(at and at[0] == "at" and json.loads(at[2])["arrival"] == at[1], "which say where they begin", at)
    topic.next()
    other.next()
    began = time.monotonic()
    reply = alice.reply(ids["post"], "Something new.")
    item, same = until(everything, reply), until(topic, reply)
    took = time.monotonic() - began
    t.ok(item and item[0] == "item" and json.loads(item[2])["id"] == reply
         and json.loads(item[2])["thread"] == ids["post"] and item == same,
         "what arrives is told to who listens", item, same)
    t.ok(took < 3, "soon (%.2f s)" % took)
    t.ok(other.next(1) is None, "and not to who listens elsewhere")
    second = alice.reply(ids["post"], "Something else.")
    everything.close()
    until(topic, second)
    back = Events(web, "", Last_Event_ID=item[1])
    back.next()
    found = until(back, second)
    t.ok(found and json.loads(found[2])["id"] == second, "who comes back is told what was missed", found)
    all_of_it = Events(web, "?after=0&thread=%(post)s" % ids)
    told = [json.loads(event[2])["id"] for event in iter(lambda: all_of_it.next(1), None)
            if event[0] == "item"]
    t.equal(told[-2:], [reply, second], "and everything, from the beginning")
    t.equal([Events(web, query).status for query in ("?topic=12", "?after=x", "?after=-1")],
            [400] * 3, "what can't be asked is refused")
    for events in (topic, other, back, all_of_it):
        events.close()


def test_listeners(t, web):
    web.configure(listeners="2")
    web.node.ctl("reload")  # which waits until both processes have read it

    def statuses():
        every = [Events(web) for _ in range(5)]
        found = sorted(events.status for events in every)
        for events in every:
            events.close()
        time.sleep(0.3)
        return found if 503 in found else None

    # Two for both processes together are one for each.
    found = poll("the limit is not kept", 10, statuses)
    t.ok(found.count(200) <= 2, "no more may listen than the config says", found)
    web.configure(listeners="2000")
    web.node.hangup()


def test_restarts(t, web, node, alice, ids):
    before = web.workers()
    os.kill(before[0], signal.SIGKILL)
    time.sleep(0.1)
    t.equal(web.ask("/about").status, 200, "with one process gone the others serve")
    poll("it is not started again", 10, lambda: len(web.workers()) == 2 and before[0] not in web.workers())
    t.ok(True, "and it is started again")
    relay = node.child("convened-relay")
    os.kill(web.keeper(), signal.SIGKILL)
    poll("the keeper is not started again", 10, lambda: web.keeper() and len(web.workers()) == 2)
    t.ok(web.ask("/about").status == 200 and node.child("convened-relay") == relay,
         "its keeper is, too, and the relay runs on")
    os.kill(relay, signal.SIGSTOP)
    try:
        t.equal(web.ask("/thread/%(post)s" % ids).status, 200, "pages need no relay")
    finally:
        os.kill(relay, signal.SIGCONT)
    node.kill_relay()
    t.equal([web.ask(path % ids).status for path in ("/", "/topic/%(topic)s", "/m/%(post)s")], [200] * 3,
            "nor while there is none")
    status = web.gate(FRAMES["CHARTER_GET"]).status
    t.ok(status in (502, 200), "what is written is told that the relay is away", status)
    node.wait_up()
    poll("the gate does not find the relay again", 20,
         lambda: web.gate(FRAMES["CHARTER_GET"]).status == 200)
    t.ok(True, "and passes when it is back")
    t.ok(alice.reply(ids["post"], "After all that."), "as does everything else")


def test_tls(t, node, ids):
    folder = node.folder
    first = certificate(folder, "one.example")
    node.stop()
    node.config.write_text(node.config.read_text().split("\nweb {")[0])
    web = Web(node, True, certificate='"%s"' % (folder / "web.pem"), key='"%s"' % (folder / "web.key"),
              connections_per_address="6")
    node.start()

    def shown():
        return ssl.get_server_certificate(("127.0.0.1", web.port))

    def digest(pem):
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()

    poll("it does not listen", 10, lambda: not contextlib.suppress(OSError) or shown())
    t.equal(digest(shown()), digest(first), "it speaks TLS with the certificate it was given")
    answer = web.ask("/about")
    t.ok(answer.status == 200 and not answer.unsafe(), "and serves pages", answer.status)
    t.equal(["max-age" in web.ask(path, method)["strict-transport-security"] for method, path in (
        ("GET", "/about"), ("GET", "/nothing"), ("GET", "/gate"), ("HEAD", "/live"))], [True] * 4,
        "which say that this host is never to be asked without TLS")
    events = Events(web, "?after=0")
    news = [event[0] for event in iter(lambda: events.next(2), None)]
    events.close()
    t.ok(news[0] == "at" and news.count("item") > 400 and "reload" not in news,
         "over TLS, too, all that was missed is told, however much is written at once (%d)" % len(news))
    held = web.connect()
    second = certificate(folder, "two.example")
    node.hangup()
    poll("the new certificate is not shown", 10, lambda: all(
        digest(shown()) == digest(second) for _ in range(6)))
    t.ok(True, "a new one is shown after a reload")
    held.sendall(b"GET /about HTTP/1.1\r\nHost: a\r\n\r\n")
    t.ok(held.recv(100).startswith(b"HTTP/1.1 200"), "and who was connected stays so")
    held.close()
    (folder / "web.pem").write_text("nonsense")
    with contextlib.suppress(CommandFailure):
        node.ctl("reload")
    poll("nothing is said of a bad certificate", 10, lambda: any(
        "the certificate that was read before stays" in line for line in node.log_lines()))
    t.equal(digest(shown()), digest(second), "one that is of no use leaves the old one in place")
    # 6 for each process; whoever is over that is closed before anything is said.
    every = []
    for _ in range(24):
        with contextlib.suppress(OSError):
            every.append(web.connect())
    other = web.connect("127.0.0.2")
    t.ok(6 <= len(every) <= 12, "one address has no more connections than it may: %d" % len(every))
    other.sendall(b"GET /about HTTP/1.1\r\nHost: a\r\n\r\n")
    t.ok(other.recv(100).startswith(b"HTTP/1.1 200"), "another one has its own")
    for s in [*every, other]:
        s.close()
    lines = "".join(node.log_lines())
    t.ok("127.0.0.2" not in lines, "the log names no address of a reader")


def test_users(t, node, ids):
    """Root gives node and pages a user each; of one group, which is how the store is read."""
    users = {}
    with contextlib.suppress(KeyError):
        users = {name: pwd.getpwnam(name) for name in ("nobody", "_apt")}
    if os.geteuid() != 0 or len(users) < 2 or users["nobody"].pw_gid != users["_apt"].pw_gid:
        t.skip("users", "only root can start it for others, and here two of one group are wanted")
        return
    node.stop()
    node.config.write_text(node.config.read_text().split("\nweb {")[0].replace(
        "node {", 'node {\n\tuser = "nobody"', 1))
    web = Web(node, user='"_apt"')
    for folder in (node.folder.parent, node.folder, node.config):
        folder.chmod(0o755)
    for path in [node.folder / "data", *(node.folder / "data").rglob("*")]:
        os.chown(path, users["nobody"].pw_uid, users["nobody"].pw_gid)
    node.start()
    poll("there are no pages", 10, lambda: len(web.workers()) == 2)
    everybody = [web.keeper(), *web.workers()]
    t.equal([uid_of(pid) for pid in everybody],
            [users["_apt"].pw_uid] * 3, "pages have a user of their own")
    t.equal([uid_of(pid) for pid in (node.process.pid, node.child("convened-relay"))],
            [users["nobody"].pw_uid] * 2, "and the node has its own")
    t.equal(web.ask("/thread/%(post)s" % ids).status, 200, "who reads the store as another user")
    t.equal(web.gate(FRAMES["CHARTER_GET"]).status, 200, "and speaks to the relay as any client")
    open_files = {os.readlink("/proc/%d/fd/%s" % (pid, fd)) for pid in everybody
                  for fd in os.listdir("/proc/%d/fd" % pid)}
    t.ok(not any("key" in path or "convened.sock" in path or "signer" in path for path in open_files),
         "nothing of the node's keys is open there", open_files)
    gone = web.workers()[0]
    os.kill(gone, signal.SIGKILL)
    poll("it is not started again", 10, lambda: len(web.workers()) == 2 and gone not in web.workers())
    t.equal([uid_of(pid) for pid in web.workers()], [users["_apt"].pw_uid] * 2, "one that fails comes back as that user")
    web.configure(operator='"Another operator"')
    node.hangup()
    poll("the reload does not come through", 10, lambda: all(
        b"Another operator" in web.ask("/about").body for _ in range(6)))
    t.ok(True, "a reload reaches it")
    os.kill(web.keeper(), signal.SIGKILL)
    poll("nothing is said", 10, lambda: any("can only be started with convened" in line for line in node.log_lines()))
    t.ok(node.status()["sealing"] == "on", "without its keeper there are no pages, and the node goes on")
    began = time.monotonic()
    node.stop()
    t.ok(time.monotonic() - began < 10, "and stops in order")
    node.start()


def uid_of(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("Uid:")).split()[1])


def main(t):
    with Forum(["a.example"]) as forum:
        node = forum[0]
        web = Web(node)
        forum.start()
        alice = node.enrol("alice")
        topic = alice.topic("Principles")
        post = alice.post(topic, "First", "Text of the first.")
        forum.settle()
        ids = {"topic": topic, "post": post, "short": post[:9], "none": "f" * 64}
        test_answers(t, web, ids)
        test_static(t, web)
        test_gate(t, web, node, ids)
        test_live(t, web, alice, ids)
        test_listeners(t, web)
        test_restarts(t, web, node, alice, ids)
        test_tls(t, node, ids)
        test_users(t, node, ids)
        with contextlib.suppress(CommandFailure):
            t.ok(node.status()["sealing"] == "on", "the relay is as it was")


tap_run(main)
