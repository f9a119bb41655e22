"""fake_imap - an IMAP server for tests: small, exact, and able to misbehave on order.

What it announces is a profile; what it does wrong is a fault: a function that is asked at each step, or a number of octets after which a
connection is cut. It keeps folders in memory, so that a test can compare what lies there with what was sent.
"""
import contextlib
import re
import socket
import socketserver
import threading
import time
import zlib

BASE = "IMAP4rev1 SASL-IR AUTH=PLAIN"
KEEPS_ALL = r"\Answered \Flagged \Deleted \Seen \Draft \*"
MiB = 1 << 20


class Profile:
    """A kind of server: what it announces, and what it does not take. A refusal is a function of one message, or of a folder's name."""

    def __init__(self, capability, keeps=KEEPS_ALL, uses=None, refuses=(), names=(), loses=(), literals=None, connections=None,
                 quoted_only=False, utf8=None):
        self.capability, self.keeps, self.uses = capability, keeps, uses or {}
        self.refuses, self.names, self.loses = refuses, names, loses
        self.literals = literals  # the longest non-synchronising one; longer, or any with 0, is BAD; None: any
        self.connections, self.quoted_only = connections, quoted_only
        self.utf8 = utf8  # the RFC whose APPEND it has: 6855 wants UTF8 (~{n}) for 8-bit headers, 9755 has no such thing


def larger_than(size, answer):
    return lambda octets, flags: answer if len(octets) > size else None


def longer_lines_than(size, answer):
    return lambda octets, flags: answer if max(map(len, octets.split(b"\r\n"))) > size else None


def no_final_crlf(octets, flags):
    return None if octets.endswith(b"\r\n") else "BAD [CLIENTBUG] APPEND Message must end in CRLF"


def deleted(octets, flags):
    return r"NO [CANNOT] APPEND Contains Deleted flag" if r"\Deleted" in flags else None


def unknown_flags(*known):
    return lambda octets, flags: "NO APPEND failed" if set(flags.split()) - set(known) else None


def gmail_name(name):
    bad = name != name.strip() or "  " in name or "^" in name or any(part != part.strip() for part in name.split("/"))
    return "NO [CANNOT] Invalid folder name (Failure)" if bad else None


PROFILES = {
    "generic": Profile(BASE + " UIDPLUS LITERAL+ MULTIAPPEND NAMESPACE UNSELECT"),
    "plain": Profile(BASE),
    "gmail": Profile(BASE + " UIDPLUS LITERAL- NAMESPACE UNSELECT ENABLE SPECIAL-USE X-GM-EXT-1 APPENDLIMIT=35651584",
                     uses={"\\Junk": "[Gmail]/Spam", "\\All": "[Gmail]/All Mail"}, literals=4096, connections=15, names=[gmail_name],
                     refuses=[larger_than(35651584, "BAD [TOOBIG] Message too large")]),
    "microsoft365": Profile("IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+", loses=[r"\Flagged"],
                            names=[lambda name: "NO Files is reserved" if name == "Files" else None],
                            refuses=[larger_than(45 * MiB, "NO Maximum size of appendable message has been exceeded."),
                                     longer_lines_than(10500, "BAD Command Argument Error. 11")]),
    "exchange": Profile("IMAP4 IMAP4rev1 AUTH=PLAIN UIDPLUS CHILDREN IDLE NAMESPACE LITERAL+", keeps=r"\Answered \Flagged \Deleted \Seen \Draft",
                        refuses=[unknown_flags(r"\Answered", r"\Flagged", r"\Deleted", r"\Seen", r"\Draft"),
                                 longer_lines_than(9900, "BAD Command Argument Error. 11")]),
    "yahoo": Profile(BASE + " UIDPLUS LITERAL+ NAMESPACE APPENDLIMIT=41697280", refuses=[no_final_crlf, deleted]),
    "icloud": Profile(BASE + " UIDPLUS NAMESPACE", literals=0, quoted_only=True),
    "zimbra": Profile(BASE + " UIDPLUS LITERAL+ MULTIAPPEND NAMESPACE", keeps=r"\Answered \Flagged \Deleted \Seen \Draft",
                      refuses=[unknown_flags(r"\Answered", r"\Flagged", r"\Deleted", r"\Seen", r"\Draft")]),
}


class Cut(Exception):
    """The connection ends here."""


class Folder:
    def __init__(self, validity):
        self.validity, self.next, self.messages = validity, 1, []

    def add(self, octets, flags, date):
        self.messages.append({"uid": self.next, "octets": octets, "flags": flags, "date": date})
        self.next += 1
        return self.next - 1


