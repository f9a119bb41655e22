"""The language of values, as operators write it: one case for each thing that it can say, tried by tests beside the rules."""
import json
import pathlib
import subprocess
import tempfile

from harness import MAILWEIR

NIGHT = "2026-11-30T23:30:00Z"  # in Berlin the next day
MAPS = {"tenant": {"file": "tenants.csv"}, "by_domain": {"file": "tenants.csv", "by": "domain"}, "site": {"file": "sites.csv", "by": "network"},
        "inline": {"acme.example": "gold"}, "third": {"file": "tenants.csv", "column": 3}, "object": {"file": "map.json"}}
FILES = {"tenants.csv": '\ufeff# who pays\r\nacme.example,gold,one\r\n"b, c.example","va""l,ue",two\r\n.sub.example,silver,three\r\n  blank.example , bronze ,x\r\n',
         "sites.csv": "10.0.0.0/8,net\n10.1.0.0/16,near\n2001:db8::/32,six\n", "map.json": '{"acme.example": "object"}',
         "words.txt": "# words\nflaky\n", "patterns.txt": "^big\n\\d{3}$\n"}
LISTS = {"words": ["flaky"], "file": {"file": "words.txt"}, "patterns": ["^big", "never"], "filed": {"file": "patterns.txt"}, "numbers": ["5", "7.5"],
         "hours": ["07:59", "12:00"], "networks": ["127.0.0.0/8"]}
PDF = {"Content-Type": "multipart/mixed; boundary=b"}
PDF_BODY = ("--b\nContent-Type: text/plain\n\nhi\n--b\nContent-Type: application/pdf; name=a.pdf\nContent-Disposition: attachment\n\n" + ("x" * 70 + "\n") * 80
            + "--b\nContent-Type: text/csv; name=b.csv\nContent-Disposition: attachment\n\na,b\n--b--\n")
DSN = {"Content-Type": "multipart/report; report-type=delivery-status; boundary=b"}
DSN_BODY = "--b\n\nhi\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\nFinal-Recipient: rfc822; a@b\nStatus: 5.1.1\n--b--\n"
ARF = {"Content-Type": "multipart/report; report-type=feedback-report; boundary=b"}
TLSRPT = {"Content-Type": "multipart/report; report-type=tlsrpt; boundary=b"}
TWO = {"to": ["c@d.example", "x@y.example"]}


def of(value, **test):
    return {"of": value, **test}


