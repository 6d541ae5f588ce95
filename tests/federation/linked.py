# SPDX-License-Identifier: BSD-2-Clause
"""Emulated links between the nodes of a forum: delay, loss, rate, cuts.

    with Forum(names, chain(5), linked=["delay 100ms", "loss 1%"]) as forum:
        forum.links.set("down", (2, 3))      # the link between these two
        forum.links.set("up")                # all links

Each node has a network namespace of its own, and each edge two tun devices that the program `link`
(link.h) joins. Where these can't be made, for want of rights, nodes stay on the loopback and reach
each other through a proxy of the same program: with delay, rate and stalls, without loss.
`links.mode` says which. CONVENE_LINKS=proxy asks for the proxy.

Commands are those of link.c: delay, loss, rate, queue, down, up, oneway, seed.
"""
import contextlib
import json
import os
import pathlib
import re
import select
import subprocess
import sys

import harness

LINK = harness.BUILD / "tests/federation/link"
NETNS = pathlib.Path("/run/netns")
CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"
COPY_PORT = 7

# What moves the bytes of a plain copy: as little of our own as there can be.
SEND = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 60)
left, block = int(sys.argv[3]), bytes(65536)
while left:
    left -= s.send(block[:left])
s.shutdown(socket.SHUT_WR)
s.recv(1)
"""
RECEIVE = """
import socket, sys, time
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
s, _ = listener.accept()
began = time.monotonic()
s.settimeout(60)
count = 0
while True:
    data = s.recv(262144)
    if not data:
        break
    count += len(data)
