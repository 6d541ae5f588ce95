#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The web process and those who mean it ill: requests that two programs could read differently,
too long ones, too many, too slow ones, and whether anything is kept of who came."""
import contextlib
import ipaddress
import os
import random
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True

from harness import Forum, in_parallel, poll, tap_run  # noqa: E402
from web_client import Events, Web  # noqa: E402

try:
    import h11
except ImportError:
    h11 = None

GET = b"GET /about HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /gate HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-convene\r\n"
AFTER = b"GET /help HTTP/1.1\r\nHost: a\r\n\r\n"

# Each holds a second request, for those who understand it so. One answer, and the end.
SMUGGLED = {
    "a length and an encoding": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an encoding nobody knows": POST + b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 36\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +5\r\n\r\nabcde",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nabcde",
    "a space before the colon": POST + b"Content-Length : 5\r\n\r\nabcde",
    "a folded field": GET + b"X: b\r\n Content-Length: 4\r\n\r\nabcd",
    "a body of GET": GET + b"Content-Length: 5\r\n\r\nabcde",
    "a bare CR": GET + b"X: a\rContent-Length: 7\r\n\r\n",
    "a bare LF": GET + b"X: a\nContent-Length: 7\r\n\r\n",
    "a NUL": GET + b"X: a\0b\r\n\r\n",
    "two hosts": GET + b"Host: b\r\n\r\n",
    "no host": b"GET /about HTTP/1.1\r\n\r\n",
    "a control in the target": b"GET /about\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the target": b"GET /about b HTTP/1.1\r\nHost: a\r\n\r\n",
    "chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\nabcde\r\n0\r\n\r\n",
}


def test_smuggling(t, web):
    for name, request in SMUGGLED.items():
        statuses, closed, got = web.raw(request + AFTER)
        t.ok(len(statuses) == 1 and statuses[0] in (400, 501) and closed,
             "%s: refused, and the end" % name, statuses, closed, got[:200])


def h11_reads(request):
    """The targets of the requests that another strict reader finds in these bytes."""
    found = []
    while request:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        try:
            connection.receive_data(request)
            event = connection.next_event()
            if not isinstance(event, h11.Request):
                return found
            more = connection.next_event()
            while isinstance(more, h11.Data):
                more = connection.next_event()
            if not isinstance(more, h11.EndOfMessage):
                return found
        except h11.RemoteProtocolError:
            return found
        found.append(event.target)
        request = connection.trailing_data[0]
    return found


def mutated(rng):
    """A request, more or less."""
    pieces = [b"Content-Length: 0", b"Content-Length: 3", b"content-length:3", b"Content-Length: 3 ",
              b"Content-Length: 03", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity",
              b"Host: b", b"X: \xff", b"X:\ty", b"X", b"X : y", b" X: y", b"\tX: y", b"X: y\0", b"Connection: close",
              b"Connection: keep-alive", b"Expect: 100-continue", b"Accept-Encoding: gzip", b"X: y\rZ: w",
              b"X: y\nZ: w", b"", b"X: \x7f", b"(: y", b"X-Y_Z: 1", b"Cookie: a=b"]
    line = rng.choice([b"GET /about HTTP/1.1", b"GET /about?a=b HTTP/1.1", b"HEAD /about HTTP/1.1",
                       b"POST /gate HTTP/1.1", b"GET /about HTTP/1.0", b"GET  /about HTTP/1.1",
                       b"get /about HTTP/1.1", b"GET http://a/about HTTP/1.1", b"GET /\xc3\xa9 HTTP/1.1",
                       b"GET /a\tb HTTP/1.1", b"GET /about HTTP/1.1 ", b"GET /about HTTP/1.11", b"G@T / HTTP/1.1"])
    lines = [line, b"Host: a"] + rng.sample(pieces, rng.randrange(0, 3))
    if rng.random() < 0.1:
        lines.remove(b"Host: a")
    text = bytearray(b"\r\n".join(lines) + b"\r\n\r\n" + b"abc" * rng.randrange(0, 2))
    if rng.random() < 0.3:
        text[rng.randrange(len(text))] = rng.choice(b"\r\n\0 :\t\x80a,")
    return bytes(text)


def test_like_another(t, web):
    if not h11:
        t.skip("what is taken is what another strict reader takes", "there is no h11")
        return
    rng = random.Random(20261122)
    every = [mutated(rng) for _ in range(1500)]

    last = AFTER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    def ours(request):
        statuses, _, _ = web.raw(request + last, wait=0.5)
        return [status for status in statuses if status not in (400, 501, 505, 411, 417, 408)]

    wrong, taken = [], 0
    for request, statuses in zip(every, in_parallel(ours, every, 16)):
        theirs = h11_reads(request + last)
        taken += len(statuses)
        if len(statuses) > len(theirs):
            wrong.append((request, statuses, theirs))
    t.ok(not wrong, "of 1,500 odd requests nothing is taken that another strict reader does not (%d)" % taken,
         *wrong[:5])
    t.ok(taken > 300, "and enough of them are good")


def test_sizes(t, web):
    long_path = b"/" + b"a" * 5000
    t.equal([web.raw(b"GET " + long_path + b" HTTP/1.1\r\nHost: a\r\n\r\n")[0],
             web.raw(b"GET " + b"/" * 40000)[0],
             web.raw(GET + b"X: " + b"a" * 20000 + b"\r\n\r\n")[0],
             web.raw(GET + b"X: y\r\n" * 200 + b"\r\n")[0],
             web.raw(POST + b"Content-Length: 99999999\r\n\r\n")[0],
             web.raw(POST + b"\r\n")[0]],
            [[414], [414], [431], [431], [413], [411]], "what is too long is refused by its name")
    long = b"Host: a\r\nContent-Length: 2000000\r\n"
    t.equal([web.raw(line + long + field + b"\r\n")[:2] for line, field in (
        (b"POST /about HTTP/1.1\r\n", b"Content-Type: application/x-convene\r\n"),
        (b"POST / HTTP/1.1\r\n", b""), (b"POST /gate HTTP/1.1\r\n", b"Content-Type: text/plain\r\n"),
        (b"POST /gate HTTP/1.1\r\n", b"Content-Type: application/x-convene\r\nSec-Fetch-Site: cross-site\r\n"))],
        [([405], True), ([405], True), ([415], True), ([403], True)],
        "a body that nobody takes is not waited for")
    statuses, closed, got = web.raw(GET + b"X: " + b"a" * 20000 + b"\r\n\r\n")
    t.ok(b"Content-Security-Policy" in got and b"<html" in got, "in a page with the fields of all", got[:300])
    statuses, closed, got = web.raw(
        POST + b"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n", b"\x53")
    t.ok(got.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), "who asks before sending is answered",
         got[:100])
    big = POST + b"Content-Length: 2000000\r\n\r\n" + b"\x40" + b"x" * 1999999
    statuses, closed, got = web.raw(big, wait=5)
    t.ok(statuses == [200] or statuses == [502], "a large frame goes through whole", statuses)


def test_pipeline(t, web):
    statuses, closed, got = web.raw(AFTER * 50 + GET + b"Connection: close\r\n\r\n", wait=5)
    t.ok(statuses == [200] * 51 and closed, "51 requests at once have 51 answers", statuses)
    s = web.connect()
    s.sendall(AFTER * 20)
    s.shutdown(socket.SHUT_WR)
    got = b"".join(iter(lambda: s.recv(1 << 20), b""))
    s.close()
    t.equal(got.count(b"HTTP/1.1 200"), 20, "20 whose sender has said all have theirs, and then the end")
    statuses, closed, got = web.raw(*[AFTER[i:i + 1] for i in range(len(AFTER))], wait=2)
    t.equal(statuses, [200], "one in single bytes has one")


def test_slow(t, web):
    """All of these at once, for they take their time."""
    def head():
        s = web.connect(timeout=30)
        began, got = time.monotonic(), b""
        with contextlib.suppress(OSError):
            for byte in GET * 100:
                s.sendall(bytes([byte]))
                s.settimeout(0.3)
                with contextlib.suppress(socket.timeout):
                    got = s.recv(1000)
                    break
        s.close()
        return "408" in got.decode("latin-1")[:20], time.monotonic() - began

    def body():
        s = web.connect(timeout=60)
        began, got = time.monotonic(), b""
        s.sendall(POST + b"Content-Length: 1000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(1000):
                s.sendall(b"a")
                s.settimeout(0.3)
                with contextlib.suppress(socket.timeout):
                    got = s.recv(1000)
                    break
        s.close()
        return "408" in got.decode("latin-1")[:20], time.monotonic() - began

    def promise():
        """One byte of two million."""
        s = web.connect(timeout=60)
        began = time.monotonic()
        s.sendall(POST + b"Content-Length: 2000000\r\n\r\na")
        got = s.recv(1000)
        s.close()
        return "408" in got.decode("latin-1")[:20], time.monotonic() - began

    def reader():
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", web.port))
        began = time.monotonic()
        s.sendall(AFTER * 400)
        got = b""
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 45:
                time.sleep(0.5)
                got += s.recv(100)
            s.settimeout(3)
            for more in iter(lambda: s.recv(1 << 20), b""):
                got += more
        s.close()
        return got.count(b"HTTP/1.1 200"), time.monotonic() - began

    crowd = [web.connect() for _ in range(200)]
    kept = web.connect()
    kept.sendall(AFTER)
    kept.recv(1 << 20)
    for s in crowd:
        s.sendall(b"GET /about HTTP/1.1\r\nX")
    began = time.monotonic()
    t.ok(web.ask("/about").status == 200 and time.monotonic() - began < 2,
         "200 who say no more do not keep others waiting")
    (said_head, head_s), (said_body, body_s), (answers, _), (said_promise, promise_s) = in_parallel(
        lambda f: f(), [head, body, reader, promise])
    t.ok(said_head and 8 < head_s < 13, "a head that drips is ended after 10 s: %.1f" % head_s)
    t.ok(said_body and 18 < body_s < 25, "a body that drips after 20 s: %.1f" % body_s)
    t.ok(said_promise and 18 < promise_s < 25, "so is one that is promised to be long: %.1f" % promise_s)
    t.ok(0 < answers < 400, "answers that nobody takes after half a minute: %d of 400 had gone" % answers)
    kept.sendall(AFTER)
    t.ok(kept.recv(100).startswith(b"HTTP/1.1 200"), "who pauses between two requests is not too slow")
    kept.close()
    for s in crowd:
        s.settimeout(5)
    t.equal({s.recv(12) for s in crowd}, {b"HTTP/1.1 408"}, "and those who said no more were told")
    for s in crowd:
        s.close()


def test_connections(t, web):
    web.configure(connections="20", connections_per_address="20", listeners="20")
    web.node.hangup()
    time.sleep(1)
    held = []
    with contextlib.suppress(OSError):
        for _ in range(100):
            held.append(web.connect())
    answer = web.ask("/about")
    t.ok(answer.status == 200, "who is new takes the place of who was idle longest", answer.status, answer.list)
    stuck = [web.connect() for _ in range(40)]
    for s in stuck:
        with contextlib.suppress(OSError):
            s.sendall(b"GET /abo")
    time.sleep(0.3)
    found = set()
    for _ in range(20):
        try:
            found.add(web.ask("/about").status)
        except OSError:
            found.add("closed")
    t.ok(found <= {503, "closed", 200} and found & {503, "closed"}, "with all places taken one is told so", found)
    time.sleep(6)
    t.equal([web.ask("/about").status for _ in range(4)], [200] * 4, "until those who are slow have to make way")
    for s in [*held, *stuck]:
        s.close()
    web.configure(connections="4000", connections_per_address="64", listeners="100")
    web.node.hangup()
    poll("it does not serve again", 15, lambda: [web.ask("/about").status for _ in range(5)] == [200] * 5)
    t.ok(True, "and all is well when they have gone")


def test_memory(t, web):
    """120 bodies of 2 MB of which the end doesn't come."""
    def part(_):
        s = web.connect()
        with contextlib.suppress(OSError):
            s.sendall(POST + b"Content-Length: 2000000\r\n\r\n" + b"x" * 1900000)
        return s

    def told(s):
        s.settimeout(0.1)
        try:
            return s.recv(12)
        except OSError:
            return b""

    def resident(pid):
        with open("/proc/%d/status" % pid, encoding="ascii") as f:
            return int(next(line for line in f if line.startswith("VmRSS")).split()[1]) // 1024

    held = in_parallel(part, range(120), 16)
    answers = [told(s) for s in held]
    mib = [resident(pid) for pid in web.workers()]
    t.ok(answers.count(b"HTTP/1.1 503") > 20 and max(mib) < 160,
         "what is held for all who send much has a bound: %s MiB" % mib, answers.count(b"HTTP/1.1 503"))
    t.equal(web.ask("/about").status, 200, "and pages are served")
    for s in held:
        s.close()


