# SPDX-License-Identifier: BSD-2-Clause
"""A member that need not be honest: the node's side of the protocol, in Python.

A Rogue has the keys of an organisation, as `convenectl init` made them, and logs that it builds and
signs itself, well or badly.  A Link is its connection to a real daemon: it says HELLO, shows its
logs, and answers SUBSCRIBE, LOG_GET and WANT; everything that it says can be changed.  A Wire is
the bare connection below, which sends any bytes; it serves odd clients as well.
"""
import base64
import os
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import nacl.signing

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "decoder"))

import convene_spec as spec  # noqa: E402

pb = spec.transport()

FRAMES = {
    "HELLO": 1, "ERROR": 2, "PING": 3, "PONG": 4, "SUMMARY": 16, "FRONTIER": 17, "LOG_GET": 18,
    "LOG": 19, "SUBSCRIBE": 20, "UNSUBSCRIBE": 21, "DATA": 22, "CREDIT": 23, "ANNOUNCE": 24,
    "WANT": 25, "CONTENT": 26, "CONTENT_NONE": 27, "CHECKPOINT_GET": 28, "CHECKPOINT": 29,
    "FORK": 30, "ERASED": 31, "SUBMIT": 64, "SUBMITTED": 65, "TOPICS_GET": 66, "TOPICS": 67,
    "THREADS_GET": 68, "THREADS": 69, "THREAD_GET": 70, "ITEMS": 71, "WATCH": 72, "LOGS_GET": 73,
    "LOGS": 74, "ENTRIES_GET": 75, "PROOF_GET": 76, "PROOF": 77, "CONTENT_GET": 78, "REDEEM": 79,
    "REDEEMED": 80, "SIGNER_GET": 81, "SIGNER": 82, "CHARTER_GET": 83, "CHARTER": 84,
    "ERASURE_GET": 90, "ERASURE": 91, "SEARCH": 92, "CONTROL": 96, "CONTROL_REPLY": 97}
NAMES = {number: name for name, number in FRAMES.items()}
ODD_NAMES = {"CONTENT": "ContentChunk", "FORK": "ForkProof"}


def payload_type(name):
    """The generated class of a frame's payload, or None."""
    return getattr(pb, ODD_NAMES.get(name, name.title().replace("_", "")), None)


def code_name(code):
    return pb.Code.Name(code) if code in pb.Code.values() else str(code)


def now_ms():
    return int(time.time() * 1000)


def wait_for(condition, seconds=10):
    """What the condition gives as soon as that is true, or its last value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.02)


def pin(node, name, key, address=None):
    """Put another organisation's peer block into a node's config, instead of the one there; without
    a key: take it out."""
    text = node.config.read_text()
    at = text.find('\npeer "%s" {' % name)
    if at >= 0:
        text = text[:at] + text[text.index("}\n", at) + 2:]
    if key:
        text += '\npeer "%s" {\n\tkey = "%s"\n%s}\n' % (
            name, key, '\taddress = "%s"\n' % address if address else "")
    node.config.write_text(text)
    if node.running():
        node.ctl("reload")


def root_of(node):
    """The verifier key of a node's organisation."""
    key = Key.load(node.folder / "keys" / "root.key")
    return bytes(spec.VerifierKey(node.name.encode(), 1, key.public)).decode()


# ---- keys ----

class Key:
    """An Ed25519 key."""

    def __init__(self, seed=None):
        self.seed = seed or os.urandom(32)
        self.signing = nacl.signing.SigningKey(self.seed)
        self.public = bytes(self.signing.verify_key)

    @classmethod
    def load(cls, path):
        """A key file that isn't under a passphrase."""
        with open(path, encoding="ascii") as file:
            fields = dict(line.rstrip("\n").partition(": ")[::2] for line in file)
        return cls(base64.b64decode(fields["seed"]))

    def save(self, path, role):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
                  encoding="ascii") as file:
            file.write("convene key v1\nrole: %s\npublic: %s\nseed: %s\n" % (
                role, base64.b64encode(self.public).decode(),
                base64.b64encode(self.seed).decode()))

    def sign(self, data):
        return self.signing.sign(data).signature

    def pin(self):
        return spec.sha256(spec.ED25519_SPKI + self.public)

    def certificate(self):
        """A file with this key and a self-signed certificate of it, PEM."""
        der = bytes.fromhex("302e020100300506032b657004220420") + self.seed  # RFC 8410
        key = "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n" % (
            base64.b64encode(der).decode())
        with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
            file.write(key)
            file.flush()
            file.write(subprocess.run(
                ["openssl", "req", "-x509", "-new", "-key", file.name, "-subj", "/CN=convene",
                 "-days", "2"], check=True, capture_output=True, text=True).stdout)
        return file.name