# (condition, header fields, whether it holds, what else the test has)
CASES = [
    # a "not" over a pattern that hits
    ({"all": [{"header": "Subject", "matches": "^failed"}, {"not": {"header": "Subject", "matches": "(fla)(ky)"}}]}, {"Subject": "failed: flaky"}, False, {}),
    ({"all": [{"header": "Subject", "matches": "^failed"}, {"not": {"header": "Subject", "matches": "flaky"}}]}, {"Subject": "failed: web"}, True, {}),
    # a time without seconds is the whole minute
    ({"field": "time", "between": ["20:00", "07:59"]}, {}, True, {"now": "2026-11-23T07:59:59Z"}),
    ({"field": "time", "between": ["20:00", "07:59"]}, {}, False, {"now": "2026-11-23T08:00:00Z"}),
    ({"field": "time", "between": ["20:00", "07:59:00"]}, {}, False, {"now": "2026-11-23T07:59:01Z"}),
    ({"field": "time", "over": "07:59"}, {}, False, {"now": "2026-11-23T07:59:59Z"}),
    ({"field": "time", "at_most": "07:59"}, {}, True, {"now": "2026-11-23T07:59:59Z"}),
    ({"field": "time", "under": "07:59"}, {}, False, {"now": "2026-11-23T07:59:00Z"}),
    ({"field": "time", "in": {"list": "hours"}}, {}, True, {"now": "2026-11-23T07:59:59Z"}),
    (of("header.Date | date | time", at_most="07:59"), {"Date": "Mon, 23 Nov 2026 07:59:59 +0000"}, True, {}),
    # zones with daylight saving: the hour that is skipped, and the one that comes twice
    ({"field": "time", "zone": "Europe/Berlin", "is": "01:59:59"}, {}, True, {"now": "2026-03-29T00:59:59Z"}),
    ({"field": "time", "zone": "Europe/Berlin", "is": "03:00:00"}, {}, True, {"now": "2026-03-29T01:00:00Z"}),
    ({"field": "time", "zone": "Europe/Berlin", "is": "02:30:00"}, {}, True, {"now": "2026-10-25T00:30:00Z"}),
    ({"field": "time", "zone": "Europe/Berlin", "is": "02:30:00"}, {}, True, {"now": "2026-10-25T01:30:00Z"}),
    ({"field": "time", "zone": "America/New_York", "is": "03:00:00"}, {}, True, {"now": "2026-03-08T07:00:00Z"}),
    (of("date.hour | zone('Europe/Berlin')", **{"is": 3}), {}, True, {"now": "2026-10-25T02:30:00Z"}),
    (of("date.month | zone('Europe/Berlin')", **{"is": "12"}), {}, True, {"now": NIGHT}),
    (of("date | month | zone('Europe/Berlin')", **{"is": 12}), {}, True, {"now": NIGHT}),
    (of("date.month", **{"is": "11"}), {}, True, {"now": NIGHT}),
    (of("date.weekday | zone('Asia/Tokyo')", **{"is": "tue"}), {}, True, {"now": "2026-11-23T20:00:00Z"}),
    # maps
    (of("from.domain | lookup('tenant')", **{"is": "gold"}), {}, True, {"from": "a@ACME.example"}),
    (of("from.domain | lookup('inline')", **{"is": "gold"}), {}, True, {"from": "a@acme.example"}),
    (of("from.domain | lookup('object')", **{"is": "object"}), {}, True, {"from": "a@acme.example"}),
    (of("from.domain | lookup('third')", **{"is": "one"}), {}, True, {"from": "a@acme.example"}),
    (of("from.domain | lookup('tenant')", exists=False), {}, True, {"from": "a@other.example"}),
    (of("subject | lookup('tenant')", **{"is": 'va"l,ue'}), {"Subject": "b, c.example"}, True, {}),
    (of("subject | lookup('tenant')", **{"is": "bronze"}), {"Subject": "blank.example"}, True, {}),
    (of("from | lookup('by_domain')", **{"is": "silver"}), {}, True, {"from": "a@x.y.sub.example"}),
    (of("client | lookup('site')", **{"is": "near"}), {}, True, {"client": "10.1.2.3"}),
    (of("client | lookup('site')", **{"is": "net"}), {}, True, {"client": "10.2.2.3"}),
    (of("client | lookup('site')", **{"is": "six"}), {}, True, {"client": "2001:db8::1"}),
    # two values, numbers, dates, ages
    (of("header.From.address", **{"is": {"of": "from"}}), {"From": "A <A@B.example>"}, True, {}),
    ({"header": "Subject", "contains": {"of": "from.user"}}, {"Subject": "hi a!"}, True, {}),
    (of("header.A | number", over={"of": "header.B | number"}), {"A": "10", "B": "9"}, True, {}),
    (of("header.A | number", over={"of": "header.B | length"}), {"A": "3.5", "B": "abc"}, True, {}),
    (of("header.A | number", over={"of": "header.B | length"}), {"A": "3", "B": "abc"}, False, {}),
    (of("header.B | length", **{"is": {"of": "header.A | number"}}), {"A": "3.0", "B": "abc"}, True, {}),
    (of("header.X-Spam-Score | number", at_least=5), {"X-Spam-Score": " 5.0 "}, True, {}),
    (of("header.X-Spam-Score | number", at_least="5"), {"X-Spam-Score": "10"}, True, {}),
    (of("header.X-Spam-Score | number", at_least=5), {"X-Spam-Score": "many"}, False, {}),
    (of("header.X-Spam-Score | number", under=0), {"X-Spam-Score": "-1.5"}, True, {}),
    (of("header.Date | age", over="2d"), {"Date": "Fri, 20 Nov 2026 07:00:00 +0000"}, True, {"now": "2026-11-23T07:00:00Z"}),
    (of("header.Date | age", over="2d"), {"Date": "Sun, 22 Nov 2026 07:00:00 +0000"}, False, {"now": "2026-11-23T07:00:00Z"}),
    (of("header.Date | date", under="2026-11-21"), {"Date": "Fri, 20 Nov 2026 00:00:00 +0000"}, True, {}),
    (of("header.X-When | date", **{"is": "2026-11-20"}), {"X-When": "2026-11-20T05:00:00Z"}, True, {}),
    # functions on texts
    (of("subject | replace_pattern('[0-9]+', 'N')", **{"is": "aNbN"}), {"Subject": "a12b3"}, True, {}),
    (of("subject | split(',')[last]", **{"is": "c"}), {"Subject": "a, b,c"}, True, {}),
    (of("subject | split(',')[2]", **{"is": "b"}), {"Subject": "a, b,c"}, True, {}),
    (of("subject | split(',')[-2]", **{"is": "b"}), {"Subject": "a, b,c"}, True, {}),
    (of("subject | split(',') | count", **{"is": 3}), {"Subject": "a, b,c"}, True, {}),
    (of("subject | first", **{"is": "one"}), {"Subject": "one two"}, True, {}),
    (of("subject | last", **{"is": "two"}), {"Subject": "one two"}, True, {}),
    (of("subject | length", **{"is": 4}), {"Subject": "äöüß"}, True, {}),
    (of("subject | hash", matches="^[0-9a-f]{64}$"), {"Subject": "a"}, True, {}),
    (of("subject | hash(4)", under=4), {"Subject": "a"}, True, {}),
    (of("subject | hash(4)", over=3), {"Subject": "a"}, False, {}),
    (of("subject | replace('x', ' ') | trim", **{"is": "a"}), {"Subject": "xax"}, True, {}),
    # occurrences, addresses, recipients, attachments
    ({"every": {"of": "header.To.addresses", "ends_with": "@x.example"}}, {"To": "a@x.example, B <b@x.example>"}, True, {}),
    ({"every": {"of": "header.To.addresses", "ends_with": "@x.example"}}, {"To": "a@x.example, b@y.example"}, False, {}),
    ({"some": {"of": "header.To.addresses", "ends_with": "@x.example"}}, {"To": "a@x.example, b@y.example"}, True, {}),
    ({"none": {"of": "header.To.addresses", "ends_with": "@x.example"}}, {"To": "a@x.example, b@y.example"}, False, {}),
    (of("header.Received[first]", contains="one"), {"Received": ["one", "two"]}, True, {}),
    (of("header.Received[last]", contains="one"), {"Received": ["one", "two"]}, False, {}),
    (of("header.Received | count", **{"is": 2}), {"Received": ["one", "two"]}, True, {}),
    ({"every": {"of": "recipients", "ends_with": ".example"}}, {}, True, TWO),
    ({"every": {"of": "recipients", "ends_with": "@d.example"}}, {}, False, TWO),
    ({"none": {"of": "recipients", "is": "X@Y.example"}}, {}, False, TWO),
    ({"some": {"of": "recipients", "all": [of(".domain", **{"is": "y.example"}), of(".user", **{"is": "x"})]}}, {}, True, TWO),
    (of("recipients", over=1), {}, True, TWO),
    (of("recipients", **{"is": 2}), {}, True, TWO),
    (of("recipients", **{"is": "x@y.example"}), {}, True, TWO),
    (of("recipients", contains="@y."), {}, True, TWO),
    (of("recipients", **{"in": ["@y.example"]}), {}, True, TWO),
    (of("recipients | count", **{"is": 2}), {}, True, TWO),
    (of("recipients[last]", **{"is": "x@y.example"}), {}, True, TWO),
    (of("recipients.domain", **{"is": "y.example"}), {}, True, TWO),
    ({"field": "recipients", "at_least": 2}, {}, True, TWO),
    ({"every": {"of": "header.To.addresses", "is": {"of": "recipients"}}}, {"To": "c@d.example, X <x@y.example>"}, True, TWO),
    (of("attachments | count", **{"is": 2}), PDF, True, {"body": PDF_BODY}),
    ({"some": {"of": "attachments", "all": [of(".name", ends_with=".pdf"), of(".size", over="4KiB")]}}, PDF, True, {"body": PDF_BODY}),
    ({"some": {"of": "attachments", "all": [of(".name", ends_with=".csv"), of(".size", over="4KiB")]}}, PDF, False, {"body": PDF_BODY}),
    ({"some": {"of": "attachments", "all": [of(".type", **{"is": "text/csv"}), of(".name", exists=True)]}}, PDF, True, {"body": PDF_BODY}),
    (of("parts('text/csv').text", contains="a,b"), PDF, True, {"body": PDF_BODY}),
    (of("parts('message/delivery-status').text", contains="Status: 5.1.1"), DSN, True, {"body": DSN_BODY}),
    # lists for every operator
    ({"header": "Subject", "contains": {"list": "words"}}, {"Subject": "so flaky!"}, True, {}),
    ({"header": "Subject", "contains": {"file": "words.txt"}}, {"Subject": "so flaky!"}, True, {}),
    ({"header": "Subject", "starts_with": {"list": "file"}}, {"Subject": "flaky test"}, True, {}),
    ({"header": "Subject", "ends_with": {"list": "words"}}, {"Subject": "so Flaky"}, False, {}),
    ({"header": "Subject", "ends_with": {"list": "words"}, "ignore_case": True}, {"Subject": "so Flaky"}, True, {}),
    ({"header": "Subject", "is": {"list": "words"}}, {"Subject": "flaky"}, True, {}),
    ({"header": "Subject", "in": {"list": "words"}}, {"Subject": "flaky"}, True, {}),
    ({"header": "Subject", "matches": {"list": "patterns"}}, {"Subject": "big news"}, True, {}),
    ({"header": "Subject", "matches": {"list": "filed"}}, {"Subject": "error 404"}, True, {}),
    ({"header": "Subject", "matches": ["^q", "news$"]}, {"Subject": "big news"}, True, {}),
    ({"field": "client", "is": {"list": "networks"}}, {}, True, {}),
    (of("header.X | number", **{"is": {"list": "numbers"}}), {"X": "7.50"}, True, {}),
    (of("header.X | number", **{"in": "numbers"}), {"X": "6"}, False, {}),
    ({"field": "size", "in": [5, "2KiB"]}, {}, False, {}),
    # reports
    (of("report", **{"is": "dsn"}), DSN, True, {"body": DSN_BODY}),
    (of("report", **{"is": "arf"}), ARF, True, {"body": "--b\n\nx\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n--b--\n"}),
    (of("report", **{"is": "tlsrpt"}), TLSRPT, True, {"body": "--b\n\nx\n--b\nContent-Type: application/tlsrpt+gzip\n\nF\n--b--\n"}),
    (of("report", **{"is": "calendar"}), {"Content-Type": "text/calendar; method=REQUEST"}, True, {"body": "BEGIN:VCALENDAR\nEND:VCALENDAR\n"}),
    (of("report", **{"is": "auto_reply"}), {"Auto-Submitted": "auto-replied"}, True, {}),
    (of("report", **{"is": "dmarc"}), {"Subject": "Report Domain: example.net Submitter: mail.example Report-ID: <1>",
                                       "Content-Type": 'application/zip; name="mail.example!example.net!1!2.zip"'}, True, {"body": "PK\n"}),
    (of("report", exists=False), {"Subject": "hello"}, True, {}),
    # results of named hosts, from named clients only
    (of("auth.dmarc", **{"is": "pass"}), {"Authentication-Results": "mx.example.net; spf=fail; dmarc=pass header.from=x"}, True, {"client": "10.1.2.3"}),
    (of("auth.dmarc", **{"is": "pass"}), {"Authentication-Results": "mx.example.net; dmarc=pass"}, False, {"client": "10.2.2.3"}),
    (of("auth.dmarc", **{"is": "pass"}), {"Authentication-Results": "mx.example.org; dmarc=pass"}, False, {"client": "10.1.2.3"}),
]


