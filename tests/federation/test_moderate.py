#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What one operator hides is hidden from their readers alone, who are told so; it is relayed as
before, and proofs hold. Who is suspended posts no more, and may still erase. A log that is not
carried is missing here, said to be, and in nobody's way (SPEC.md 11.1, 13.6)."""
import json
import pathlib
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from harness import CONVENECTL, CommandFailure, Forum, chain, poll, run, tap_run  # noqa: E402
import rogue  # noqa: E402

spec, pb = rogue.spec, rogue.pb
WHY = "Names a private person's address"


def refused(node, *words):
    """The exit code and what was said."""
    done = subprocess.run([str(CONVENECTL), "-c", str(node.config), *words], capture_output=True,
                          check=False)
    return done.returncode, done.stderr.decode()


def failed(person, *words, stdin=b""):
    """What a command of a participant that is refused says."""
    try:
        return {"not refused": person.convene(*words, stdin=stdin)}
    except CommandFailure as failure:
        return json.loads(failure.out or "{}").get("error", {"text": failure.err})


class Moderating:
    def __init__(self, tap, forum):
        self.tap, self.forum = tap, forum
        self.a, self.b, self.c = forum.nodes
        self.id = spec.parse_charter((self.a.folder / "forum.charter").read_bytes()).forum

    def begin(self):
        self.forum.start()
        self.alice, self.bob, self.carl = (
            node.enrol(handle) for node, handle in zip(self.forum, ("alice", "bob", "carl")))
        self.topic = self.alice.topic("Matters")
        self.forum.settle()
        self.root = self.alice.post(self.topic, "To be hidden", "quincejelly and its maker\n")
        self.forum.settle()
        self.answer = self.bob.reply(self.root, "barleybread\n")
        self.forum.settle()

    def item(self, person, identifier):
        return next(i for i in person.read(self.root, whole=True) if i["id"] == identifier)

    def hides(self):
        tap, b = self.tap, self.b
        said = b.ctl_json("hide", self.root, "--reason", WHY)
        tap.equal((said["about"], said["reason"]), (self.root, WHY), "a message is hidden")
        item = self.item(self.bob, self.root)
        tap.equal((item["content_state"], item.get("hidden"), item.get("content")),
                  ("hidden", WHY, None), "its text is not shown here, and why is")
        tap.ok(item["signature"] == "good", "its signature is")
        tap.ok(self.item(self.bob, self.answer)["content"]["text"] == "barleybread\n",
               "the answer to it is shown")
        tap.equal(self.item(self.alice, self.root)["content_state"], "present",
                  "elsewhere it is shown")
        thread = self.bob.threads(self.topic)[0]
        tap.equal((thread["subject"], thread.get("hidden")), ("", WHY),
                  "nor is its subject in the list of threads")
        text = run([*self.bob.node.enter, self.bob_program(), "read", self.root],
                   env={"CONVENE_HOME": str(self.bob.home)})
        tap.ok("hidden by this node" in text and WHY in text and "quincejelly" not in text,
               "people read that this node hides it", text)
        guest = rogue.Guest(("127.0.0.1", b.port), self.id)
        answer = guest.ask("CONTENT_GET", pb.ContentGet(id=bytes.fromhex(self.root)))
        tap.ok(not isinstance(answer, tuple) and answer.reason == pb.HIDDEN,
               "CONTENT_GET says that it is hidden", str(answer))
        guest.close()
        tap.equal(refused(b, "hide", self.answer)[0] != 0, True, "a reason is wanted")
        code, said = refused(b, "hide", "00" * 32, "--reason", "x")
        tap.ok(code != 0 and "no message here begins with that id" in said,
               "what isn't here can't be hidden", said)

    @staticmethod
    def bob_program():
        return str(CONVENECTL).removesuffix("ctl")

    def relays(self):
        """What is hidden goes on to whom it hasn't reached, and an amendment is hidden too."""
        tap = self.tap
        self.alice.convene("amend", self.root, "--file", "-", stdin=b"rhubarbpie\n")
        self.forum.settle()
        tap.equal(self.item(self.bob, self.root)["content_state"], "hidden",
                  "an amendment of it is hidden with it")
        tap.equal(self.item(self.carl, self.root)["content"]["text"], "rhubarbpie\n",
                  "and reaches whom only the node that hides it is linked to")
        tap.equal(len({node.dump_hash() for node in self.forum}), 1, "all hold the same")
        tap.ok(self.bob.convene("verify", self.root) is not None, "its proof verifies")

    def lasts(self):
        tap, b = self.tap, self.b
        b.stop()
        b.start()
        b.wait_sealing()
        tap.equal(self.item(self.bob, self.root)["hidden"], WHY, "after a restart as before")
        b.ctl("unhide", self.root[:16], "--reason", "It was agreed to")
        tap.equal(self.item(self.bob, self.root)["content"]["text"], "rhubarbpie\n",
                  "shown again")
        steps = [(o["what"], o["about"], o["reason"]) for o in
                 b.ctl_json("hidden", "--log")["log"]]
        tap.equal(steps, [("hide", self.root, WHY), ("unhide", self.root, "It was agreed to")],
                  "what was done is kept, with its reasons")

    def suspends(self):
        tap, a, b = self.tap, self.a, self.b
        a.ctl("suspend", "alice", "--reason", "Insults, three times")
        said = failed(self.alice, "post", self.topic, "--subject", "x", "--file", "-",
                      stdin=b"again\n")
        tap.ok("suspended you: Insults, three times" in said.get("text", ""),
               "somebody suspended posts no more, and is told why", said)
        said = failed(self.alice, "amend", self.root, "--file", "-", stdin=b"again\n")
        tap.ok("suspended you" in said.get("text", ""), "nor do they amend", said)
        tap.equal(self.item(self.bob, self.root)["content"]["text"], "rhubarbpie\n",
                  "what they wrote stays")
        b.ctl("suspend", "alice@a.example", "--reason", "Not for our readers")
        item = self.item(self.bob, self.root)
        tap.equal((item["content_state"], item["hidden"]), ("hidden", "Not for our readers"),
                  "another organisation's participant is hidden as a whole")
        tap.equal(self.bob.topics()[0].get("hidden"), "Not for our readers",
                  "with their topics' titles")
        listed = b.ctl_json("hidden")["suspended"]
        tap.equal([(s["about"], s["posting"]) for s in listed], [("alice@a.example", False)],
                  "and stands in the list")
        self.alice.convene("erase", self.root, "--yes")
        self.forum.settle()
        tap.equal(self.item(self.carl, self.root)["content_state"], "erased",
                  "somebody suspended can still erase")
        tap.equal(self.item(self.bob, self.root)["content_state"], "erased",
                  "what is erased is not hidden, but erased")
        for node, who in ((a, "alice"), (b, "alice@a.example")):
            node.ctl("unsuspend", who)
        tap.ok(self.alice.post(self.topic, "Back", "sloegin\n"), "and posts again after that")
        self.forum.settle()
        code, said = refused(a, "suspend", "nobody", "--reason", "x")
        tap.ok(code != 0 and "nobody of that handle" in said, "nobody can't be suspended", said)


def main(tap):
    with Forum(["a.example", "b.example", "c.example"], chain(3)) as forum:
        tests = Moderating(tap, forum)
        tests.begin()
        tests.hides()
        tests.relays()
        tests.lasts()
        tests.suspends()


if __name__ == "__main__":
    tap_run(main)
