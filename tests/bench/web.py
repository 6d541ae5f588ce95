# SPDX-License-Identifier: BSD-2-Clause
"""Pages: threads of 100 messages in full, as a reader's browser asks for them.

A list of 1,000 threads is brought in as mail, into a node and into public-inbox (PEERS=1), and each
thread is asked for once, in random order: "cold". One process serves, another asks, on two kept
connections, so that the first always has something to do. Then threads are asked for as often as Zipf says, from four connections:
"kept". Last, somebody reads 200 pages a second at A while a log goes through O, A and B."""
import contextlib
import gzip
import http.client
import multiprocessing
import random
import re
import subprocess
import time
import urllib.parse

import archives
import peer_inbox
from harness import Failure, Forum, chain, in_parallel, poll
from log import pull
from nodes import filled
from web_client import Web

THREADS, EACH = 1000, 100
KEPT_S, RATE = 10, 200
WORDS = 4000
ADDRESS = "list@bench.example"


# ---- mail ----

def words(rng, count, vocabulary):
    """Text whose words come as often as Zipf says, in lines and paragraphs."""
    out, line = [], []
    for _ in range(count):
        line.append(vocabulary[min(int(rng.paretovariate(0.9)) - 1, WORDS - 1)])
        if len(line) == 12:
            out.append(" ".join(line))
            line = []
            if rng.random() < 0.15:
                out.append("")
    return "\n".join(out + [" ".join(line)])


def mailbox(path, threads, each):
    """One mbox: threads whose messages answer one of the last few, quoting some of it."""
    rng = random.Random(7)
    vocabulary = ["".join(rng.choice("bcdfghklmnprstvw") + rng.choice("aeiou") for _ in range(rng.randint(1, 4)))
                  for _ in range(WORDS)]
    total = 0
    with open(path, "w", encoding="utf-8") as out:
        for number in range(each):
            for thread in range(threads):
                state = random.Random(thread)
                subject = words(state, 6, vocabulary).replace("\n", " ")
                parent = max(0, number - rng.randint(1, 8))
                text = words(rng, rng.randint(40, 160), vocabulary)
                if number:
                    text = "> %s\n\n%s" % (words(rng, 10, vocabulary), text)
                when = time.gmtime(1600000000 + (number * threads + thread) * 60)
                person = rng.randrange(200)
                out.write("From person%d@bench.example %s\n" % (person, time.strftime("%a %b %d %H:%M:%S %Y", when)))
                out.write("From: Person %d <person%d@bench.example>\nTo: %s\n" % (person, person, ADDRESS))
                out.write("Date: %s\nMessage-ID: <%d.%d@bench.example>\n" % (
                    time.strftime("%a, %d %b %Y %H:%M:%S +0000", when), thread, number))
                if number:
                    out.write("In-Reply-To: <%d.%d@bench.example>\nReferences: <%d.0@bench.example>\n" % (
                        thread, parent, thread))
                out.write("Subject: %s%s\nContent-Type: text/plain; charset=utf-8\n\n%s\n\n" % (
                    "Re: " if number else "", subject, text))
                total += len(text)
    return total


# ---- asking ----

def ask_each(address, paths, zipped):
    """Seconds for all, from two connections, so that the server never waits; and the bytes of bodies."""
    began = time.monotonic()
    sizes = in_parallel(lambda some: ask_some(address, some, zipped), [paths[::2], paths[1::2]], 2)
    return time.monotonic() - began, sum(sizes)


def ask_some(address, paths, zipped):
    host = urllib.parse.urlsplit(address).netloc
    fields = {"Accept-Encoding": "gzip"} if zipped else {}
    connection = http.client.HTTPConnection(host, timeout=120)
    size = 0
    for path in paths:
        connection.request("GET", path, headers=fields)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Failure("%s: %d" % (path, answer.status))
        size += len(body)
    connection.close()
    return size