def note_sign(text, name, key, kind=1):
    """A signed note with one signature."""
    verifier = spec.VerifierKey(name, kind, key.public)
    return text + b"\n\xe2\x80\x94 %s %s\n" % (
        name, base64.b64encode(verifier.id + key.sign(text)))


# ---- messages ----

def message(key, forum, log_name, kind=spec.POST, **fields):
    """header ‖ signature.  Not checked for sense: that is for those who receive it."""
    fields = {"version": 1, "signer": key.public, "kind": kind, "time": now_ms(), **fields}
    header = pb.Header(**fields).SerializeToString(deterministic=True)
    return header + key.sign(spec.binding(b"convene/v1/message", forum, log_name) + header)


class Text:
    """A content with its salt, and the header fields that commit to it."""

    def __init__(self, forum, log_name, signer, text="", subject="", **fields):
        self.salt = os.urandom(32)
        self.bytes = fields.pop("raw", None) or pb.Content(
            subject=subject.encode(), text=text.encode(), **fields).SerializeToString()
        self.fields = {
            "commitment": spec.commitment(forum, log_name, signer, self.salt, self.bytes),
            "bucket": spec.bucket_of(len(self.bytes))}


class Device:
    """A participant's key in a log, and its next sequence."""

    def __init__(self, forum, log_name, key=None):
        self.forum, self.log_name = forum, log_name
        self.key, self.identity, self.sequence = key or Key(), os.urandom(16), 0

    def consent(self, custody=0):
        """The device's own signature over its enrolment (6.3)."""
        return self.key.sign(spec.binding(b"convene/v1/device", self.forum, self.log_name)
                             + self.identity + self.key.public + spec.u8(custody))

    def profile(self, handle, signer):
        return Text(self.forum, self.log_name, signer,
                    profile=pb.Profile(handle=handle.encode()))

    def write(self, kind=spec.POST, text="", subject="", **fields):
        """(message, Text); `forum` and `log_name` sign it for something else."""
        forum = fields.pop("forum", self.forum)
        log_name = fields.pop("log_name", self.log_name)
        self.sequence += 1
        content = Text(forum, log_name, self.key.public, text, subject)
        fields = {"sequence": self.sequence, **content.fields, **fields}
        return message(self.key, forum, log_name, kind, **fields), content


def reference(log_name, message_bytes, forum):
    """The 48 bytes that name a message (5.1)."""
    return (spec.parse_log_name(log_name).digest
            + spec.message_id(message_bytes[:-64], forum, log_name))


# ---- logs ----

class Log:
    """Entries, their contents by index, and checkpoints signed by `key`."""

    def __init__(self, name, key, entries=(), contents=None):
        self.name, self.key = name, key
        self.digest = spec.parse_log_name(name).digest
        self.entries, self.contents = list(entries), dict(contents or {})

    def append(self, leaf, content=None):
        if content is not None:
            self.contents[len(self.entries)] = content
        self.entries.append(leaf)
        return len(self.entries) - 1

    def tree(self):
        # Not spec.leaf_hash(): a rogue's leaves may be of any length.
        return spec.Tree([spec.sha256(b"\0", leaf) for leaf in self.entries])

    def root(self, size=None):
        return self.tree().root(0, len(self.entries) if size is None else size)

    def head(self, size=None, root_length=32):
        size = len(self.entries) if size is None else size
        return pb.Head(log=self.digest, size=size, root=self.root(size)[:root_length])

    def checkpoint(self, size=None, key=None):
        size = len(self.entries) if size is None else size
        text = b"%s\n%d\n%s\n" % (self.name, size, base64.b64encode(self.root(size)))
        return note_sign(text, self.name, key or self.key)

    def data(self, first, end=None, size=None):
        end = len(self.entries) if end is None else end
        size = len(self.entries) if size is None else size
        leaves = b"".join(spec.u16be(len(leaf)) + leaf for leaf in self.entries[first:end])
        return pb.Data(log=self.digest, first=first, leaves=leaves,
                       checkpoint=self.checkpoint(size),
                       proof=b"".join(self.tree().range_proof(first, end, size)))