print(count, time.monotonic() - began, flush=True)
"""


class Links:
    """The links of a forum's edges. An edge is named by its two positions, in either order."""

    def __init__(self, count, edges, commands, seed=1):
        self.edges = [tuple(edge) for edge in edges]
        self.commands, self.seed, self.count = list(commands), seed, count
        self.mode, self.process, self.why = None, None, ""
        self.namespaces = []
        self._doors, self._targets, self._said = {}, {}, b""
        if not os.access(LINK, os.X_OK):
            raise harness.Failure("%s is not there: run make, or set builddir" % LINK)
        if os.environ.get("CONVENE_LINKS") == "proxy":
            self.why = "asked for by CONVENE_LINKS"
        else:
            self._make_packets()
        if self.mode is None:
            self.mode = "a proxy on the loopback, without loss (%s)" % self.why
        self.packets = bool(self.namespaces)

    # ---- namespaces ----

    @staticmethod
    def _sweep():
        """Remove what a killed test has left."""
        names = os.listdir(NETNS) if NETNS.is_dir() else []
        for name in names:
            found = re.fullmatch(r"convene-(\d+)-\d+", name)
            if found and not os.path.exists("/proc/" + found.group(1)):
                subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    def _make_packets(self):
        try:
            self._sweep()
            for number in range(self.count):
                name = "convene-%d-%d" % (os.getpid(), number)
                # Of an earlier forum of this program.
                subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
                harness.run(["ip", "netns", "add", name])
                self.namespaces.append(name)
            words = ["%s,%s,%s,%s" % (self.namespaces[i], self.host(i), self.namespaces[j],
                                      self.host(j)) for i, j in self.edges]
            self._run([], words)
            self.mode = "packets between network namespaces, TCP with %s" % self.congestion()
        except (harness.Failure, OSError) as error:
            self.why = str(error).strip().splitlines()[-1]
            self.end()

    def congestion(self):
        return harness.run([*self.enter(0), "cat", CONGESTION]).strip()

    def set_congestion(self, name):
        """Of connections made from now on in the namespaces; False when the kernel has it not."""
        try:
            for i in range(self.count):
                harness.run([*self.enter(i), "tee", CONGESTION], name.encode())
        except harness.Failure:
            return False
        return True

    def host(self, number):
        """Address of a node."""
        return "10.77.%d.%d" % (number // 250, number % 250 + 1) if self.namespaces else "127.0.0.1"

    def enter(self, number):
        """Words before a command that is to see the network as this node does."""
        if not self.namespaces:
            return []
        return ["nsenter", "--net=%s" % (NETNS / self.namespaces[number])]

    # ---- the proxy ----

    def start_proxy(self, nodes):
        """Now that the nodes have ports."""
        words = []
        for i, j in self.edges:
            doors = []
            for a, b in ((i, j), (j, i)):
                self._doors[a, b] = harness.free_port()
                doors += [str(self._doors[a, b]), str(nodes[b].port)]
            for a, b in ((i, j), (j, i)):
                self._doors["copy", a, b], target = harness.free_port(), harness.free_port()
                self._targets[a, b] = target
                doors += [str(self._doors["copy", a, b]), str(target)]
            words.append(",".join(doors))
        self._run(["-p"], words)

    def address(self, here, there, address):
        """Where the node `here` reaches `there`, whose own address is given."""
        return address if self.packets else "127.0.0.1:%d" % self._doors[here, there]

    # ---- the emulator ----

    def _run(self, options, words):
        commands = [word for command in self.commands for word in ("-c", command)]
        self.process = subprocess.Popen(
            [str(LINK), *options, "-s", str(self.seed), *commands, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._line()

    def _line(self, seconds=10):
        while b"\n" not in self._said:
            if not select.select([self.process.stdout], [], [], seconds)[0]:
                raise harness.Failure("the emulator of links does not answer")
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise harness.Failure("the emulator of links has ended: %s" %
                                      self.process.stderr.read().decode().strip())
            self._said += more
        line, _, self._said = self._said.partition(b"\n")
        return line.decode()

    def command(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        answer = self._line()
        if text == "stats":
            self._line()
        if answer.startswith("error"):
            raise harness.Failure("link: " + answer)
        return answer

    def set(self, command, *edges):
        """Change the links between these pairs of positions, or all. The pair's order is the
        direction that oneway leaves open."""
        if not edges:
            self.command(command)
        for i, j in edges:
            if (i, j) in self.edges:
                self.command("%d %s" % (self.edges.index((i, j)), command))
            elif command == "oneway":
                number = self.edges.index((j, i))
                self.command("%d> down" % number)
                self.command("%d< up" % number)
            else:
                self.command("%d %s" % (self.edges.index((j, i)), command))

    def reseed(self, seed):
        """From here on, packets are lost as they were after the last time with this seed."""
        self.command("seed %d" % seed)

    def stats(self):
        """Counts by (from, to)."""
        rows = json.loads(self.command("stats"))
        return {self.edges[row["link"]][::1 if row["from"] == "a" else -1]: row for row in rows}

    def copy(self, sender, receiver, size):
        """Send so many bytes over the link by plain TCP; returns the seconds from the moment at
        which the receiver has the connection until it has the last byte."""
        if self.packets:
            port, target, host = COPY_PORT, COPY_PORT, self.host(receiver)
        else:
            port, target = self._doors["copy", sender, receiver], self._targets[sender, receiver]
            host = "127.0.0.1"
        there = subprocess.Popen(
            [*self.enter(receiver), sys.executable, "-c", RECEIVE, host, str(target)],
            stdout=subprocess.PIPE, text=True)
        try:
            there.stdout.readline()
            subprocess.run([*self.enter(sender), sys.executable, "-c", SEND, host, str(port),
                            str(size)], check=True, timeout=600)
            count, took = there.communicate(timeout=60)[0].split()
        finally:
            if there.poll() is None:
                there.kill()
                there.wait()
        if int(count) != size:
            raise harness.Failure("of a plain copy of %d bytes %s arrived" % (size, count))
        return float(took)

    def end(self):
        if self.process:
            with contextlib.suppress(subprocess.TimeoutExpired, ValueError, BrokenPipeError):
                self.process.communicate(timeout=5)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None
        for name in self.namespaces:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
        self.namespaces = []
