"""What the messages of test_reading.py are made of, and the table of differences between readers.

Each piece has the name of the class in which readers are known to differ about it, or None: then they must agree. A class says in which points it may show, and why;
what the rules see is in rules.md.
"""

PYTHON = "python"
DOVECOT = "dovecot"
MARK = b"\0"  # vanishes


def latin(text):
    """Octets of windows-1252 in a text that is written as UTF-8."""
    return text.encode("cp1252").decode("utf-8", "surrogateescape")


def octets(data):
    return data.decode("utf-8", "surrogateescape")


SUBJECTS = [
    ("Subject: plain text", None),
    ("Subject: folded\r\n text of two\r\n\tlines", None),
    ("Subject: ", None),
    ("subject:no blank", None),
    ("Subject: =?utf-8?q?caf=C3=A9?=", None),
    ("Subject: =?utf-8?b?Y2Fmw6k=?= =?utf-8?b?IHg=?=", None),
    ("Subject: =?iso-8859-1?q?caf=E9?= tail", None),
    ("Subject: =?utf-8?q?a?=\r\n =?utf-8?q?b?=", None),
    ("Subject: =?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "split word"),
    ("Subject: =?utf-8?b?5Lit5?= =?utf-8?b?paH?=", "split word"),
    ("Subject: [x]=?utf-8?q?caf=C3=A9?=y", "glued word"),
    ("Subject: =?utf-8?q?two words?=", "glued word"),
    ("Subject: =?x-gbk?b?s7e72A==?=", "charset name"),
    ("Subject: =?unicode-1-1-utf-7?q?f+APw-r?=", "charset name"),
    ("Subject: =?no-such?q?abc?=", "charset name"),
    ("Subject: Büro", "raw octets"),
    (latin("Subject: Büro"), "raw octets"),
    ("Subject : blank in front", "blank before colon"),
    ("Subject: one\r\nSubject: two", "second field"),
    ("X-Other: none", None),
]

SENDERS = [
    ("From: app@example.com", None),
    ("From: The App <app@example.com>", None),
    ("From: \"App, The\" <app@example.com>", None),
    ("From: =?utf-8?q?B=C3=BCro?= <app@example.com>", None),
    ("From: a@example.com, B <b@example.com>", None),
    ("From: app@example.com (The App)", None),
    ("From: <app@example.com>", None),
    ("From: Team: a@example.com, b@example.com;", "group"),
    ("From: [Alert] System <app@example.com>", "address form"),
    ("From: Foo (Bar <app@example.com>", "address form"),
    ("From: a@example.com; b@example.com", "address form"),
    ("From: a..b@docomo.example", "address form"),
    ("From: a.@docomo.example", "address form"),
    ("From: Doe, John <app@example.com>", "address form"),
    ("From: =?utf-8?q?a=40b.example?=", "address form"),
    (latin("From: Büro <app@example.com>"), "raw octets"),
    ("From: a@example.com\r\nFrom: b@example.com", "second field"),
    ("From: root", "address form"),
]

# Behind these all agree: they are fields of their own in what is filed.
ODD = [b"X-Valid Header: 5", b"no colon at all", b"From x@example.com Tue Dec  1 04:00:00 2026", b": no name", "Sübject: x".encode(), b"odd\r\n folded"]
FIRST = [b"From root@host Tue Dec  1 04:00:00 2026", b"\xef\xbb\xbf" + b"X-First: 1", b" begins with a blank", b">From x"]

TEXT = "Content-Type: text/plain; charset=utf-8"


def multipart(*parts, boundary="BB", kind="mixed", end="\r\n--BB--\r\n", parameter=None):
    header = f"MIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary={parameter or boundary}"
    return header, "".join(f"\r\n--{boundary}\r\n{part}" for part in parts).lstrip() + end


def attachment(parameters, kind="application/octet-stream"):
    return f"Content-Type: {kind}\r\nContent-Disposition: attachment; {parameters}\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n"


PLAIN = f"{TEXT}\r\n\r\nhello\r\n"
BODIES = [
    ("", "plain\r\nlines\r\n", None),
    ("", "", None),
    (TEXT, "Büro\r\n", None),
    (TEXT + "\r\nContent-Transfer-Encoding: quoted-printable", "B=C3=BCro=\r\n x \r\n", None),
    (TEXT + "\r\nContent-Transfer-Encoding: base64", "QsO8cm8=\r\n", None),
    ("Content-Type: text/plain; charset=iso-8859-1", latin("Büro\r\n"), None),
    ("Content-Type: text/plain; format=flowed", "soft \r\nline\r\n", None),
    ("Content-Type: text/html; charset=utf-8", "<p>Büro</p>\r\n", None),
    ("Content-Type: text/plain; name=x.log", "log\r\n", None),
    ("Content-Type: image/png; name=\"a b.png\"\r\nContent-Transfer-Encoding: base64", "aGVsbG8=\r\n", None),
    ("Content-Type: text/plain\r\nContent-Disposition: attachment; filename=x.txt", "text\r\n", None),
    ("Content-Type: text/plain; charset=cp-850", octets(b"B\x81ro\r\n"), "charset name"),
    ("Content-Type: text/plain; charset=x-gbk", octets(b"\xb3\xb7\xbb\xd8\r\n"), "charset name"),
    ("Content-Type: text/plain; charset=windows-31j", octets(b"\x82\xa0\r\n"), "charset name"),
    ("Content-Type: text/plain; charset=iso-8859-1", octets(b"\x93x\x94\r\n"), "windows-1252"),
    ("Content-Type: text/plain; charset=us-ascii", "Büro\r\n", "8bit without charset"),
    ("", latin("Büro\r\n"), "8bit without charset"),
    (TEXT, latin("Büro\r\n"), "8bit without charset"),
    (TEXT + "\r\nContent-Transfer-Encoding: base64", "aGVsbG8=IHdvcmxk\r\n", "broken base64"),
    (TEXT + "\r\nContent-Transfer-Encoding: base64", "aGVsbG8\r\n", None),
    (TEXT + "\r\nContent-Transfer-Encoding: base64; x", "aGVsbG8=\r\n", "encoding name"),
    (TEXT + "\r\nContent-Transfer-Encoding: base64 (yes)", "aGVsbG8=\r\n", "encoding name"),
    (*multipart(PLAIN, attachment("filename=x.pdf")), None),
    (*multipart(PLAIN, attachment("filename=\"x y.pdf\"")), None),
    (*multipart(PLAIN, attachment("filename*=utf-8''%C3%BC.pdf")), None),
    (*multipart(PLAIN, attachment("filename*0*=utf-8''a%20; filename*1=b.pdf")), None),
    (*multipart(PLAIN, attachment("filename=x y.pdf")), "parameter form"),
    (*multipart(PLAIN, attachment("filename=\"=?utf-8?q?=C3=BC.pdf?=\"")), "parameter form"),
    (*multipart(PLAIN, attachment("filename=x.pdf; filename*=utf-8''y.exe")), "parameter form"),
    (*multipart(PLAIN, attachment("filename=x.exe.")), "parameter form"),
    (*multipart(PLAIN, attachment("filename=x.pdf").replace("attachment;", "unheard-of;")), "disposition"),
    (*multipart(PLAIN, PLAIN.replace("plain", "html"), kind="alternative"), None),
    (*multipart(PLAIN, "Content-Type: multipart/mixed; boundary=II\r\n\r\n--II\r\n" + PLAIN + "\r\n--II--\r\n"), None),
    (*multipart(PLAIN, "\r\nno header\r\n"), None),
    (*multipart(PLAIN, attachment("filename=x.pdf"), end=""), None),
    (*multipart(PLAIN, end="\r\n--BB--\r\nan epilogue\r\n"), None),
    (multipart(PLAIN)[0], "a preamble\r\n" + multipart(PLAIN)[1], None),
    (*multipart(PLAIN, parameter='"BB "'), "boundary form"),
    (*multipart(PLAIN, end="\r\n--BB--\r\n--BB\r\n" + attachment("filename=late.exe")), "part behind the end"),
    ("Content-Type: multipart/mixed", multipart(PLAIN)[1], "no boundary"),
    ("Content-Type: multipart/mixed; boundary=never", "text\r\n", "no boundary"),
    ("Content-Type: multipart/mixed; boundary=BB\r\nContent-Type: text/plain", multipart(PLAIN)[1], "two types"),
    ("Content-Type: text", "text\r\n", "bad type"),
    ("Content-Type: ;", "text\r\n", "bad type"),
    (*multipart(PLAIN, "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner\r\n"), None),
    (*multipart("\r\nSubject: inner\r\n\r\ninner\r\n", kind="digest"), None),
    (*multipart(PLAIN, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQp5\r\n"), "encoded message"),
    (*multipart(PLAIN, "Content-Type: message/partial; id=x; number=1\r\n\r\nhello\r\n"), None),
    (*multipart("odd part header\r\n" + PLAIN), "odd part"),
]

ALL_PYTHON = {(what, PYTHON) for what in ("fields", "subject", "from", "text", "files")}
BODY = {("text", PYTHON), ("files", PYTHON), ("files", DOVECOT)}
FROM = {("from", PYTHON), ("from", DOVECOT)}

# name: (points in which the class may show, reason)
CLASSES = {
    "split word": ({("subject", PYTHON)}, "RFC 2047 section 5 forbids a character or a quantum in two words; programs write them and readers join them, Python does not"),
    "glued word": ({("subject", PYTHON)}, "RFC 2047 section 5 wants blanks around a word and none in it; mail programs decode what they find"),
    "charset name": ({("subject", PYTHON), ("text", PYTHON)}, "names that senders use and Python has not: mail_charset's table of aliases"),
    "raw octets": ({("subject", PYTHON), ("from", PYTHON), ("fields", PYTHON)}, "octets above 127 in a field: UTF-8 (RFC 6532) or windows-1252 for us, U+FFFD for Python"),
    "blank before colon": (ALL_PYTHON, "RFC 5322 section 4.5.3 allows it, Dovecot and mail programs read it; Python ends the header there"),
    "second field": ({("from", DOVECOT), ("subject", PYTHON), ("from", PYTHON)}, "RFC 5322 section 3.6 allows one: rules see all, ENVELOPE has the last or first"),
    "group": (FROM, "RFC 5322 section 3.4: members count"),
    "address form": (FROM, "forms that the RFC forbids and people read: see rules.md, Addresses"),
    "no address": (FROM, "\"From: <>\", or an empty one: no mailbox for us; an empty one for Python, MISSING_MAILBOX for Dovecot"),
    "same boundary": (BODY, "a multipart within another, with the same boundary, which RFC 2046 section 5.1.2 forbids: we find all parts"),
    "windows-1252": ({("text", PYTHON)}, "ISO-8859-1 is read as windows-1252 (WHATWG's encoding standard, as every mail program does)"),
    "8bit without charset": ({("text", PYTHON)}, "UTF-8 when it is valid, else windows-1252; Python gives U+FFFD"),
    "broken base64": ({("text", PYTHON)}, "RFC 2045 section 6.8 leaves open what stands behind padding; mail programs go on"),
    "encoding name": ({("text", PYTHON)}, "a parameter or a comment (RFC 2045 section 6.1) behind the encoding's name does not count"),
    "parameter form": ({("files", PYTHON), ("files", DOVECOT)}, "we have every name that some program gives the attachment, without the dots that Windows leaves out"),
    "disposition": ({("files", PYTHON)}, "RFC 2183 section 2.8: what is not known is an attachment"),
    "boundary form": (BODY, "RFC 2046 section 5.1.1: blanks at the end are none of a boundary; Python and Dovecot find no part"),
    "part behind the end": (BODY, "some readers show it: a part for us, an epilogue (RFC 2046 section 5.1.1) for Python and Dovecot"),
    "no boundary": (BODY, "a multipart without parts is read as text, as some mail programs show it"),
    "two types": (BODY, "RFC 2045 allows one Content-Type: we read by both"),
    "bad type": (BODY, "RFC 2045 section 5.2: what cannot be parsed is text/plain"),
    "encoded message": (BODY, "RFC 2046 section 5.2.1 forbids it: an attachment for us, not looked into"),
    "odd part": (BODY, "an odd line in the header of a part, which is not mended: we go on behind it as Dovecot does, Python begins the text there"),
    "mutated": (BODY | FROM | ALL_PYTHON | {("subjects", DOVECOT)}, "lines that were lost, doubled or moved where parts begin"),
}

# Files of others and the classes that they show.
OTHERS = {
    "msg_05.txt": ["address form"],
    "msg_14.txt": ["bad type"],
    "msg_15.txt": ["same boundary"],
    "msg_17.txt": ["no boundary"],
    "msg_25.txt": ["no boundary"],
    "msg_31.txt": ["no boundary"],
    "msg_39.txt": ["same boundary"],
    "msg_41.txt": ["no boundary"],
    "msg_42.txt": ["no boundary"],
    "msg_43.txt": ["no address"],
    "bounce_01.txt": ["no address"],
    "simple_24.txt": ["no address"],
    "simple_25.txt": ["8bit without charset"],
    "simple_31.txt": ["no address"],
    "simple_35.txt": ["address form"],
    "simple_36.txt": ["address form"],
    "sina_01.txt": ["raw octets"],
}