def tried(file, files=FILES):
    """(exit status, what is said) of the tests in the file."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (pathlib.Path(folder) / name).write_text(text, newline="")
        path = pathlib.Path(folder) / "rules.json"
        path.write_text(file if isinstance(file, str) else json.dumps(file, indent=1))
        done = subprocess.run([MAILWEIR, "test", "--default", "corp:INBOX", path], capture_output=True, text=True, timeout=60)
        return done.returncode, (done.stdout + done.stderr).replace(folder + "/", "")


def case(number, headers, holds, more):
    return {"name": f"case {number}", "headers": headers, "from": "a@b.example", "to": "c@d.example", "expect": {"rules": [f"r{number}"] if holds else []}, **more}


def test_what_values_can_say(world):
    """Each case as the only rule, so that nothing of another one helps it."""
    shared = {"maps": MAPS, "lists": LISTS, "trusted_authserv": [{"name": "mx.example.net", "from_clients": ["10.1.0.0/16"]}]}
    for number, (condition, headers, holds, more) in enumerate(CASES):
        rules = [{"name": f"r{number}", "if": condition, "then": [{"fileinto": {"folder": "X"}}]}]
        status, said = tried({"rules": rules, **shared, "tests": [case(number, headers, holds, more)]})
        assert status == 0 and ": error:" not in said, (condition, headers, said)
        # Under "not" the other rule acts: no case holds by an accident of the first rule.
        rules[0]["if"] = {"not": condition}
        status, said = tried({"rules": rules, **shared, "tests": [case(number, headers, not holds, more)]})
        assert status == 0, ({"not": condition}, headers, said)


def test_where_it_files_by_values(world):
    """The same grammar in templates; the zone of the set; variables that are tested."""
    rules = [{"name": "severity", "if": {"header": "X-Critical", "exists": True}, "then": [{"set": {"severity": "critical"}}]},
             {"name": "duty", "if": {"of": "var.severity", "is": "critical"}, "then": [{"fileinto": {"folder": "Duty/${date.month}-${date.day | zone('UTC')}"}}, {"stop": True}]},
             {"name": "rest", "if": {"not": {"of": "var.severity", "is": "critical"}},
              "then": [{"fileinto": {"folder": "${from.domain | lookup('inline') | default('others')}/${header.From.domain}/${recipients | join('+')}"}}]}]
    tests = [{"name": "a variable", "headers": {"X-Critical": "1"}, "from": "a@b.example", "to": "c@d.example", "now": NIGHT,
              "expect": {"rules": ["severity", "duty"], "filed": ["corp:Duty/12-30"]}},
             {"name": "a map", "headers": {"From": "A <a@q.example>"}, "from": "a@acme.example", **TWO,
              "expect": {"rules": ["rest"], "filed": ["corp:gold/q.example/c@d.example+x@y.example"]}},
             {"name": "no key", "headers": {"From": "A <a@q.example>"}, "from": "a@b.example", "to": "c@d.example",
              "expect": {"filed": ["corp:others/q.example/c@d.example"]}}]
    status, said = tried({"zone": "Europe/Berlin", "maps": MAPS, "rules": rules, "tests": tests})
    assert status == 0 and "3 tests, 0 failed" in said, said


def test_groups_named_actions_and_days(world):
    """First match wins in a group, also behind a goto in it; actions have names; a rule has a last day in the set's zone."""
    rules = [{"name": "in", "then": [{"goto": "outer"}]}]
    groups = {"outer": {"match": "first", "default": [{"fileinto": {"folder": "Default"}}], "rules": [
        {"name": "a", "if": {"header": "Subject", "contains": "a"}, "then": [{"actions": "note"}, {"fileinto": {"folder": "A"}}]},
        {"name": "b", "if": {"header": "Subject", "contains": "b"}, "then": [{"actions": "note"}, {"goto": "inner"}]},
        {"name": "old", "until": "2026-12-31", "if": {"header": "Subject", "contains": "c"}, "then": [{"actions": "junk"}]},
        {"name": "off", "off": "broken since Monday", "then": [{"discard": True}]},
        {"name": "also off", "state": {"off": "as well"}, "then": [{"discard": True}]}]},
        "inner": {"match": "first", "rules": [
            {"name": "i1", "if": {"header": "Subject", "contains": "1"}, "then": [{"fileinto": {"folder": "I1/${noted}"}}]},
            {"name": "i2", "then": [{"fileinto": {"folder": "I2/${noted}"}}]}]}}
    actions = {"note": [{"set": {"noted": "${subject | first(2)}"}}], "junk": [{"fileinto": {"folder": "Junk"}}, {"stop": True}]}

    def one(name, subject, acted, filed, **more):
        return {"name": name, "headers": {"Subject": subject}, "from": "a@b.example", "to": "c@d.example", "expect": {"rules": acted, "filed": filed}, **more}
    tests = [one("the first wins", "ab", ["in", "a"], ["corp:A"]),
             one("a group in the group", "b1", ["in", "b", "i1"], ["corp:I1/b1"]),
             one("its other rule", "bx", ["in", "b", "i2"], ["corp:I2/bx"]),
             one("none of them", "x", ["in"], ["corp:Default"]),
             one("the last second of the last day", "c", ["in", "old"], ["corp:Junk"], now="2027-01-01T04:59:59Z"),
             one("the day after", "c", ["in"], ["corp:Default"], now="2027-01-01T05:00:00Z")]
    status, said = tried({"zone": "America/New_York", "rules": rules, "groups": groups, "actions": actions, "tests": tests})
    assert status == 0 and "6 tests, 0 failed" in said, said


