"""One reading of a message: the program's is compared with that of two readers that are not ours, Python's email package and Dovecot, over messages of others
and over generated ones. Every difference belongs to a class of a table, with the RFC or the reason; one that belongs to none fails."""
import base64
import email
import email.policy
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import warnings

from harness import MAILWEIR, Skip, queue_id, received_part, wait
from reading_cases import BODIES, CLASSES, FIRST, MARK, ODD, OTHERS, SENDERS, SUBJECTS

READING = pathlib.Path(os.environ.get("READING", pathlib.Path(MAILWEIR).parent / "tests/reading"))
COUNT = 5000
POLICY = email.policy.default
SESSION = 500  # messages
LISTED, LISTED_OCTETS = 10, 3000  # of the differences that have no class


# ---- the three readers ----

def read_by_us(messages):
    done = subprocess.run([READING], input=b"".join(b"%d\n%b" % (len(one), one) for one in messages), capture_output=True, check=True, timeout=300)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def squeeze(text):
    """Without the differences that nobody sees: white space, and where a text ends."""
    return " ".join(text.replace("\0", "\ufffd").split())


def python_text(part):
    try:
        return part.get_content()
    except (LookupError, KeyError, UnicodeError, ValueError, AssertionError):
        return (part.get_payload(decode=True) or b"").decode("latin-1")


def leaves_by_python(part):
    """As walk() without what contains others; a report or a piece of a message is no message to look into."""
    kind = part.get_content_type()
    if not part.is_multipart() or (kind.startswith("message/") and kind != "message/rfc822"):
        yield part
        return
    for inner in part.get_payload():
        yield from leaves_by_python(inner)