def kept(address, paths, seconds, wrk, folder):
    """Pages a second that need not be made, from four connections: by wrk, which takes little itself."""
    script = folder / "paths.lua"
    script.write_text("paths = {\n" + "".join('"%s",\n' % path for path in paths) + "}\nat = 0\n"
                      "request = function()\n  at = at % #paths + 1\n"
                      '  return wrk.format("GET", paths[at], {["Accept-Encoding"] = "gzip"})\nend\n')
    done = subprocess.run([str(wrk), "-t1", "-c4", "-d%ds" % seconds, "-s", str(script), address],
                          capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in done:
        raise Failure(done)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done).group(1))


def zipf(rng, items, count):
    """Drawn as Zipf says, with s = 1."""
    weights = [1 / (rank + 1) for rank in range(len(items))]
    return rng.choices(items, weights, k=count)


def cpu_of(pids):
    """Seconds of CPU, to the nanosecond."""
    total = 0
    for pid in pids:
        with open("/proc/%d/schedstat" % pid, encoding="ascii") as f:
            total += int(f.read().split()[0]) / 1e9
    return total


def family(pid):
    """A process and all below it: public-inbox has its texts from a git beside it."""
    pids = [pid]
    for one in pids:
        with contextlib.suppress(OSError):
            with open("/proc/%d/task/%d/children" % (one, one), encoding="ascii") as f:
                pids += [int(child) for child in f.read().split()]
    return pids


# ---- what is measured ----

def thread_paths(web):
    """The path of each thread, by asking the pages themselves."""
    topic = re.search(rb'/topic/[0-9a-f]{64}', web.ask("/").body).group().decode()
    found, page = [], 1
    while True:
        body = web.ask("%s?page=%d" % (topic, page)).body
        new = [path.decode() for path in dict.fromkeys(re.findall(rb'/thread/[0-9a-f]{64}', body))]
        new = [path for path in new if path not in found]
        if not new:
            return found
        found += new
        page += 1


def cold(frame, web, address, threads):
    rng = random.Random(3)
    paths = thread_paths(web)
    if len(paths) != threads:
        raise Failure("%d threads are shown, not %d" % (len(paths), threads))
    rng.shuffle(paths)
    took, cpu = {}, {}
    for zipped in (False, True):
        # Nothing is kept: a process that has just begun.
        web.node.stop()
        web.node.start()
        poll("the pages are not there", 30, lambda: _up(web))
        ask_each(web.url(), paths[:3] + ["/"], zipped)
        before = cpu_of(web.workers())
        seconds, size = ask_each(web.url(), paths[3:], zipped)
        took[zipped] = seconds / (len(paths) - 3)
        cpu[zipped] = (cpu_of(web.workers()) - before) / (len(paths) - 3)
        frame.say("%s: %.2f ms a page, %.2f of them the server's CPU, %.0f kB" % (
            "gzip" if zipped else "plain", took[zipped] * 1e3, cpu[zipped] * 1e3, size / 1e3 / (len(paths) - 3)))
    theirs = None
    if address:
        some = rng.sample(range(threads), min(threads, frame.scale(100, 10)))
        roots = ["/list/%s/t/" % urllib.parse.quote("%d.0@bench.example" % thread) for thread in some]
        ask_each(address, roots[:1], False)
        before = cpu_of(family(address.pid))
        seconds, size = ask_each(address, roots, False)
        theirs = len(roots) / seconds
        theirs_cpu = (cpu_of(family(address.pid)) - before) / len(roots)
        frame.say("public-inbox: %.0f ms a page, %.0f of them its CPU, %.0f kB, %d of them" % (
            1e3 / theirs, theirs_cpu * 1e3, size / 1e3 / len(roots), len(roots)))
        frame.figure("public-inbox, threads in full", theirs, "pages/s")
    frame.figure("threads of %d in full, cold" % EACH, 1 / took[False], "pages/s", limit=theirs,
                 target="≥ 10" if theirs else "", note="uncompressed, as public-inbox gives them")
    frame.figure("  CPU of the server", cpu[False] * 1e3, "ms", limit=theirs_cpu * 1e3 if theirs else None,
                 ratio=theirs_cpu / cpu[False] if theirs else None)
    frame.figure("  the same compressed", 1 / took[True], "pages/s", note="%.2f ms of CPU" % (cpu[True] * 1e3))
    return paths