class Rogue:
    """An organisation of which the test holds all keys."""

    def __init__(self, name, keys, note):
        """keys: the folder that `convenectl init` made.  note: the charter, as bytes."""
        self.name, self.keys = name.encode(), keys
        self.root, self.log_key, self.registrar, self.cosigner, self.tls = (
            Key.load(os.path.join(keys, role + ".key"))
            for role in ("root", "log", "registrar", "cosigner", "tls"))
        self.forum = spec.sha256(spec.split_note(note)[0])
        self.log_name = self.name_log(self.log_key)
        self.sequences = {}
        self.log = Log(self.log_name, self.log_key, [self.credential()])

    def name_log(self, log_key, number=1, root=None):
        digest = spec.log_digest(self.forum, (root or self.root).public, log_key.public, number,
                                 self.name)
        return b"%s/%s/%d" % (self.name, digest.hex().encode(), number)

    def credential(self, serial=1, log_name=None, **changes):
        """A NODE message of this organisation; `tls` and `root` are keys instead of its own."""
        root, tls = changes.pop("root", self.root), changes.pop("tls", self.tls)
        body = pb.NodeBody(
            serial=serial, log_key=self.log_key.public, registrar_key=self.registrar.public,
            cosigner=bytes(spec.VerifierKey(self.name + b"/cosigner", 4, self.cosigner.public)),
            tls_pins=tls.pin())
        return message(root, changes.pop("forum", self.forum), log_name or self.log_name,
                       spec.NODE, sequence=serial, body=body.SerializeToString(), **changes)

    def verifier(self):
        return bytes(spec.VerifierKey(self.name, 1, self.root.public)).decode()

    def sequence(self, key):
        self.sequences[key.public] = self.sequences.get(key.public, 100) + 1
        return self.sequences[key.public]

    def enrol(self, handle, device=None):
        """A device that is enrolled in the log by its next entry."""
        device = device or Device(self.forum, self.log_name)
        profile = device.profile(handle, self.registrar.public)
        body = pb.EnrolBody(identity=device.identity, device_key=device.key.public,
                            device_signature=device.consent())
        self.log.append(message(
            self.registrar, self.forum, self.log_name, spec.ENROL,
            sequence=self.sequence(self.registrar), body=body.SerializeToString(),
            **profile.fields), profile)
        return device

    def write(self, device, kind=spec.POST, text="", subject="", **fields):
        """A message of the device as the log's next entry; returns (index, message)."""
        leaf, content = device.write(kind, text, subject, **fields)
        return self.log.append(leaf, content), leaf


# ---- connections ----

class Gone(Exception):
    """The other side has closed the connection."""


