"""Rules that are only being written, over what the running gateway has decided last and what waits there."""
import json
import smtplib
import subprocess

from admin_client import Admin
from harness import MAILWEIR, message, wait
from test_admin import metric

RULE = {"name": "ci", "if": {"header": "Subject", "matches": "^failed: (?<p>\\w+)"},
        "then": [{"fileinto": {"upstream": "corp", "folder": "CI/${p}"}}, {"stop": True}]}
BODY = {"name": "secret", "if": {"field": "body", "contains": "the last word"},
        "then": [{"fileinto": {"upstream": "corp", "folder": "Secret"}}, {"stop": True}]}


def is_settled(gateway, count):
    """Whether so many are filed, and that is durable: the log is faster."""
    return len(gateway.events("filed")) == count and "waiting" not in gateway.run("queue", "summary", "--json")[1]


def text(*rules):
    return json.dumps({"rules": list(rules)})


def filing(rule, folder):
    return {**rule, "then": [{"fileinto": {"upstream": "corp", "folder": folder}}, {"stop": True}]}


def every(admin, rules, **more):
    """All pages; the rows by message, and how many were looked at."""
    rows, compared, after = [], 0, None
    while True:
        answer = admin.post("/api/v1/diff", {"rules": rules, "after": after, **more})
        assert answer.status == 200, answer.text
        found = answer.json
        assert found["compared"] == found["same"] + len(found["messages"]) <= more.get("limit", 100), found
        rows += found["messages"]
        compared += found["compared"]
        after = found["next"]
        if after is None:
            ids = [row["message"] for row in rows]
            assert len(ids) == len(set(ids)), ids
            return {row["message"]: row for row in rows}, compared


def test_settled_mail_is_compared(world):
    gateway = world.mailweir(world.dovecot(), [RULE, {"name": "no", "if": {"header": "X-Virus", "exists": True}, "then": [{"reject": "Not here"}]}]).start()
    admin = Admin(gateway)
    web = gateway.send(message("failed: web"), sender="ci@build.example")
    gateway.send(message("hello"))
    strange = gateway.send(message("failed: web =?utf-8?Q?=1B=5B31m_caf=C3=A9?="))
    with gateway.smtp() as client:
        try:
            client.sendmail("a@b.example", ["ops@example.net"], message("bad", extra="X-Virus: 1\r\n"))
        except smtplib.SMTPDataError:
            pass
    wait(lambda: is_settled(gateway, 3), "filed messages")
    rows, compared = every(admin, text(filing(RULE, "Builds")))
    assert compared == 4 and len(rows) == 3, rows
    row = rows[web]
    assert (row["old"], row["new"], row["from"], row["to"], row["subject"], row["verdict"], row["waiting"]) == (
        "corp:CI/web", "corp:Builds", "ci@build.example", ["ops@example.net"], "failed: web", "differs", False), row
    assert rows[strange]["subject"] == "failed: web  [31m café", rows
    refused = [row for row in rows.values() if row["subject"] == "bad"][0]
    assert refused["old"] == "550 5.7.1 Not here" and refused["new"] == "corp:INBOX", refused
    # The running rules differ in nothing from themselves; comparing is not counted as mail.
    same = json.loads((gateway.folder / "rules.json").read_text())
    assert every(admin, json.dumps(same)) == ({}, 4)
    assert sum(metric(admin, "mailweir_messages_total").values()) == 4
    assert metric(admin, "mailweir_recent_messages")[""] == 4 and metric(admin, "mailweir_recent_bytes")[""] > 500
    # A rule that looks at a body that nobody keeps is not guessed; what is decided before it is known.
    rows, _ = every(admin, text(filing(RULE, "Builds"), BODY))
    assert rows[web]["verdict"] == "differs", rows
    unknown = [row for row in rows.values() if row["subject"] == "hello"][0]
    assert unknown["verdict"] == "unknown" and unknown["why"] == "secret: the rule looks at the body, which is not kept", unknown
    gateway.stop()


def test_bodies_are_kept_where_the_rules_look_at_them(world):
    gateway = world.mailweir(world.dovecot(), [BODY]).start()
    admin = Admin(gateway)
    short = gateway.send(message("short", "this is the last word"))
    long = gateway.send(message("long", ("x" * 70 + "\r\n") * 2000 + "the last word"))
    wait(lambda: is_settled(gateway, 2), "filed messages")
    rows, _ = every(admin, text(filing(BODY, "Other")))
    assert rows[short]["old"] == "corp:Secret" and rows[short]["new"] == "corp:Other", rows
    assert rows[long]["verdict"] == "unknown", rows
    gateway.stop()


