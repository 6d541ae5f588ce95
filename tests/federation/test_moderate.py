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
        self.a, self.b, self.c, self.d = forum.nodes
        self.near = forum.nodes[:3]
        self.id = spec.parse_charter((self.a.folder / "forum.charter").read_bytes()).forum

    def settle(self):
        self.forum.settle(30, self.near)

    def begin(self):
        # One that never carried a.example's log, and learns of it only as others show it.
        self.d.config.write_text(self.d.config.read_text()
                                 + '\norigin "a.example" {\n\tcarry = no\n}\n')
        self.forum.start()
        self.alice, self.bob, self.carl = (
            node.enrol(handle) for node, handle in zip(self.near, ("alice", "bob", "carl")))
        self.topic = self.alice.topic("Matters")
        self.settle()
        self.root = self.alice.post(self.topic, "To be hidden", "quincejelly and its maker\n")
        self.settle()
        self.answer = self.bob.reply(self.root, "barleybread\n")
        self.settle()

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
        for words in ((), ("--reason", "")):
            code, said = refused(b, "hide", self.answer, *words)
            tap.ok(code == 1 and "needs --reason TEXT" in said, "a reason is wanted", said)
        code, said = refused(b, "hide", self.answer, "--reason", "one\ntwo")
        tap.ok(code != 0 and "one line" in said, "on one line", said)
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
        self.settle()
        tap.equal(self.item(self.bob, self.root)["content_state"], "hidden",
                  "an amendment of it is hidden with it")
        tap.equal(self.item(self.carl, self.root)["content"]["text"], "rhubarbpie\n",
                  "and reaches whom only the node that hides it is linked to")
        tap.equal(len({node.dump_hash() for node in self.near}), 1, "all hold the same")
        tap.ok(self.bob.convene("verify", self.root) is not None, "its proof verifies")

    def lasts(self):
        tap, b = self.tap, self.b
        b.stop()
        b.start()
        b.wait_sealing()
        tap.equal(self.item(self.bob, self.root)["hidden"], WHY, "after a restart as before")
        self.bob.convene("sync")
        words = [*self.bob.node.enter, self.bob_program(), "read", self.root, "--offline"]
        text = run(words, env={"CONVENE_HOME": str(self.bob.home)})
        tap.ok("(hidden by this node)" in text, "what was synced says that it was hidden", text)
        b.ctl("unhide", self.root[:16], "--reason", "It was agreed to")
        tap.equal(self.item(self.bob, self.root)["content"]["text"], "rhubarbpie\n",
                  "shown again")
        self.bob.convene("sync")
        text = run(words, env={"CONVENE_HOME": str(self.bob.home)})
        tap.ok("rhubarbpie" in text, "and the next sync fetches it", text)
        steps = [(o["what"], o["about"], o["reason"]) for o in
                 b.ctl_json("hidden", "--log")["log"]]
        tap.equal(steps, [("hide", self.root, WHY), ("unhide", self.root, "It was agreed to")],
                  "what was done is kept, with its reasons")

    def suspends(self):
        tap, a, b = self.tap, self.a, self.b
        text = a.ctl("suspend", "alice", "--reason", "Insults, three times")
        tap.ok("Nothing that they write is accepted" in text and "readers" not in text,
               "what that does to one of ours is said", text)
        tap.equal({p["handle"]: p["suspended"] for p in a.ctl_json("people")["people"]}["alice"],
                  True, "and shown among the people")
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
        text = run([*self.bob.node.enter, self.bob_program(), "threads", self.topic],
                   env={"CONVENE_HOME": str(self.bob.home)})
        tap.ok("Topic: " in text and "Not for our readers)" in text.partition("\n")[0],
               "also above its threads", text)
        listed = b.ctl_json("hidden")["suspended"]
        tap.equal([(s["about"], s["posting"]) for s in listed], [("alice@a.example", False)],
                  "and stands in the list")
        self.alice.convene("erase", self.root, "--yes")
        self.settle()
        tap.equal(self.item(self.carl, self.root)["content_state"], "erased",
                  "somebody suspended can still erase")
        tap.equal(self.item(self.bob, self.root)["content_state"], "erased",
                  "what is erased is not hidden, but erased")
        for node, who in ((a, "alice"), (b, "alice@a.example")):
            node.ctl("unsuspend", who)
        tap.ok(self.alice.post(self.topic, "Back", "sloegin\n"), "and posts again after that")
        self.settle()
        code, said = refused(a, "suspend", "nobody", "--reason", "x")
        tap.ok(code != 0 and "nobody of that handle" in said, "nobody can't be suspended", said)

    def frontier(self, node):
        return {log["organisation"]: log["size"] for log in node.status()["logs"]}

    def carry(self, value):
        text = self.c.config.read_text()
        block = '\norigin "a.example" {\n\tcarry = no\n}\n'
        self.c.config.write_text(text.replace(block, "") + (block if not value else ""))
        self.c.ctl("reload")

    def same(self, seconds=20):
        """b and c hold the same, but what c doesn't carry."""
        def equal():
            b, c = self.frontier(self.b), self.frontier(self.c)
            return all(b[name] == c[name] for name in b if name != "a.example")
        return poll("b and c differ", seconds, equal)

    def never(self):
        tap, c, d = self.tap, self.c, self.d
        poll("d lacks what it carries", 20, lambda: {
            name: size for name, size in self.frontier(c).items() if name != "a.example"}
            == self.frontier(d))
        tap.ok(True, "a node that never carried it has all the rest")
        # By now it has told what it doesn't carry.
        before = c.peers()["d.example"]["announces_out"]
        post = self.alice.post(self.topic, "Not for d", "oatcakes\n")
        for n in range(4):
            self.alice.reply(post, "Nothing for d %d\n" % n)
            time.sleep(0.3)
        self.settle()
        tap.equal(c.peers()["d.example"]["announces_out"], before,
                  "and no more of it is announced there")
        tap.equal(sorted(self.frontier(d)), ["b.example", "c.example", "d.example"],
                  "nor is it there")

    def carries(self):
        tap, b, c = self.tap, self.b, self.c
        self.carry(False)
        then = self.frontier(c)["a.example"]
        listed = c.ctl_json("hidden", "--log")
        tap.equal(([u["about"] for u in listed["uncarried"]], listed["log"][-1]["what"]),
                  (["a.example"], "carry-no"), "that a log isn't carried is written down")
        post = self.alice.post(self.topic, "Not for c", "oatcakes\n")
        self.bob.reply(post, "An answer that c gets\n")
        self.forum.settle(30, [self.a, self.b])
        self.same()
        tap.equal(self.frontier(c)["a.example"], then, "nothing more of it comes")
        announces = b.peers()["c.example"]["announces_out"]
        for n in range(5):
            self.alice.reply(post, "Nothing for c %d\n" % n)
            time.sleep(0.3)
        self.forum.settle(30, [self.a, self.b])
        tap.equal(b.peers()["c.example"]["announces_out"], announces,
                  "and nothing of it is announced to c")
        answer = self.carl.convene("topics")
        tap.equal(answer.get("without"), ["a.example"], "readers are told")
        text = run([self.bob_program(), "threads", self.topic],
                   env={"CONVENE_HOME": str(self.carl.home)})
        tap.ok("does not carry what is written at a.example" in text, "and people read it", text)
        c.stop()
        c.start()
        c.wait_sealing()
        self.bob.reply(post, "Another answer\n")
        self.same()
        tap.ok(all(peer["connected"] for peer in b.peers().values()),
               "after a restart as before, and the link holds")
        tap.equal(self.frontier(c)["a.example"], then, "and nothing has come")
        self.carry(True)
        self.settle()
        tap.equal(len({node.dump_hash() for node in self.near}), 1,
                  "carried again, it all comes")
        tap.equal(self.carl.convene("topics").get("without"), None, "and readers are told nothing")
        tap.equal(c.ctl_json("hidden", "--log")["log"][-1]["what"], "carry-yes",
                  "which is written down too")


def main(tap):
    with Forum(["a.example", "b.example", "c.example", "d.example"], chain(4)) as forum:
        tests = Moderating(tap, forum)
        tests.begin()
        tests.hides()
        tests.relays()
        tests.lasts()
        tests.suspends()
        tests.never()
        tests.carries()


if __name__ == "__main__":
    tap_run(main)
