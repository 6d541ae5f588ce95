#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What an operator is told: certificates that are of no use, users, ports, and what `convenectl
status` and `reload` say of it."""
import contextlib
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from harness import CONVENECTL, CONVENED, CommandFailure, Forum, free_port, poll, run, tap_run  # noqa: E402
from web_client import Web, certificate  # noqa: E402


def count(node, text):
    return sum(text in line for line in node.log_lines())


def reload_said(node):
    """(exit code, what it prints)"""
    try:
        return 0, " ".join(node.ctl("reload").split())
    except CommandFailure as failure:
        return failure.code, " ".join(failure.out.split())


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def broken_pairs(folder):
    """(what of it is wrong, certificate, key, what is said)"""
    other = folder / "other"
    other.mkdir()
    certificate(other, "other.example")
    good = {"web.certificate": folder / "web.pem", "web.key": folder / "web.key"}
    locked = folder / "locked.key"
    openssl("pkey", "-in", str(folder / "web.key"), "-aes128", "-passout", "pass:x", "-out", str(locked))
    text = folder / "text"
    text.write_text("nonsense\n")
    none = folder / "none.pem"
    rsa = folder / "rsa.key"
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(rsa))
    pem, key = good["web.certificate"], good["web.key"]
    return [
        ("a certificate that is not there", none, key, "web.certificate: %s: No such file or directory" % none),
        ("a key that is not there", pem, none, "web.key: %s: No such file or directory" % none),
        ("a text", text, key, "web.certificate: %s is no PEM certificate" % text),
        ("the two swapped", key, pem,
         "web.certificate: %s is no PEM certificate (are certificate and key swapped?)" % key),
        ("the certificate twice", pem, pem, "web.key: %s is no PEM key (are certificate and key swapped?)" % pem),
        ("another's key", pem, other / "web.key",
         "web.key: %s is not the key of web.certificate, %s" % (other / "web.key", pem)),
        ("a key of another kind", pem, rsa, "web.key: %s is not the key of web.certificate, %s" % (rsa, pem)),
        ("a key with a passphrase", pem, locked, "web.key: %s has a passphrase, which is not possible here; write it "
         "without: openssl pkey -in %s -out …" % (locked, locked))]


def shown(web):
    with contextlib.suppress(OSError):
        return ssl.get_server_certificate(("127.0.0.1", web.port), timeout=5)


def begin_without(t, node, web, pairs):
    """A node that starts with a certificate of no use runs, and says once what would mend it."""
    what, pem, key, said = pairs[0]
    web.configure(certificate='"%s"' % pem, key='"%s"' % key)
    node.start()
    poll("nothing is said", 10, lambda: count(node, said))
    status = poll("the status says nothing", 10, lambda: (lambda s: s["web"]["trouble"] and s)(node.status()))
    t.equal((status["web"]["trouble"], status["web"]["serving"]), (said, 0), "the status says so, too")
    rows = " ".join(node.ctl("status").split())
    t.ok("Web NOT SERVED: %s" % said in rows, "for people with NOT SERVED", rows)
    t.ok(shown(web) is None, "nothing is served")
    for what, pem, key, said in pairs[1:]:
        web.configure(certificate='"%s"' % pem, key='"%s"' % key)
        code, text = reload_said(node)
        poll("nothing is said of %s" % what, 10, lambda said=said: count(node, said))
        t.equal(count(node, said + "; no pages are served until that is mended; it is tried again"), 1,
                "%s is told once, with its remedy" % what)
        t.ok(code == 2 and said in text and node.status()["web"]["trouble"] == said, "and by reload and status", text)
    t.equal([line for line in node.log_lines() if "input or output failed" in line or "ended with status" in line], [],
            "and nothing else is said about it")
    web.configure(certificate='"%s"' % (node.folder / "web.pem"), key='"%s"' % (node.folder / "web.key"))
    node.ctl("reload")
    t.ok(poll("it is not served", 10, lambda: shown(web)), "the right files are served at once after a reload")
    status = poll("not all serve", 10, lambda: (lambda s: s["web"]["serving"] == 2 and s)(node.status()))
    t.ok(status["web"]["trouble"] is None, "and no trouble is left", status["web"])
    t.equal(status["web"]["listen"], ["127.0.0.1:%d" % web.port], "the status has the address")
    rows = " ".join(node.ctl("status").split())
    t.ok("Web https://forum.a.example (127.0.0.1:%d), TLS, 2 processes" % web.port in rows, "for people, too", rows)
    poll("no line tells where pages are", 5, lambda: count(node, "web: pages at 127.0.0.1:%d, by 2 processes" % web.port))


def invite(t, node):
    said = ""
    try:
        node.ctl("invite", "--handle", "a b")
    except CommandFailure as failure:
        said = failure.err
    t.ok("--handle may hold letters" in said, "what is wrong with a handle names its option", said)
    t.ok(re.search(r"until \d{4}-\d\d-\d\d \d\d:\d\d UTC:", node.ctl("invite")), "an invite ends by a clock that all have")


def renew(t, node, web, pairs):
    """While it serves, files of no use leave those in use that were read before."""
    good = shown(web)
    t.equal(reload_said(node), (0, "The configuration is in force."), "a reload that is good says so")
    for what, pem, key, said in pairs:
        web.configure(certificate='"%s"' % pem, key='"%s"' % key)
        code, text = reload_said(node)
        t.ok(code == 2 and "%s; the certificate that was read before stays in use" % said in text,
             "a reload with %s tells what is wrong" % what, code, text)
        poll("nothing is said of it", 10, lambda said=said: count(
            node, said + "; the certificate that was read before stays in use"))
        t.ok(count(node, said + "; the certificate that was read before stays in use") == 1 and shown(web) == good,
             "once in the log, and the old one is in use")
    files = {name: web.block.pop(name) for name in ["certificate", "key"]}
    web.configure()
    try:
        said = node.ctl("reload")
    except CommandFailure as failure:
        said = failure.err
    t.ok("web.certificate can't change without a restart" in " ".join(said.split()) and shown(web) == good,
         "a reload doesn't take TLS away from a port", said)
    web.configure(**files)
    if not count(node, "this kernel has no Landlock"):
        elsewhere = pathlib.Path(node.folder).parent / "elsewhere"
        elsewhere.mkdir()
        for name in ["web.pem", "web.key"]:
            shutil.copy(node.folder / name, elsewhere)
        web.configure(certificate='"%s"' % (elsewhere / "web.pem"), key='"%s"' % (elsewhere / "web.key"))
        code, text = reload_said(node)
        t.ok(code == 2 and "web.certificate: %s is in a folder that was shut to this process when it started: "
             "start convened again" % (elsewhere / "web.pem") in text and shown(web) == good,
             "what the sandbox shuts away is not called broken", code, text)
    web.configure(certificate='"%s"' % (node.folder / "web.pem"), key='"%s"' % (node.folder / "web.key"))
    t.equal(reload_said(node)[0], 0, "mended, it is in force")
    t.ok(node.status()["web"]["trouble"] is None, "and nothing is left of it in the status")


def news(t, node, folder):
    node.stop()
    text = node.config.read_text()
    port = free_port()
    node.config.write_text(text + '\nnntp {\n\tlisten = {"127.0.0.1:%d"}\n\tcertificate = "%s"\n\tkey = "%s"\n}\n' % (
        port, folder / "none.pem", folder / "web.key"))
    node.start()
    said = "nntp.certificate: %s: No such file or directory" % (folder / "none.pem")
    poll("news say nothing", 10, lambda: count(node, said))
    t.ok("News NOT SERVED: %s" % said in " ".join(node.ctl("status").split()), "news tell of theirs in the same way")
    node.config.write_text(node.config.read_text().replace(str(folder / "none.pem"), str(folder / "web.pem")))
    node.ctl("reload")
    poll("news do not begin", 10, lambda: count(node, "nntp: news at 127.0.0.1:%d, by 1 process" % port))
    t.ok("News 127.0.0.1:%d, TLS" % port in " ".join(node.ctl("status").split()), "and where they are served")
    node.stop()
    node.config.write_text(text)


def kept(t, node):
    """A keeper that is killed takes its processes with it: the status says so until there is another."""
    node.start()
    poll("not all serve", 10, lambda: node.status()["web"]["serving"] == 2)
    os.kill(node.child("convened-web"), signal.SIGKILL)
    t.ok(poll("it still says that they serve", 5, lambda: node.status()["web"]["serving"] == 0, 0.02),
         "what a keeper's end has ended does not count as serving")
    poll("they do not serve again", 10, lambda: node.status()["web"]["serving"] == 2)
    t.equal(reload_said(node), (0, "The configuration is in force."), "and a reload finds those of the next one")
    node.stop()


def checked(t, node, web, folder):
    """convened -n"""
    def says():
        done = subprocess.run([CONVENED, "-n", "-c", str(node.config)], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.strip(), done.stderr

    code, out, err = says()
    t.ok(code == 0 and out.endswith(": ok") and err == "", "a good config has nothing to warn of", code, out, err)
    web.configure(certificate='"%s"' % (folder / "none.pem"), user='"nobodyx"')
    code, out, err = says()
    t.ok(code == 0 and "warning: web.certificate: %s is not on this machine" % (folder / "none.pem") in err
         and "warning: web.user: there is no user nobodyx on this machine" in err,
         "what this machine has not is told, and no mistake of the config", code, out, err)
    web.configure(certificate='"%s"' % (folder / "text"), user='"%s"' % pwd.getpwuid(os.geteuid()).pw_name)
    code, out, err = says()
    t.ok(code == 0 and "warning: web.certificate: %s is no PEM certificate" % (folder / "text") in err,
         "nor is a certificate of no use", code, out, err)
    web.block.pop("user")


def refused(node, t, name, said):
    """It does not start, and says why."""
    done = subprocess.run([CONVENED, "-c", str(node.config)], capture_output=True, text=True, check=False, timeout=20)
    t.ok(done.returncode == 3 and said in done.stderr, name, done.returncode, done.stderr)


def ports(t, node, web, folder):
    web.configure(certificate='"%s"' % (folder / "web.pem"), key='"%s"' % (folder / "web.key"))
    with socket.socket() as s:
        s.bind(("127.0.0.1", web.port))
        s.listen()
        refused(node, t, "a port that is taken is named by its option",
                "web.listen 127.0.0.1:%d: another program listens there (`ss -ltnp` shows which)" % web.port)


def second(t, node, folder):
    """Another convened with the same data folder waits, and says so."""
    node.start()
    other = folder / "second.conf"
    port = free_port()
    other.write_text(node.config.read_text().split("\nweb {")[0].replace(node.address, "127.0.0.1:%d" % port))
    with subprocess.Popen([CONVENED, "-c", str(other)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True) as process:
        first = process.stderr.readline()
        while "running as root" in first:
            first = process.stderr.readline()
        t.ok("waits for another convened to leave this data folder" in first, "a second convened says that it waits",
             first)
        process.terminate()
    node.stop()


def users(t, forum, node, web):
    """As root: who reads the store, and who is there."""
    if os.geteuid() != 0:
        t.skip("users", "this is not root")
        return
    web.configure(user='"nobodyx"', certificate='"%s"' % (node.folder / "web.pem"))
    refused(node, t, "a user who is not there is named by its option",
            "web.user: there is no user nobodyx on this machine")
    web.configure(user='"root"')
    refused(node, t, "root gives nothing up", "web.user: root may do everything: name another user")
    # `node` keeps its store to itself and its group, which nobody is not in.
    for path in [forum.folder, node.folder]:
        os.chmod(path, 0o755)
    web.configure(user='"nobody"')
    os.chmod(node.folder / "web.key", 0o600)
    text = web.plain
    web.plain = text.replace("\n\tname =", '\n\tuser = "daemon"\n\tname =')
    web.configure()
    for path in [node.folder / "data", *(node.folder / "data").rglob("*")]:
        shutil.chown(path, "daemon", "daemon")
    for path in (node.folder / "keys").rglob("*"):
        os.chmod(path, 0o600)
    node.start()
    said = "%s can't be read by the user nobody (web.user): put it into the group of daemon (node.user), " \
           "and start convened again" % (node.folder / "data")
    poll("nothing is said of the folder", 10, lambda: count(node, said))
    poll("nothing is said of the key", 10, lambda: count(
        node, "web.key: %s can't be read by the user nobody" % (node.folder / "web.key")))
    t.ok(True, "a store and a key that can't be read are told with the user")
    os.chmod(node.folder / "web.key", 0o644)
    node.hangup()
    poll("it does not serve", 10, lambda: shown(web))
    poll("the status does not tell", 10, lambda: node.status()["web"]["trouble"] == said)
    t.ok(True, "and the status goes on telling of the store")
    os.chmod(node.folder / "data", 0o755)
    t.equal(reload_said(node), (0, "The configuration is in force."), "until it can be read, and convened is told")
    os.kill(node.child("convened-web"), signal.SIGKILL)
    said = "its keeper has ended: start convened again"
    poll("nothing is said of the keeper", 5, lambda: node.status()["web"]["trouble"] == said)
    rows = " ".join(node.ctl("status").split())
    t.ok("Web NOT SERVED: %s" % said in rows, "a keeper that can't be started again is told", rows)
    code, text = reload_said(node)
    t.ok(code == 2 and said in text, "by a reload, too", code, text)
    node.stop()
    confined(t, node, web)


def confined(t, node, web):
    """As root without most of its rights, as contrib/systemd/convened-users.conf leaves it."""
    if not shutil.which("setpriv"):
        t.skip("a root without rights", "there is no setpriv")
        return
    port = free_port()
    shutil.rmtree(node.folder / "data/news", ignore_errors=True)
    text = node.config.read_text().replace('user = "nobody"', 'user = "daemon"')
    node.config.write_text(text + '\nnntp {\n\tlisten = {"127.0.0.1:%d"}\n}\n' % port)
    node.enter = ["setpriv", "--bounding-set=-all,+setuid,+setgid,+chown,+dac_read_search,+net_bind_service"]
    node.start()
    poll("there are no news", 10, lambda: count(node, "nntp: news at 127.0.0.1:%d" % port))
    poll("there are no pages", 10, lambda: shown(web))
    t.ok(True, "a root with the rights that the sample for systemd leaves it starts everything")
    node.stop()
    shutil.rmtree(node.folder / "data/news")
    (node.folder / "data/news").mkdir()
    os.chmod(node.folder / "data/news", 0o500)
    (node.folder / "data/news/numbers").mkdir()
    node.start()
    said = "nntp: %s: Is a directory" % (node.folder / "data/news/numbers")
    poll("nothing is said of its file", 10, lambda: node.status()["nntp"]["trouble"] == said)
    time.sleep(3.5)  # until it was tried again
    t.equal(count(node, said), 1, "news that can't keep numbers say it once")
    node.stop()


def made(t, folder):
    """A node on loopback, by hand."""
    here, config = folder / "by-hand", folder / "by-hand/convened.conf"
    run([CONVENECTL, "init", "b.example", "--dir", here, "--address", "127.0.0.1:7711"])
    t.ok('listen = {"127.0.0.1:7711"}' in config.read_text(), "a node with an address on loopback listens there alone")
    said = " ".join(run([CONVENECTL, "-c", config, "charter", "draft", "--name", "B", "--purpose", "P",
                         "--anchor", "1 of all"]).split())
    t.ok("another member must cosign" in said and "Next: `convenectl -c %s charter sign`" % config in said,
         "what comes next names the same config", said)
    said = " ".join(run([CONVENECTL, "-c", config, "charter", "sign"]).split())
    t.ok(said.endswith("Next: `convened -c %s`." % config), "up to the start", said[-200:])


def main(t):
    with Forum(["a.example"], edges=[]) as forum:
        node = forum[0]
        made(t, forum.folder)
        certificate(node.folder, "one.example")
        web = Web(node, True, url='"https://forum.a.example"')
        pairs = broken_pairs(node.folder)
        begin_without(t, node, web, pairs)
        invite(t, node)
        renew(t, node, web, pairs)
        news(t, node, node.folder)
        kept(t, node)
        checked(t, node, web, node.folder)
        ports(t, node, web, node.folder)
        second(t, node, pathlib.Path(node.folder))
        users(t, forum, node, web)


tap_run(main)