def test_expectations_are_as_rules_write_targets(world):
    """A delivery is expected by the very object behind "fileinto", and each of its keys can fail."""
    target = {"upstream": "corp", "folder": "CI/web", "flags": ["\\Seen", "ci"], "date": "header",
              "else": [{"folder": "CI/other", "when": ["refused"]}, {"upstream": "b", "when": ["down>1h", "full>30m"]}]}
    rules = [{"name": "r", "then": [{"hold": True}, {"fileinto": target}, {"stop": True}]}]
    message = {"headers": {"Date": "Fri, 20 Nov 2026 00:00:00 +0000"}, "from": "a@b.example", "to": "c@d.example"}

    def said_of(filed, wanted=target):
        tests = [{"name": "t", **message, "expect": {"filed": filed}}]
        return tried({"rules": [{**rules[0], "then": [{"hold": True}, {"fileinto": wanted}, {"stop": True}]}], "tests": tests})
    for right in (target, [target], {**target, "held": True, "to": "c@d.example"}, {**target, "else": ["corp:CI/other", "b:CI/web"]}):
        assert said_of(right)[0] == 0, (right, said_of(right))
    for wrong in ({"folder": "CI"}, {"flags": ["ci"]}, {"date": "received"}, {"held": False}, {"to": "x@y.example"}, {"upstream": "b"}, {"else": []},
                  {"else": [{"folder": "CI/other", "when": "full"}, {"upstream": "b"}]}, {"else": ["b:CI/web"]}):
        status, said = said_of({**target, **wrong})
        assert status == 1 and "filed: expected" in said, (wrong, said)
    short = {"upstream": "corp", "folder": "X", "fallback": "b"}
    assert said_of(short, short)[0] == 0 and said_of({"folder": "X", "else": "b:X"}, short)[0] == 0 and said_of({**short, "fallback": "c"}, short)[0] == 1


