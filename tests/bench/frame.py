# SPDX-License-Identifier: BSD-2-Clause
"""What each subject of the bench is given: figures and their table, the machine's limits, and what
processes used meanwhile.

    def run(frame):
        rounds = frame.medians()
        for number in rounds:
            with frame.process(node, "node") as used:
                ...
            rounds.add("rate", count / seconds)
        frame.figure("to shown", rounds["rate"], "/s", limit="verify_all", target="≥ 75 %")
        frame.used(used, messages=count)

Nothing here judges: a figure says whether it is what is wanted, and the bench ends well all the same.
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "federation"))

from harness import BUILD, Failure  # noqa: E402

PROGRAMS = BUILD / "tests/bench"
CORES = len(os.sched_getaffinity(0))
TICK = os.sysconf("SC_CLK_TCK")

# What tests/bench/limits measures; the word before the first _ is what it is asked for.
LIMITS = {
    "verify_one": "/s", "verify_all": "/s", "verify_cpu": "µs", "sign": "/s", "sync_p50": "ms",
    "sync_p99": "ms", "sync_paced_p50": "ms", "sync_paced_p99": "ms", "tls_16k": "MB/s", "tls_1k": "MB/s", "sqlite": "rows/s", "sha256_1k": "MB/s",
    "sha256_16k": "MB/s", "loopback": "µs",
}


def number(value):
    """For people: three or four digits that count."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    size = abs(value)
    return "{:,.0f}".format(value) if size >= 1000 or value == int(value) else \
        "%.1f" % value if size >= 100 else "%.2f" % value if size >= 1 else "%.3g" % value


def met(target, value, ratio):
    """Whether "≥ 3", "≤ 75 %" hold for the ratio, "< 3 ms" for the value; None: no telling."""
    found = re.match(r"\s*(≥|≤|<|>)\s*([\d,.]+)\s*(\S*)", target or "")
    if not found:
        return None
    sign, wanted, unit = found.groups()
    wanted = float(wanted.replace(",", ""))
    if unit == "%":
        wanted /= 100
    got = ratio if unit in ("", "%", "×") and ratio is not None else value
    return {"≥": got >= wanted, ">": got > wanted, "≤": got <= wanted, "<": got < wanted}[sign]


def pids_of(what):
    """Process ids of a node of the harness, an id, or a list of them; each once."""
    if isinstance(what, (list, tuple)):
        return [pid for one in what for pid in pids_of(one)]
    if isinstance(what, int):
        return [what]
    if hasattr(what, "child"):
        children = [what.child("convened-relay"), what.child("convened-signer")]
        return [what.process.pid] + sorted({pid for pid in children if pid})
    return [what.pid]


def _read(path):
    return pathlib.Path(path).read_text("utf-8", "replace")


def _cpu(path):
    """(comm, seconds) of a process or thread, from its stat file."""
    text = _read(path)
    comm, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
    return comm, (int(rest[11]) + int(rest[12])) / TICK


def _thread_cpu(folder):
    """The same of a thread, to the nanosecond where the system tells."""
    name, spent = _cpu(folder + "/stat")
    try:
        return name, int(_read(folder + "/schedstat").split()[0]) / 1e9
    except (OSError, IndexError, ValueError):
        return name, spent


def _fields(path):
    return {name: int(value) for name, value in re.findall(r"(?m)^(\w+):\s+(\d+)(?: kB)?$", _read(path))}


class Used:
    """What processes used between begin() and end(): cpu_s, peak_kb, written_bytes, read_bytes, wall_s;
    processes and threads: seconds by "comm" and "comm/thread". Bytes are those that went to the disk,
    not what a cache held. A process that ends meanwhile is a Failure: its use would be missing."""

    def __init__(self, what, label, fresh=False):
        self.pids, self.label, self._fresh = pids_of(what), label, fresh
        self.cpu_s = self.peak_kb = self.written_bytes = self.read_bytes = self.wall_s = 0
        self.processes, self.threads, self.peaks, self.unreadable = {}, {}, {}, []
        self._began, self._wall = None, time.monotonic()

    def _sample(self):
        cpu, threads, io, peaks = {}, {}, {}, {}
        for pid in self.pids:
            try:
                comm, cpu[pid] = _cpu("/proc/%d/stat" % pid)
                for task in os.listdir("/proc/%d/task" % pid):
                    try:
                        name, spent = _thread_cpu("/proc/%d/task/%s" % (pid, task))
                    except (FileNotFoundError, ProcessLookupError):
                        continue
                    threads[pid, task] = ("%s/%s" % (comm, "main" if int(task) == pid else name), spent)
                peaks[pid] = (comm, _fields("/proc/%d/status" % pid).get("VmHWM", 0))
            except (FileNotFoundError, ProcessLookupError):
                raise Failure("%s: process %d ended while it was measured" % (self.label, pid)) from None
            try:
                io[pid] = _fields("/proc/%d/io" % pid)
            except PermissionError:
                self.unreadable.append(comm)
        return cpu, threads, io, peaks

    def begin(self):
        for pid in self.pids:
            try:  # the peak of memory counts from here
                pathlib.Path("/proc/%d/clear_refs" % pid).write_text("5")
            except OSError:
                pass
        self._began, self._wall = self._sample(), time.monotonic()
        return self

    def end(self):
        self.wall_s = time.monotonic() - self._wall
        cpu, threads, io, peaks = self._sample()
        if self._fresh:  # all that they ever used
            cpu0, threads0, io0 = {}, {}, {pid: {"read_bytes": 0, "write_bytes": 0} for pid in io}
        else:
            cpu0, threads0, io0, _ = self._began
        self.cpu_s = sum(cpu.values()) - sum(cpu0.values())
        for pid, (comm, kb) in peaks.items():
            self.peak_kb += kb
            self.peaks[comm] = self.peaks.get(comm, 0) + kb
            self.processes[comm] = self.processes.get(comm, 0) + cpu[pid] - cpu0.get(pid, 0)
        for key, (name, spent) in threads.items():
            self.threads[name] = self.threads.get(name, 0) + spent - threads0.get(key, ("", 0))[1]
        for field, attribute in (("write_bytes", "written_bytes"), ("read_bytes", "read_bytes")):
            setattr(self, attribute, sum(io[pid][field] - io0[pid][field] for pid in io if pid in io0))
        return self

    __enter__ = begin

    def __exit__(self, kind, *_):
        if kind is None:
            self.end()
        return False