def test_nothing_kept(t, web, node, paths):
    """10,000 requests of all sorts from 50 addresses; then every byte of every file is looked at."""
    addresses = ["127.%d.%d.%d" % (17 + i, 41 + 3 * i, 97 + i) for i in range(50)]
    rng = random.Random(6)

    def some(address):
        for i in range(200):
            path = rng.choice(paths)
            with contextlib.suppress(OSError):
                if i % 20 == 0:
                    web.raw(rng.choice(list(SMUGGLED.values())), wait=0.01, source=address)
                elif i % 33 == 0:
                    web.gate_from(address)
                elif i % 50 == 0:
                    Events(web).close()
                else:
                    web.ask(path, source=address)

    def gate_from(address):
        return web.ask("/gate", "POST", b"\x53", source=address, Content_Type="application/x-convene")

    web.gate_from = gate_from
    in_parallel(some, addresses, 16)
    needles = []
    for address in addresses:
        packed = ipaddress.IPv4Address(address).packed
        needles += [address.encode(), packed, packed[::-1], packed.hex().encode(),
                    struct.pack("<I", struct.unpack(">I", packed)[0])]
    # A text stands for itself: that what is looked for would be found is shown first.
    probe = node.folder / "data" / "probe"
    probe.write_bytes(b"x" * 100000 + ipaddress.IPv4Address(addresses[49]).packed + b"y")
    files = lambda: [os.path.join(folder, name) for top in (node.forum.folder,)  # noqa: E731
                     for folder, _, names in os.walk(top) for name in names]

    def found():
        hits = []
        for path in files():
            with contextlib.suppress(OSError):
                with open(path, "rb") as f:
                    data = f.read()
                hits += [(path, needle) for needle in needles if needle in data]
        return hits

    t.equal({os.path.basename(path) for path, _ in found()}, {"probe"}, "what is looked for is found where it is")
    probe.unlink()
    tmp = [os.path.join(folder, name) for folder, _, names in os.walk("/tmp") for name in names
           if newer(os.path.join(folder, name), web.began)]
    t.equal(found(), [], "after 10,000 requests no file of data, log or config names any of 50 addresses")
    hits = []
    for path in tmp:
        with contextlib.suppress(OSError):
            if os.path.getsize(path) < 64 << 20:
                with open(path, "rb") as f:
                    data = f.read()
                hits += [(path, a) for a in addresses if a.encode() in data]
    t.equal(hits, [], "nor one that is new in /tmp (%d files)" % len(tmp))


def newer(path, than):
    try:
        return os.path.isfile(path) and os.path.getmtime(path) > than
    except OSError:
        return False


def main(t):
    with Forum(["a.example"]) as forum:
        node = forum[0]
        web = Web(node)
        web.began = time.time()
        forum.start()
        alice = node.enrol("alice")
        topic = alice.topic("Principles")
        post = alice.post(topic, "First", "Text of the first.")
        forum.settle()
        test_smuggling(t, web)
        test_like_another(t, web)
        test_sizes(t, web)
        test_pipeline(t, web)
        test_slow(t, web)
        test_connections(t, web)
        test_memory(t, web)
        test_nothing_kept(t, web, node, ["/", "/topic/" + topic, "/thread/" + post, "/m/" + post,
                                         "/m/%s/raw" % post, "/m/%s/proof" % post, "/nothing", "/feed",
                                         "/search?q=text", "/about", "/ar/"])
        t.equal([line for line in node.log_lines() if " error" in line], [], "nothing has failed")


tap_run(main)