def read_by_python(octets):
    """None where the package itself fails, which it does on some headers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parsed = email.message_from_bytes(octets, policy=POLICY)
            subject = [str(value) for value in parsed.get_all("subject", [])]
            senders = [f"{one.username}@{one.domain}" if one.domain else one.username
                       for value in parsed.get_all("from", []) for one in value.addresses]
        except Exception:  # noqa: the parser of headers raises what it likes
            return None
        leaves = list(leaves_by_python(parsed))
        texts, files = [], []
        for part in leaves:
            try:
                name, kind = part.get_filename(), part.get_content_type()
                shown = part.get_content_maintype() == "text" and part.get_content_disposition() in (None, "inline")
            except Exception:  # noqa: as above
                return None
            if shown:
                texts.append(python_text(part))
            if not shown or name:
                files.append((kind, name or ""))
        return {"fields": list(parsed.keys()), "subjects": subject, "from": senders, "texts": texts, "files": files}


def tokens(data):
    """An IMAP value as lists, texts and None, with literals in their places."""
    stack, at = [[]], 0
    while at < len(data):
        byte = data[at:at + 1]
        if byte == b"(":
            stack.append([])
            at += 1
        elif byte == b")":
            done = stack.pop()
            stack[-1].append(done)
            at += 1
        elif byte == b'"':
            end = at + 1
            while data[end:end + 1] != b'"':
                end += 2 if data[end:end + 1] == b"\\" else 1
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", data[at + 1:end]))
            at = end + 1
        elif byte == b"{":
            brace = data.index(b"}\r\n", at)
            size, start = data[at + 1:brace], brace + 3
            stack[-1].append(data[start:start + int(size)])
            at = start + int(size)
        elif byte in b" \r\n":
            at += 1
        else:
            word = re.compile(rb'BODY\[[^]]*\]|[^ ()"{\r\n]+').match(data, at).group()
            stack[-1].append(None if word == b"NIL" else word)
            at += len(word)
    return stack[0]


def pairs_of(flat):
    return dict(zip([key.lower() for key in flat[::2]], flat[1::2])) if flat else {}


def leaves_of(structure):
    """(type, is a file) of each leaf of a BODYSTRUCTURE (RFC 9051 section 7.5.2), messages within the message looked into."""
    if isinstance(structure[0], list):
        return [leaf for part in structure if isinstance(part, list) and part and isinstance(part[0], (list, bytes)) and is_part(part)
                for leaf in leaves_of(part)]
    kind = b"/".join(structure[:2]).lower().decode("latin-1")
    is_message = kind in ("message/rfc822", "message/global")
    place = 11 if is_message else 9 if kind.startswith("text/") else 8
    disposition = structure[place] if len(structure) > place else None
    attached = disposition is not None and disposition[0].lower() != b"inline"
    named = b"name" in pairs_of(structure[2]) or (disposition is not None and b"filename" in pairs_of(disposition[1]))
    found = [(kind, attached or named or not kind.startswith("text/"))]
    return found + (leaves_of(structure[8]) if is_message and structure[8] else [])


def is_part(value):
    """A part is a list of parts, or begins with a type, a subtype and parameters."""
    if isinstance(value[0], list):
        return is_part(value[0])
    return len(value) >= 7 and isinstance(value[1], bytes) and (value[2] is None or isinstance(value[2], list))


def read_by_dovecot(fetched):
    items = tokens(fetched)
    pairs = dict(zip([key if isinstance(key, bytes) else b"" for key in items[::2]], items[1::2]))
    envelope, structure = pairs[b"ENVELOPE"], pairs[b"BODYSTRUCTURE"]
    header = pairs[next(key for key in pairs if key.startswith(b"BODY[HEADER.FIELDS"))]
    senders = [b"@".join(part for part in one[2:4]).decode("utf-8", "replace") for one in envelope[2] or [] if one[3] is not None]
    return {"subject": envelope[1], "from": senders, "leaves": leaves_of(structure), "subjects": len(re.findall(rb"(?im)^subject[ \t]*:", header)),
            "octets": next(pairs[key] for key in pairs if key == b"BODY[]")}


# ---- what is filed ----

class Filing:
    """Messages go through the gateway into Dovecot, each into the folder, and are fetched from there in order."""

    def __init__(self, world):
        self.world, self.dovecot = world, world.dovecot()
        self.gateway = world.mailweir(self.dovecot)
        self.gateway.configuration["log"] = {"level": "info"}
        self.gateway.start()

    def send(self, messages):
        with socket.create_connection(("127.0.0.1", self.gateway.port), 60) as client:
            lines = client.makefile("rb")
            lines.readline()
            client.sendall(b"HELO x\r\n")
            lines.readline()
            for message in messages:
                body = re.sub(rb"(?m)^\.", b"..", message)
                client.sendall(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
                replies = [lines.readline() for _ in range(3)]
                assert replies[2].startswith(b"354"), replies
                client.sendall(body + (b"" if body.endswith(b"\r\n") else b"\r\n") + b".\r\n")
                reply = lines.readline()
                assert reply.startswith(b"250"), (reply, message)
                yield queue_id(reply)

    def all(self, messages):
        ids = [one for start in range(0, len(messages), SESSION) for one in self.send(messages[start:start + SESSION])]
        wait(lambda: self.dovecot.count() >= len(messages), "all messages in the folder", deadline=180)
        connection = self.dovecot.imap()
        connection.select("INBOX", readonly=True)
        found = {}
        for start in range(1, len(messages) + 1, 200):
            _, data = connection.fetch(f"{start}:{min(start + 199, len(messages))}", "(ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[])")
            whole = b""
            for piece in data:
                whole += piece[0] + b"\r\n" + piece[1] if isinstance(piece, tuple) else piece
                if not isinstance(piece, tuple) and piece.endswith(b")"):
                    answer = re.match(rb"\d+ \((.*)\)\Z", whole, re.S).group(1)
                    octets = tokens(answer)[-1]
                    found[re.search(rb"X-Mailweir-Id: (\w+)\.", octets).group(1).decode()] = answer
                    whole = b""
        connection.logout()
        return [found[one] for one in ids]


# ---- comparing ----

def our_files(ours):
    return [(one["type"], one["names"]) for one in ours["attachments"]]


def differences(ours, python, dovecot):
    """(what, by whom, ours, theirs) of each point in which one of them reads otherwise."""
    found = []

    def compare(what, who, mine, other):
        if mine != other:
            found.append((what, who, mine, other))

    subject = [squeeze(one) for one in ours["subjects"]]
    senders = [address.lower() for _, address in ours["from"]]
    if python is not None:
        compare("fields", "python", [name.lower() for name in ours["fields"]], [name.lower() for name in python["fields"]])
        compare("subject", "python", subject, [squeeze(one) for one in python["subjects"]])
        compare("from", "python", senders, [one.lower() for one in python["from"]])
        compare("text", "python", [squeeze(one) for one in ours["texts"] if squeeze(one)], [squeeze(one) for one in python["texts"] if squeeze(one)])
        compare("files", "python", sorted((kind, names[0] if names else "") for kind, names in our_files(ours) if kind != "message/rfc822"),
                sorted(python["files"]))
    compare("subjects", "dovecot", len(ours["subjects"]), dovecot["subjects"])
    compare("from", "dovecot", senders, [one.lower() for one in dovecot["from"]])
    compare("files", "dovecot", sorted(kind for kind, _ in our_files(ours)),
            sorted(kind for kind, is_file in dovecot["leaves"] if is_file))
    return found


def classify(difference, tags):
    """The class of the table that the difference belongs to; None when there is none."""
    for name, (points, _) in CLASSES.items():
        if name in tags and difference[:2] in points:
            return name
    return None


def compare_all(cases, filing):
    """Sorts every difference of (message, tags) into its class; returns how many there are of each."""
    messages = [message for message, _ in cases]
    answers, readings, tally, unknown = filing.all(messages), read_by_us(messages), {}, []
    for (message, tags), answer, ours in zip(cases, answers, readings):
        dovecot = read_by_dovecot(answer)
        octets = received_part(dovecot["octets"])
        expected = base64.b64decode(ours["filed"])
        assert octets == expected + (b"" if message.endswith(b"\r\n") else b"\r\n"), (message, octets)
        put_in = octets.replace(b"X-Mailweir-Odd-Line: ", b"") if b"X-Mailweir-Odd-Line" not in message else octets
        assert put_in.replace(b"\r\n", b"") == message.replace(b"\r\n", b""), "nothing was taken away or moved"
        for difference in differences(ours, read_by_python(octets), dovecot):
            name = classify(difference, tags)
            if name is None:
                unknown.append((difference, sorted(tags), message))
            tally[name] = tally.get(name, 0) + 1
    assert not unknown, f"{len(unknown)} differences of no class, the first:\n" + "\n".join(f"{d}\n  of {t} in {m[:LISTED_OCTETS]!r}" for d, t, m in unknown[:LISTED])
    return tally


# ---- generated messages ----

def generate(random_):
    """A message of pieces, and the tags of those in which readers are known to differ."""
    tags, lines = set(), []
    for table in (SUBJECTS, SENDERS):
        line, tag = random_.choice(table)
        lines.append(line.encode("utf-8", "surrogateescape"))
        tags.update([tag] if tag else [])
    lines += [b"To: ops@example.net", b"X-Note: 1"]
    header, body, tag = random_.choice(BODIES)
    tags.update([tag] if tag else [])
    lines += [line.encode("utf-8", "surrogateescape") for line in header.split("\r\n") if line]
    random_.shuffle(lines)
    for _ in range(random_.choice((0, 0, 1, 2))):
        lines.insert(random_.randint(0, len(lines)), random_.choice(ODD))
        tags.update(["8bit without charset"] if any(octet > 127 for octet in b"".join(lines[-2:])) else [])  # it may begin the text
    if random_.random() < 0.1:
        lines.insert(0, random_.choice(FIRST))
    message = b"\r\n".join(lines).replace(MARK, b"") + b"\r\n\r\n" + body.encode("utf-8", "surrogateescape")
    if random_.random() < 0.25:
        message = mutate(random_, message)
        tags.add("mutated")
    return message if message.endswith(b"\r\n") else message + b"\r\n", tags


def mutate(random_, message):
    """A line is lost, comes twice, or changes its place."""
    lines = message.split(b"\r\n")
    for _ in range(random_.randint(1, 2)):
        at = random_.randrange(len(lines))
        kind = random_.randrange(3)
        if kind == 0 and len(lines) > 3:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[at])
        else:
            lines.insert(random_.randrange(len(lines)), lines.pop(at))
    return b"\r\n".join(lines)


# ---- tests ----

def test_generated_messages(world):
    """Generated and mutated messages are read alike by all, but for the classes of the table; what is filed is what the rope says."""
    random_ = random.Random(18)
    cases = [generate(random_) for _ in range(COUNT)]
    tally = compare_all(cases, Filing(world))
    print(json.dumps(tally))
    assert len(tally) > 10, tally


PYTHON_DATA = pathlib.Path("/usr/lib/python3.11/test/test_email/data")
BOUNCES = pathlib.Path("/usr/lib/python3/dist-packages/flufl/bounce/tests/data")


def test_messages_of_others(world):
    """The messages of Python's tests and the bounces of flufl.bounce: what stands behind our fields is octet by octet what was sent (but for what is told
    as repaired), and Subject, From and text are as Python reads them, or the difference has its class."""
    files = [*sorted(PYTHON_DATA.glob("msg_*.txt")), *sorted(BOUNCES.glob("*.txt"))]
    if len(files) < 100:
        raise Skip("libpython3.11-testsuite and python3-flufl.bounce are not installed")
    cases = []
    for file in files:
        octets = b"\r\n".join(file.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
        if octets:
            cases.append((octets if octets.endswith(b"\r\n") else octets + b"\r\n", set(OTHERS.get(file.name, ())) | {file.name}))
    filing = Filing(world)
    tally = compare_all(cases, filing)
    repaired = {event["id"] for event in filing.gateway.events("repaired")}
    print(json.dumps(tally), len(cases), "messages,", len(repaired), "repaired")
    assert len(cases) - len(repaired) > 100, "most need no repair"


def test_signatures_hold(world):
    """DKIM (RFC 6376) before and after: what is filed of a signed message verifies, with odd lines that a relay left in its header, and as it was without."""
    try:
        import dkim
    except ImportError as error:
        raise Skip("python3-dkim is not installed") from error
    key = world.folder / "dkim.key"
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", key, "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    plain = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: signed\r\nX-Note: 1\r\n\r\nA text.\r\n"
    signed = dkim.sign(plain, b"test", b"example.com", key.read_bytes(), include_headers=[b"from", b"to", b"subject"]) + plain

    def verifies(octets):
        try:
            return dkim.verify(octets, dnsfunc=lambda *_, **__: record)
        except dkim.MessageFormatError:
            return False

    assert verifies(signed) and not verifies(signed.replace(b"A text", b"Another text"))
    cases = [signed, b"From root@host Tue Dec  1 04:00:00 2026\r\n" + signed, signed.replace(b"X-Note: 1", b"X Note: 1")]
    before = [verifies(one) for one in cases]
    answers = Filing(world).all(cases)
    after = [verifies(received_part(read_by_dovecot(answer)["octets"])) for answer in answers]
    assert before == [True, True, False] and after == [True, True, True], (before, after)


