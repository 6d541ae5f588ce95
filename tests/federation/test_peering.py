#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What README says about peering two fresh nodes, done to the letter.

The commands are taken from README itself, so that they can't grow apart; only the two ports are
replaced by free ones.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402

README = pathlib.Path(__file__).resolve().parents[2] / "README"
PROGRAMS = ("convenectl ", "convened ")


def section():
    """The commands below README's heading on peering, in order."""
    text = README.read_text()
    found = re.search(r"(?ms)^[^\n]*[Pp]eer two fresh nodes[^\n]*\n(.*?)(?=^## |^[A-Z][^\n]*\n-+\n|\Z)",
                      text)
    if not found:
        raise harness.Failure("README has no section on peering two fresh nodes")
    lines = [line.strip() for line in found.group(1).splitlines() if line.startswith("    ")]
    return [line for line in lines if line.startswith(PROGRAMS)]


def shell(command, folder, env):
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise harness.Failure("%s\nexit %d\n%s%s" % (command, done.returncode, done.stdout,
                                                     done.stderr))
    return done.stdout


def status(folder, config, env):
    return json.loads(shell("convenectl -c %s status --json" % config, folder, env))


def main(tap):
    commands = section()
    ports = sorted(set(re.findall(r"127\.0\.0\.1:(\d+)", "\n".join(commands))))
    fresh = {old: str(harness.free_port()) for old in ports}
    daemons = []
    env = dict(os.environ, PATH="%s:%s:%s" % (harness.BUILD / "daemon", harness.BUILD / "client",
                                              os.environ["PATH"]))
    tap.ok(len(ports) == 2 and sum(line.endswith("&") for line in commands) == 2,
           "README peers two nodes and starts both", commands)
    blocks = [line for line in commands if re.search(r" block\b.*>", line)]
    tap.equal(len(blocks), 2, "one block each way")
    with tempfile.TemporaryDirectory(prefix="convene-peering-") as folder:
        try:
            for line in commands:
                line = re.sub(r"127\.0\.0\.1:(\d+)",
                              lambda found: "127.0.0.1:" + fresh[found.group(1)], line)
                if line.endswith("&"):
                    config = re.search(r"-c (\S+)", line).group(1)
                    with open(os.path.join(folder, "daemon%d.log" % len(daemons)), "wb") as log:
                        daemons.append((subprocess.Popen(
                            line[:-1].split(), cwd=folder, env=env, stdin=subprocess.DEVNULL,
                            stdout=log, stderr=log), config))
                    harness.poll("%s does not answer" % config, 30, lambda c=config: up(
                        folder, c, env), 0.1)
                else:
                    shell(line, folder, env)
            tap.ok(True, "every command of the section succeeds")

            def equal():
                states = [status(folder, config, env) for _, config in daemons]
                sizes = [len(state["logs"]) for state in states]
                return states if sizes == [2, 2] and len(
                    {state["frontier"] for state in states}) == 1 else None

            states = harness.poll("the frontiers are not equal", 30, equal, 0.1)
            tap.ok(states, "both nodes hold both logs and show the same frontier")
            tap.equal(sorted(len(state["members"]) for state in states), [2, 2],
                      "both organisations are members, on both nodes")
        finally:
            for process, _ in daemons:
                process.send_signal(signal.SIGTERM)
            for process, _ in daemons:
                tap.equal(process.wait(30), 0, "a node stops cleanly")


def up(folder, config, env):
    try:
        return status(folder, config, env)
    except harness.Failure:
        return None


if __name__ == "__main__":
    harness.tap_run(main)