def _up(web):
    with contextlib.suppress(OSError):
        return web.ask("/").status == 200
    return False


def pages(frame, wrk):
    threads = frame.scale(THREADS, 20)
    with Forum(["lists.example"], edges=[]) as forum:
        node = forum[0]
        web = Web(node, cache_mib="256")
        web.configure(processes="1")
        box = forum.folder / "list.mbox"
        size = mailbox(box, threads, EACH)
        forum.start()
        archivist = archives.Archivist(node)
        topic = archivist.topic("The list")
        archivist.bring("mbox", box, topic, timeout=3600)
        forum.settle(1200)
        frame.say("%d threads of %d messages, %.0f MB of text" % (threads, EACH, size / 1e6))
        peer = peer_inbox.served(frame, box, forum.folder / "inbox", 1, "basic") if frame.peers else \
            contextlib.nullcontext()
        with peer as address:
            paths = cold(frame, web, address, threads)
        if not wrk:
            return
        often = zipf(random.Random(5), paths, 20000)
        ask_each(web.url(), sorted(set(often)), True)
        before, began = cpu_of(web.workers()), time.monotonic()
        rate = kept(web.url(), often, frame.scale(KEPT_S, 1), wrk, forum.folder)
        frame.figure("the same, kept, by Zipf", rate, "pages/s", note="%.1f µs of the server's CPU each" % (
            (cpu_of(web.workers()) - before) / (time.monotonic() - began) * 1e6 / rate))


def beside(frame):
    """The log path of A, alone and with readers."""
    entries = frame.scale(100000, 3000)
    rounds = frame.medians()
    with filled(frame, entries, ["o.example", "a.example", "b.example"], chain(3)) as (forum, made):
        web = Web(forum[1])
        for _ in rounds:
            pull(frame, forum, made, rounds)
            alone = rounds.all("rate")[-1]
            out = multiprocessing.Queue()
            reading = multiprocessing.Process(target=_readers, args=(web.port, RATE, out))
            reading.start()
            try:
                pull(frame, forum, made, rounds)
            finally:
                reading.terminate()
                reading.join()
            with_readers = rounds.all("rate")[-1]
            read = 0
            while not out.empty():
                read = out.get()
            rounds.add("share", with_readers / alone)
            rounds.add("pages", read)
            frame.say("%.0f/s alone, %.0f/s beside %.0f pages/s" % (alone, with_readers, read))
    frame.figure("log path beside %d pages/s" % RATE, rounds["share"] * 100, "%", target="≥ 70 %",
                 ratio=rounds["share"], note="%.0f pages/s came; of what it is alone" % rounds["pages"])


def _readers(port, rate, out):
    """Pages of a growing forum, as whoever reads them follows links."""
    rng, paths, count, began = random.Random(1), ["/"], 0, None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while True:
        try:
            connection.request("GET", rng.choice(paths), headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            time.sleep(0.05)
            continue
        if answer.status != 200:
            time.sleep(0.02)
            continue
        began = began or time.monotonic()
        if count % 50 == 0:
            text = gzip.decompress(body) if answer.getheader("Content-Encoding") == "gzip" else body
            found = {path.decode() for path in re.findall(rb'/(?:topic|thread|m)/[0-9a-f]{64}', text)}
            paths = ["/"] + list(dict.fromkeys(paths[-200:] + sorted(found)))
        count += 1
        if count > (time.monotonic() - began) * rate:
            time.sleep(count / rate - (time.monotonic() - began))
        if count % 20 == 0:
            out.put(count / max(0.001, time.monotonic() - began))


def run(frame):
    wrk = None
    if frame.peers:
        import peers
        with contextlib.suppress(peers.Missing):
            wrk = peers.unpacked("wrk") / "usr/bin/wrk"
    pages(frame, wrk)
    beside(frame)