ODD_COMMENTS = '''// at the very beginning
{ // behind a brace
 "rules" /* before the colon */ : /* and behind it */ [ // in a list
  { /**/ "name": "r//x", /* "then": */ "then": [ { "stop" : true /* e */ , } /* f */ , ] // g
  } , /* over
 two lines */ ] , "tests": [ { "name": "/* no comment */", "headers": {}, "from": "", "to": "a@b", "expect": { "rules": [ "r//x", ], }, }, ]
} /* at the end */ // and once more'''


def test_comments_and_commas(world):
    status, said = tried(ODD_COMMENTS)
    assert status == 0 and said == "1 test, 0 failed\n", said
    for wrong, place in (("{\"rules\": [,]}", "1:12"), ("{\"rules\": [{},,]}", "1:15"), ("{\"rules\": [] /* open", "1:"), ("# no\n{}", "1:1"),
                         ("/* a\n b */ {\"rules\":[ // c\n  {\"name\":\"r\", /* d */ \"iff\":1,\"then\":[{\"stop\":true}]}]}", "3:24")):
        status, said = tried(wrong)
        assert status == 1 and said.startswith(f"rules.json:{place}"), (wrong, said)


def test_maps_are_told_what_is_wrong_with_them(world):
    def said_of(text):
        return tried({"maps": {"m": {"file": "m.csv"}}, "rules": [{"name": "r", "if": {"of": "from | lookup('m')", "is": "x"}, "then": [{"stop": True}]}]}, {"m.csv": text})
    for text, what in (('a,"b\nc,d\n', "line 1 of the map: a quote is opened but never closed"), ("a,b\nA,c\n", 'line 2 of the map: "A" is in the map twice'),
                       ("a,b\n\n# c\nd\n", "line 4 of the map: too few columns")):
        status, said = said_of(text)
        assert status == 1 and what in said, (text, said)
    assert said_of('"a\nb","c\nd"\r\n\r\n#\r\ne,f')[0] == 0