def test_waiting_mail_is_compared_once_with_its_body(world):
    gateway = world.mailweir(None)  # its upstream is down: everything waits
    gateway.configuration.setdefault("admin", {})["recent_messages"] = 3
    gateway.start()
    admin = Admin(gateway)
    sent = [gateway.send(message(f"m{n}", "x" * 100000 + " the last word" if n % 2 else "nothing")) for n in range(9)]
    for limit in (1, 4, 500):
        rows, compared = every(admin, text(BODY), limit=limit)
        assert compared == 9 and set(rows) == set(sent[1::2]), (limit, compared, rows)
        assert {row["waiting"] for row in rows.values()} == {True, False}, rows
    gateway.stop()
    # After a restart nothing is left in memory: what waits is there still.
    gateway.start()
    rows, compared = every(Admin(gateway), text(BODY), limit=4)
    assert compared == 9 and set(rows) == set(sent[1::2]) and all(row["waiting"] for row in rows.values()), rows
    gateway.stop()


def test_memory_is_bounded_and_can_be_off(world):
    gateway = world.mailweir(None, [BODY])
    gateway.configuration["admin"] = {"recent_messages": 1000, "recent_size": "64KiB"}
    gateway.start()
    admin = Admin(gateway)
    for n in range(20):
        gateway.send(message(f"m{n}", "y" * 8000))
    assert 0 < metric(admin, "mailweir_recent_bytes")[""] <= 65536
    assert 5 <= metric(admin, "mailweir_recent_messages")[""] <= 8
    gateway.send(message("header", extra="".join(f"X-{n}: {'z' * 900}\r\n" for n in range(80))))
    assert metric(admin, "mailweir_recent_too_long_total")[""] == 1
    gateway.stop()
    gateway.configuration["admin"] = {"recent_messages": 0}
    gateway.start()
    gateway.send(message("off"))
    assert metric(admin, "mailweir_recent_messages") == {}
    assert admin.post("/api/v1/diff", {"rules": text(RULE)}).json["recent"] == 0
    gateway.stop()


def test_bad_requests_are_told_with_their_place(world):
    gateway = world.mailweir(None, [RULE]).start()
    admin = Admin(gateway)
    wrong = admin.post("/api/v1/diff", {"rules": [{"name": "a.json", "text": text(RULE)}, {"name": "b.json", "text": '{"rules":\n [{"wenn": 1}]}'}]})
    assert wrong.status == 422 and ("b.json", 2) in [(one["file"], one["line"]) for one in wrong.json["problems"]], wrong.text
    for file in ("/etc/passwd", str(gateway.file)):
        rules = {"lists": {"l": {"file": file}}, "rules": [{"name": "l", "if": {"field": "from", "in": "l"}, "then": [{"reject": "l"}]}]}
        assert admin.post("/api/v1/diff", {"rules": json.dumps(rules)}).status == 422, file
    for broken in ({}, {"rules": 1}, {"rules": []}, {"rules": [1]}, {"rules": [{"name": "a"}]}, {"rules": [{"text": "{}"}]},
                   *({"rules": text(RULE), "limit": limit} for limit in (0, 501, -1, "x")),
                   *({"rules": text(RULE), "after": after} for after in (1, "", "recent", "recent.", "recent.1x", "waiting.-", "other.1",
                                                                         "recent.99999999999999999999999"))):
        answer = admin.post("/api/v1/diff", broken)
        assert answer.status == 400 and answer.json["error"]["code"] in broken.keys() | {"rules"}, (broken, answer.text)
    assert admin.ask("POST", "/api/v1/diff", text(RULE), {"Content-Type": "text/plain"}).status == 415
    gateway.stop()


def test_the_command(world):
    gateway = world.mailweir(world.dovecot(), [RULE]).start()
    web = gateway.send(message("failed: web"))
    gateway.send(message("hello"))
    folder = gateway.folder / "edited"
    folder.mkdir()
    (folder / "10.json").write_text(text(filing(RULE, "Builds")))

    def explain(*arguments):
        done = subprocess.run([MAILWEIR, "explain", "--config", gateway.file, *map(str, arguments)], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    for new in (folder, folder / "10.json"):
        status, out, err = explain("--diff", "--recent", new)
        assert status == 1 and err == "", (out, err)
        assert out.endswith("2 messages, 1 would go elsewhere\n") and f"{web} from <app@example.com>: failed: web\n  - corp:CI/web\n  + corp:Builds\n" in out, out
    status, out, err = explain("--diff", "--recent", "--json", folder)
    assert status == 1 and [json.loads(line)["message"] for line in out.splitlines()] == [web], (out, err)
    assert explain("--diff", "--recent", gateway.folder / "rules.json")[:2] == (0, "2 messages, 0 would go elsewhere\n")
    (folder / "20.json").write_text('{"rules": [{"wenn": 1}]}')
    status, out, err = explain("--diff", "--recent", folder)
    assert status != 0 and f"{folder}/20.json:1:" in err and "wenn" in err, (status, out, err)
    status, _, err = explain("--diff", "--recent", gateway.file)
    assert status == 1 and "this is a configuration: name the rule files" in err, err
    assert explain("--recent", folder)[0] == 64 and explain("--diff", "--recent")[0] == 64
    gateway.stop()
    status, _, err = explain("--diff", "--recent", folder / "10.json")
    assert status == 69 and "no gateway answers" in err, (status, err)