class Session(socketserver.BaseRequestHandler):
    def setup(self):
        self.fake = self.server.fake
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.selected = None
        self.enabled = False
        self.inflate = self.deflate = None  # of COMPRESS=DEFLATE
        with self.fake.lock:
            self.fake.connections += 1
            self.fake.open += 1
            self.fake.most = max(self.fake.most, self.fake.open)
            self.fake.peak = max(self.fake.peak, self.fake.open)
            self.number = self.fake.connections
            self.fake.clients[self.client_address[0]] = self.fake.clients.get(self.client_address[0], 0) + 1

    def finish(self):
        with self.fake.lock:
            self.fake.open -= 1
            self.fake.clients[self.client_address[0]] -= 1

    # ---- octets ----

    def fill(self):
        room = 65536
        if self.fake.cut_received is not None:
            room = self.fake.cut_received - self.fake.total_received
            if room <= 0:
                self.reset()
        data = self.request.recv(room)
        if not data:
            raise Cut
        self.fake.total_received += len(data)
        self.buffer += self.inflate.decompress(data) if self.inflate else data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def octets(self, count):
        while len(self.buffer) < count:
            self.fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def send(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        if self.deflate:
            data = self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        if self.fake.cut_sent is not None:
            left = self.fake.cut_sent - self.fake.total_sent
            if left < len(data):
                self.request.sendall(data[:max(left, 0)])
                self.fake.total_sent += max(left, 0)
                self.reset()
        self.fake.total_sent += len(data)
        self.request.sendall(data)

    def say(self, text):
        self.send(text + "\r\n")

    def reset(self):
        """A hard end; what the fault is armed for is over."""
        self.fake.cut_received = self.fake.cut_sent = None
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        raise Cut

    # ---- the dialogue ----

    def handle(self):
        with contextlib.suppress(Cut, OSError):
            self.fault("greeting")
            self.greet()
            while self.command():
                pass

    def greet(self):
        self.say(f"* OK [CAPABILITY {self.fake.capability}] fake ready")

    def fault(self, step, **facts):
        """Asks the test what goes wrong here: None, "cut", "stall", "bye TEXT", or for others what the step understands."""
        action = self.fake.fault(step, self, **facts) if self.fake.fault else None
        if action == "cut":
            self.reset()
        if action == "stall":
            self.fake.stalled.set()
            self.fake.release.wait(60)
            raise Cut
        if action and action.startswith("bye "):
            self.say("* BYE " + action[4:])
            raise Cut
        return action

    def words(self, line):
        """The arguments of a command line; strings as literals too. Returns them when the command is complete."""
        found = []
        while True:
            line = line.lstrip(b" ")
            literal = re.fullmatch(rb"(.*?)\{(\d+)(\+?)\}", line)
            if line.startswith(b'"'):
                match = re.match(rb'"((?:\\.|[^"\\])*)"', line)
                found.append(re.sub(rb"\\(.)", rb"\1", match.group(1)))
                line = line[match.end():]
            elif line.startswith(b"("):
                end = line.index(b")") + 1
                found.append(line[:end])
                line = line[end:]
            elif literal and literal.group(1) == b"":
                if not literal.group(3):
                    self.say("+ go")
                found.append(self.octets(int(literal.group(2))))
                line = self.line()
            elif not line:
                return found
            else:
                word, _, line = line.partition(b" ")
                found.append(word)

    def command(self):
        tag, name, *rest = self.line().split(b" ", 2)
        tag, name, rest = tag.decode(), name.decode().upper(), rest[0] if rest else b""
        refusal = self.fault(name.lower())
        if refusal:
            self.say(f"{tag} {refusal}")
            return True
        getattr(self, "on_" + name.lower(), self.on_unknown)(tag, rest)
        return name != "LOGOUT"

    def on_unknown(self, tag, rest):
        self.say(f"{tag} BAD unknown command")

    def on_capability(self, tag, rest):
        self.say(f"* CAPABILITY {self.fake.capability}")
        self.say(f"{tag} OK done")

    def on_authenticate(self, tag, rest):
        words = self.words(rest)
        with self.fake.lock:
            self.fake.logins.append(words)
        if self.fake.profile.connections and self.fake.open > self.fake.profile.connections:
            self.say(f"{tag} NO [ALERT] Too many simultaneous connections. (Failure)")
            return
        self.say(f"{tag} OK [CAPABILITY {self.fake.capability}] in")

    on_login = on_authenticate

    def on_namespace(self, tag, rest):
        self.say('* NAMESPACE (("" "/")) NIL NIL')
        self.say(f"{tag} OK done")

    def on_list(self, tag, rest):
        self.fake.lists.append(rest.decode())
        if rest == b'"" ""':
            self.say('* LIST (\\Noselect) "/" ""')
        elif rest.startswith(b"(SPECIAL-USE)") and "SPECIAL-USE" not in self.fake.capability:
            self.say(f"{tag} BAD syntax")
            return
        else:
            uses = {name: use for use, name in self.fake.profile.uses.items()}
            for name in self.fake.folders:
                self.say(f'* LIST ({uses.get(name, "")}) "/" "{name}"')
        self.say(f"{tag} OK done")

    def on_logout(self, tag, rest):
        self.say("* BYE see you")
        self.say(f"{tag} OK done")

    def on_enable(self, tag, rest):
        self.enabled = self.fake.profile.utf8 is not None
        self.say("* ENABLED" + (" UTF8=ACCEPT" if self.enabled else ""))
        self.say(f"{tag} OK done")

    def on_compress(self, tag, rest):
        self.say(f"{tag} OK DEFLATE active")
        self.inflate, self.deflate = zlib.decompressobj(-15), zlib.compressobj(9, zlib.DEFLATED, -15)
        self.buffer = self.inflate.decompress(self.buffer)
        self.fault("compressed")

    def on_create(self, tag, rest):
        name = self.words(rest)[0].decode()
        refusal = next(filter(None, (judge(name) for judge in self.fake.profile.names)), None)
        if not refusal:
            self.fake.folder(name, create=True)
        self.say(f"{tag} {refusal or 'OK done'}")

    def on_subscribe(self, tag, rest):
        self.fake.subscribed.add(self.words(rest)[0].decode())
        self.say(f"{tag} OK done")

    def on_examine(self, tag, rest, mode="READ-ONLY", keeps=""):
        folder = self.fake.folder(self.words(rest)[0].decode())
        if folder is None:
            self.say(f"{tag} NO [NONEXISTENT] no such mailbox")
            return
        self.selected = folder
        self.say(f"* {len(folder.messages)} EXISTS")
        self.say(f"* OK [PERMANENTFLAGS ({keeps})] kept")
        self.say(f"* OK [UIDVALIDITY {folder.validity}] valid")
        self.say(f"* OK [UIDNEXT {folder.next}] next")
        with self.fake.lock:
            self.fake.examines += mode == "READ-ONLY"
            self.fake.selects += mode == "READ-WRITE"
        self.say(f"{tag} OK [{mode}] done")

    def on_status(self, tag, rest):
        name = self.words(rest)[0].decode()
        folder = self.fake.folder(name)
        if folder is None:
            self.say(f"{tag} NO [NONEXISTENT] no such mailbox")
            return
        self.say(f'* STATUS "{name}" (UIDVALIDITY {folder.validity} UIDNEXT {folder.next})')
        self.say(f"{tag} OK done")

    def on_select(self, tag, rest):
        self.on_examine(tag, rest, "READ-WRITE", self.fake.profile.keeps)

    def on_uid(self, tag, rest):
        expunge = re.fullmatch(rb"EXPUNGE (\d+)", rest)
        if expunge:
            self.selected.messages = [item for item in self.selected.messages
                                      if item["uid"] != int(expunge.group(1)) or "\\Deleted" not in item["flags"]]
            self.say(f"{tag} OK done")
            return
        match = re.fullmatch(rb"STORE ([\d,]+) \+FLAGS\.SILENT \(([^)]*)\)", rest)
        uids = {int(uid) for uid in match.group(1).split(b",")} if match else set()
        found = [item for item in self.selected.messages if item["uid"] in uids]
        if self.fault("store") or not found:
            self.say(f"{tag} NO not stored")
            return
        for item in found:
            item["flags"] = " ".join(sorted({*item["flags"].split(), *match.group(2).decode().split()}))
        self.fake.stores += 1
        self.say(f"{tag} OK done")

    def on_unselect(self, tag, rest):
        self.selected = None
        self.say(f"{tag} OK done")

    on_close = on_unselect

    def on_fetch(self, tag, rest):
        self.fake.fetches += 1
        first, _, last = rest.split(b" ", 1)[0].decode().partition(":")
        for number in range(int(first), int(last or first) + 1):
            item = self.selected.messages[number - 1]
            head = item["octets"].split(b"\r\n\r\n", 1)[0]
            lines = [part for part in head.split(b"\r\n") if part.lower().startswith(b"x-mailweir-id:")]
            field = b"".join(part + b"\r\n" for part in lines) + b"\r\n"
            self.send(f'* {number} FETCH (UID {item["uid"]} INTERNALDATE "{item["date"]}" '
                      f"BODY[HEADER.FIELDS (X-Mailweir-Id)] {{{len(field)}}}\r\n".encode() + field + b")\r\n")
        self.say(f"{tag} OK done")

    # ---- append ----

    def on_append(self, tag, rest):
        name, items, early = self.read_append(tag, rest)
        if early:
            return
        folder = self.fake.folder(name)
        action = self.fault("append-end", folder=name, items=items)
        with self.fake.lock:
            self.fake.appends += 1
            self.fake.batches.append(len(items))
        if folder is None:
            self.say(f"{tag} NO [TRYCREATE] no such mailbox")
            return
        refusal = action if action and action.startswith(("NO", "BAD")) else self.judge(items)
        if refusal:
            self.say(f"{tag} {refusal}")
            return
        with self.fake.lock:
            uids = [folder.add(octets, " ".join(flag for flag in flags.split() if flag not in self.fake.profile.loses), date)
                    for octets, flags, date in items]
        if action == "commit-cut":
            self.reset()
        if action == "commit-stall":
            self.fake.stalled.set()
            self.fake.release.wait(60)
            raise Cut
        code = f"[APPENDUID {folder.validity} {','.join(map(str, uids))}] " if "UIDPLUS" in self.fake.capability else ""
        self.say(f"{tag} OK {code}done")

    def judge(self, items):
        return next(filter(None, (judge(octets, flags) for octets, flags, _ in items for judge in self.fake.profile.refuses)), None)

    def read_append(self, tag, rest):
        match = re.match(rb'"((?:\\.|[^"\\])*)"|(\S+)', rest)
        name = re.sub(rb"\\(.)", rb"\1", match.group(1) or match.group(2)).decode()
        line, items = rest[match.end():], []
        while True:
            match = re.fullmatch(rb' \(([^)]*)\) "([^"]*)"(?:( UTF8 \()~| )\{(\d+)(\+?)\}', line)
            assert match, line
            utf8 = match.group(3)
            if utf8 and not (self.enabled and self.fake.profile.utf8 == 6855):
                self.say(f"{tag} BAD syntax error")
                return name, items, True
            size = int(match.group(4))
            refusal = self.fault("append-begin", folder=name, size=size) or self.literal_refused(size, match.group(5), items)
            if not match.group(5):
                if refusal or self.fake.folder(name) is None:
                    self.say(f"{tag} {refusal or 'NO [TRYCREATE] no such mailbox'}")
                    return name, items, True
                self.say("+ go")
            octets = self.octets(size)
            if refusal:
                while self.line():
                    pass
                self.say(f"{tag} {refusal}")
                return name, items, True
            self.fault("append-octets", folder=name, items=items)
            items.append((octets, match.group(1).decode(), match.group(2).decode()))
            line = self.line()
            if utf8:
                assert line.startswith(b")"), line
                line = line[1:]
            elif self.enabled and self.fake.profile.utf8 == 6855 and not octets.split(b"\r\n\r\n", 1)[0].isascii():
                self.say(f"{tag} NO [CANNOT] 8-bit header without UTF8")
                return name, items, True
            if not line:
                return name, items, False


    def literal_refused(self, size, plus, items):
        most = self.fake.profile.literals
        if plus and most is not None and size > most:
            return "BAD no such literal"
        return "BAD one message at a time" if items and "MULTIAPPEND" not in self.fake.capability else None


class FakeImap:
    def __init__(self, world, profile="generic", fault=None, session=Session, address="127.0.0.1"):
        self.profile = PROFILES[profile] if isinstance(profile, str) else profile
        self.capability = self.profile.capability
        self.fault = fault
        self.lock = threading.Lock()
        self.folders = {"INBOX": Folder(1000)}
        for name in self.profile.uses.values():
            self.folder(name, create=True)
        self.subscribed = set()
        self.connections = self.open = self.appends = self.examines = self.selects = self.stores = self.fetches = 0
        self.peak = self.most = 0  # connections at once: ever, and since the test set it back
        self.clients = {}  # connections that are open, by address
        self.lists = []
        self.batches = []
        self.logins = []  # the arguments of each LOGIN or AUTHENTICATE
        self.cut_received = self.cut_sent = None
        self.total_received = self.total_sent = 0
        self.stalled, self.release = threading.Event(), threading.Event()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads, request_queue_size = True, True, 128

        self.server = Server((address, 0), session)
        self.server.fake = self
        self.port = self.tls_port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        world.cleanup.append(self.stop)

    def stop(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()

    def folder(self, name, create=False):
        with self.lock:
            if create and name not in self.folders:
                self.folders[name] = Folder(1000 + len(self.folders))
            return self.folders.get(name)

    def messages(self):
        """The octets of every message, over all folders."""
        with self.lock:
            return [item["octets"] for folder in self.folders.values() for item in folder.messages]

    def ids(self):
        """The X-Mailweir-Id of every message that has one, over all folders, in order."""
        with self.lock:
            found = [re.search(rb"^X-Mailweir-Id: (\S+)", item["octets"], re.M) for folder in self.folders.values() for item in folder.messages]
        return [match.group(1).decode() for match in found if match]

    def configure(self, gateway, **extra):
        """Makes it the upstream of a gateway."""
        gateway.upstream.update({"address": f"127.0.0.1:{self.port}", "tls": {"mode": "none"}, **extra})
        return gateway