class Wire:
    """Frames over TLS, or bytes over TCP; whatever is sent is not looked at.

    Safe to send from one thread and receive in another: TLS is done in memory, under a lock.
    """

    def __init__(self, address, key=None, tls=True, timeout=10, source=None):
        """address: host and port, or a Unix socket's path.  source: connect from this host's
        address instead of the usual one."""
        if isinstance(address, str):
            self.raw = socket.socket(socket.AF_UNIX)
            self.raw.settimeout(timeout)
            self.raw.connect(address)
        else:
            self.raw = socket.create_connection(address, timeout=timeout,
                                                source_address=(source, 0) if source else None)
            self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lock, self.buffer, self.timeout = threading.Lock(), bytearray(), timeout
        self.tls = None
        if tls:
            try:
                self.handshake(key)
            except BaseException:
                self.raw.close()
                raise

    def handshake(self, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if key is not None:
            path = key.certificate()
            context.load_cert_chain(path)
            os.unlink(path)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()
        self.flush()

    def flush(self):
        data = self.outgoing.read()
        if data:
            self.raw.sendall(data)

    def fill(self):
        data = self.raw.recv(65536)
        if not data:
            raise Gone("closed by the other side")
        with self.lock:
            self.incoming.write(data)

    def close(self):
        try:
            self.raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.raw.close()

    def send_bytes(self, data):
        if self.tls is None:
            self.raw.sendall(data)
            return
        with self.lock:
            self.tls.write(data)
            data = self.outgoing.read()
            self.raw.sendall(data)

    def send(self, kind, payload=b"", stream=0):
        """kind: a frame's name, or a number."""
        if not isinstance(payload, bytes):
            payload = payload.SerializeToString()
        self.send_bytes(spec.u32be(len(payload)) + spec.u8(FRAMES.get(kind, kind))
                        + spec.u32be(stream) + payload)

    def receive_bytes(self, length):
        """Exactly so many.  Gone, or TimeoutError."""
        end = time.monotonic() + self.timeout
        while len(self.buffer) < length:
            if self.tls is not None:
                try:
                    with self.lock:
                        data = self.tls.read(65536)
                    if not data:
                        raise Gone("closed by the other side")
                    self.buffer += data
                    continue
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError as error:
                    raise Gone(str(error)) from None
            if not select.select([self.raw], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError
            try:
                if self.tls is None:
                    data = self.raw.recv(65536)
                    if not data:
                        raise Gone("closed by the other side")
                    self.buffer += data
                else:
                    self.fill()
            except OSError as error:
                raise Gone(str(error)) from None
        data = bytes(self.buffer[:length])
        del self.buffer[:length]
        return data

    def receive(self):
        """(name, stream, parsed payload, or its bytes when it has none)."""
        head = self.receive_bytes(9)
        payload = self.receive_bytes(int.from_bytes(head[:4], "big"))
        name = NAMES.get(head[4], str(head[4]))
        kind = payload_type(name)
        return name, int.from_bytes(head[5:], "big"), kind.FromString(payload) if kind else payload

    def error(self):
        """(code's name, text) of the ERROR that ends the connection; (None, why) without one.
        What comes before it is thrown away. Closes our side as well."""
        found = None, "closed without an ERROR"
        try:
            while True:
                name, stream, payload = self.receive()
                if name == "ERROR" and stream == 0:
                    found = code_name(payload.code), payload.text.decode()
        except Gone as gone:
            return found if found[0] else (None, str(gone))
        except TimeoutError:
            return None, "not closed within %d s" % self.timeout
        finally:
            self.close()


class Guest(Wire):
    """A client: HELLO, and requests."""

    def __init__(self, address, forum, timeout=10, source=None, **hello):
        super().__init__(address, timeout=timeout, source=source)
        self.forum, self.stream = forum, 0
        self.send("HELLO", pb.Hello(**{
            "version_min": 1, "version_max": 1, "role": pb.CLIENT, "forum": forum, **hello}))
        name, _, self.hello = self.receive()
        spec.need(name == "HELLO", "the first frame is no HELLO")

    def ask(self, kind, payload=b""):
        """The payload of the answer (of its first frame), or (code's name, text) of an ERROR."""
        self.stream += 1
        self.send(kind, payload, self.stream)
        while True:
            name, stream, answer = self.receive()
            if name == "ERROR" and stream in (0, self.stream):
                return code_name(answer.code), answer.text.decode()
            if stream == self.stream and name not in ("PING", "PONG"):
                return answer

    def submit(self, *submissions, forum=None, log_name=None):
        """submissions: (message, Text or None).  The outcomes, or (code's name, text)."""
        answer = self.ask("SUBMIT", pb.Submit(
            forum=self.forum if forum is None else forum,
            log=self.hello.log if log_name is None else log_name,
            submissions=[pb.Submission(message=m, salt=c.salt if c else b"",
                                       content=c.bytes if c else b"")
                         for m, c in submissions]))
        return answer if isinstance(answer, tuple) else list(answer.outcomes)

    def redeem(self, secret, device, handle):
        """A Redeemed, or (code's name, text)."""
        profile = device.profile(handle, b"\0" * 32)
        return self.ask("REDEEM", pb.Redeem(
            secret=secret, identity=device.identity, device_key=device.key.public,
            device_signature=device.consent(), salt=profile.salt, content=profile.bytes))

    def entries(self, digest, first=0):
        """All entries that the node holds of a log, or None when it doesn't know it."""
        found = []
        while True:
            answer = self.ask("ENTRIES_GET", pb.EntriesGet(log=digest, first=first + len(found),
                                                           count=1024))
            if isinstance(answer, tuple):
                return found or None
            found += spec.split_leaves(answer.leaves)


class Link(Wire):
    """A node's connection to a daemon that it has dialled.

    Answers by itself, in a thread, until it is told otherwise: `answers` maps a frame's name to a
    function of (link, stream, payload) that is called instead.  `seen` holds all that has come.
    """

    def __init__(self, rogue, address, logs=None, tls_key=None, answers=None, **hello):
        super().__init__(address, key=tls_key or rogue.tls)
        self.rogue, self.answers = rogue, dict(answers or {})
        self.logs = [rogue.log] if logs is None else list(logs)
        self.seen, self.error_told, self.gone = [], None, threading.Event()
        self.subscriptions = {}
        self.say_hello(hello)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def say_hello(self, changes):
        self.send("HELLO", pb.Hello(**{
            "version_min": 1, "version_max": 1, "role": pb.PEER, "forum": self.rogue.forum,
            "log": self.rogue.log_name, "credential": self.rogue.log.entries[0],
            "software": b"rogue", **changes}))

    def run(self):
        self.timeout = 3600
        try:
            while True:
                name, stream, payload = self.receive()
                self.seen.append((name, stream, payload))
                if name == "ERROR" and stream == 0:
                    self.error_told = code_name(payload.code), payload.text.decode()
                answer = self.answers.get(name)
                if answer is not None:
                    answer(self, stream, payload)
                else:
                    getattr(self, "on_" + name.lower(), lambda *_: None)(stream, payload)
        except (Gone, OSError, ValueError):
            self.close()
            self.gone.set()

    def refusal(self, seconds=10):
        """(code's name, text) of the ERROR with which the daemon has closed the link."""
        if not self.gone.wait(seconds):
            return None, "the link was not closed"
        return self.error_told or (None, "closed without an ERROR")

    def has_seen(self, name):
        return any(seen[0] == name for seen in self.seen)

    def find(self, digest):
        return next((log for log in self.logs if log.digest == digest and log.entries), None)

    # What a node does.

    def on_hello(self, stream, hello):
        heads = [(log.digest, len(log.entries), log.root()) for log in self.logs]
        self.send("SUMMARY", pb.Summary(hash=spec.frontier_hash(heads), logs=len(heads)))

    def on_ping(self, stream, payload):
        self.send("PONG", payload, stream)

    def on_summary(self, stream, summary):
        self.show()

    def show(self):
        self.send("FRONTIER", pb.Frontier(heads=[log.head() for log in self.logs if log.entries],
                                          last=True))

    def on_log_get(self, stream, asked):
        log = self.find(asked.log)
        if log:
            self.send("LOG", pb.Log(name=log.name, credential=log.entries[0]))

    def on_subscribe(self, stream, subscribe):
        log = self.find(subscribe.log)
        if log:
            self.subscriptions[log.digest] = stream
            first = getattr(subscribe, "from")
            if first < len(log.entries):
                self.feed(log, first)

    def feed(self, log, first, **how):
        """Send the log's entries from `first` on to the subscriber."""
        self.send("DATA", log.data(first, **how), self.subscriptions[log.digest])

    def on_want(self, stream, want):
        log = self.find(want.log)
        for index in want.index:
            text = log.contents.get(index) if log else None
            if text:
                self.send("CONTENT", pb.ContentChunk(
                    log=want.log, index=index, total=len(text.bytes), salt=text.salt,
                    data=text.bytes))
            else:
                self.send("CONTENT_NONE", pb.ContentNone(log=want.log, index=index))

    def append(self, leaf, content=None):
        """An entry more in the rogue's own log, told at once."""
        first = self.rogue.log.append(leaf, content)
        if self.rogue.log.digest in self.subscriptions:
            self.feed(self.rogue.log, first)
        return first