def _processors():
    """Since the system's start, in ticks: (time in which something here wanted a processor, what other
    guests of the host got of it)."""
    user, nice, system, _, _, irq, softirq, steal = [
        int(word) for word in _read("/proc/stat").split("\n", 1)[0].split()[1:9]]
    return user + nice + system + irq + softirq + steal, steal


class Medians:
    """Goes through its rounds; what add() collected under a name is then there by that name.
    stolen: of each round, the part of the time in which a processor was wanted that went to other guests
    of the host."""

    def __init__(self, times, before=lambda: None, stolen=None):
        self.times, self._values, self._before = times, {}, before
        self.stolen = [] if stolen is None else stolen

    def __iter__(self):
        for number_ in range(self.times):
            self._before()
            began = _processors()
            yield number_
            ended = _processors()
            self.stolen.append((ended[1] - began[1]) / max(ended[0] - began[0], 1))

    def add(self, name, value):
        self._values.setdefault(name, []).append(value)

    def __getitem__(self, name):
        return statistics.median(self._values[name])

    def all(self, name):
        return list(self._values[name])

    def spread(self, name):
        """For a note: the least and the most."""
        values = self._values[name]
        return "" if len(values) == 1 else "%s to %s" % (number(min(values)), number(max(values)))


class Frame:
    def __init__(self, small=False, once=False, peers=False):
        self.small, self.once, self.peers = small, once or small, peers
        self.figures, self.uses, self.subject = [], [], ""
        self._limits, self._again = {}, {}
        self.stolen = {}   # by subject: of each round, see Medians
        self._beside = {}  # of the subject: what beside() measured before each round

    # ---- sizes and rounds ----

    def scale(self, full, small):
        return small if self.small else full

    def medians(self, times=5, beside=None):
        """beside: one of the words of LIMITS ("verify"), which is measured before each round, too. A
        machine that others share is quicker in one minute than in the next: the subject's figures
        are then held against the median of these."""
        self._beside = {}
        return Medians(1 if self.once else times, lambda: beside and self._look_beside(beside),
                       self.stolen.setdefault(self.subject, []))

    def _look_beside(self, group):
        for name, value in self._measure([group]).items():
            self._beside.setdefault(name, []).append(value)
            self._limits.setdefault(name, value)

    # ---- programs and processes ----

    def program(self, name):
        path = PROGRAMS / name
        if not os.access(path, os.X_OK):
            raise Failure("%s is not there: run make bench, or set builddir" % path)
        return str(path)

    def process(self, what, label, fresh=False):
        """To be used `with`: what these processes use meanwhile (see Used). fresh: all that they have
        used since they were started, whenever begin() was."""
        return Used(what, label, fresh)

    def run(self, argv, stdin=None, label=None, env=None):
        """Run a program to its end: (its output, CPU seconds, wall seconds)."""
        argv = [str(word) for word in argv]
        began = time.monotonic()
        child = subprocess.Popen(argv, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, env=env)
        if stdin is not None:
            child.stdin.write(stdin)
            child.stdin.close()
        out = child.stdout.read()
        child.stdout.close()
        _, status, spent = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise Failure("%s: exit code %d" % (label or " ".join(argv), child.returncode))
        return out.decode(), spent.ru_utime + spent.ru_stime, time.monotonic() - began

    # ---- limits ----

    def _measure(self, groups):
        # Alone: nothing else of the bench may run meanwhile.
        out, _, _ = self.run([self.program("limits"), *(["--small"] if self.small else []), *groups])
        return json.loads(out)

    def limit(self, name):
        """A limit of this machine (see LIMITS): beside the subject's rounds, or once in this run."""
        if name in self._beside:
            return statistics.median(self._beside[name])
        if name not in self._limits:
            if name not in LIMITS:
                raise Failure("there is no limit named %s" % name)
            self._limits.update(self._measure([name.partition("_")[0]]))
        return self._limits[name]

    def limits_again(self):
        """Measure those that were used once more; {name: (first, again)}. A machine whose limits
        moved by more than a tenth was not idle, and its ratios say little."""
        if self._limits and not self._again:
            again = self._measure(sorted({name.partition("_")[0] for name in self._limits}))
            self._again = {name: (self._limits[name], again[name]) for name in self._limits}
        return self._again

    # ---- results ----

    def value(self, subject, figure):
        """Of a figure of this run; None: there is none. For ratios between subjects."""
        values = [row["value"] for row in self.figures
                  if (row["subject"], row["figure"].strip()) == (subject, figure)]
        return values[-1] if values else None

    def figure(self, name, value, unit, limit=None, ratio=None, target="", note=""):
        """One row, printed at once. limit: a number, or a name of LIMITS; without `ratio` it is
        value / limit. target as the issue words it: "≥ 3" and "≥ 75 %" mean the ratio, "< 3 ms" the
        value."""
        limit_name = limit if isinstance(limit, str) else ""
        if limit_name:
            limit = self.limit(limit_name)
        if ratio is None and limit:
            ratio = value / limit
        ok = met(target, value, ratio)
        row = {"subject": self.subject, "figure": name, "value": value, "unit": unit, "limit": limit,
               "limit_name": limit_name, "ratio": ratio, "target": target, "met": ok,
               "note": note.rstrip("; ")}
        self.figures.append(row)
        print(self._row(row), flush=True)
        return row

    @staticmethod
    def _row(row):
        verdict = {True: "met", False: "not met", None: ""}[row["met"]]
        limit = "" if row["limit"] is None else "%s %s" % (number(row["limit"]), row["limit_name"])
        text = "%-8s %-42s %16s  %-20s %6s  %-9s %-8s %s" % (
            row["subject"], row["figure"], "%s %s" % (number(row["value"]), row["unit"]), limit.strip(),
            "" if row["ratio"] is None else "%.2f" % row["ratio"], row["target"], verdict, row["note"])
        return text.rstrip()

    def used(self, use, messages, received_bytes=0, label=None):
        """Say what was used per message, by process and thread; `use`: what process() gave."""
        per = 1e6 / max(messages, 1)
        row = {"subject": self.subject, "label": label or use.label, "messages": messages,
               "cpu_us": use.cpu_s * per, "cpu_s": use.cpu_s, "wall_s": use.wall_s,
               "processes_us": {name: s * per for name, s in use.processes.items()},
               "threads_us": {name: s * per for name, s in use.threads.items()},
               "peak_kb": use.peak_kb, "peaks_kb": use.peaks, "written_bytes": use.written_bytes,
               "received_bytes": received_bytes, "unreadable": sorted(set(use.unreadable)),
               "written_per_received": use.written_bytes / received_bytes if received_bytes else None}
        self.uses.append(row)
        print(self._use(row), flush=True)
        return row

    @staticmethod
    def _use(row):
        text = "%-8s   %s: %.1f µs CPU per message; peak %.1f MB; %.1f MB written" % (
            row["subject"], row["label"], row["cpu_us"], row["peak_kb"] / 1000, row["written_bytes"] / 1e6)
        if row["written_per_received"] is not None:
            text += ", %.2f bytes per byte received" % row["written_per_received"]
        if row["unreadable"]:
            text += " (without %s)" % ", ".join(row["unreadable"])
        parts = sorted(row["threads_us"].items(), key=lambda item: -item[1])
        parts = ["%s %.1f" % (name, us) for name, us in parts if us >= 0.05]
        return text + ("\n%-8s     %s" % ("", " · ".join(parts)) if parts else "")

    def say(self, text):
        print("%-8s   %s" % (self.subject, text), flush=True)

    def table(self):
        """All figures once more, one below the other, and how the machine's limits moved."""
        print("\n%-8s %-42s %16s  %-20s %6s  %-9s" % ("subject", "figure", "value", "limit", "ratio", "wanted"))
        for row in self.figures:
            print(self._row(row))
        for row in self.uses:
            print(self._use(row))
        for subject, parts in self.stolen.items():
            if parts:
                print("host     %-42s %16s  median; %.0f to %.0f %%" % (
                    "%s: lent to others, of the time wanted" % subject,
                    "%.1f %%" % (100 * statistics.median(parts)), 100 * min(parts), 100 * max(parts)))
        for name, (first, again) in sorted(self.limits_again().items()):
            print("limit    %-42s %16s  at the end %s (%+.0f %%)" % (
                name, "%s %s" % (number(first), LIMITS[name]), number(again), 100 * (again / first - 1)))
        sys.stdout.flush()

    def as_json(self):
        model = re.search(r"(?m)^model name\s*: (.*)$", _read("/proc/cpuinfo"))
        return {"cores": CORES, "processor": model.group(1) if model else "", "small": self.small,
                "once": self.once, "figures": self.figures, "used": self.uses, "limits": self._limits, "stolen": self.stolen,
                "limits_at_end": {name: again for name, (_, again) in self._again.items()}}
