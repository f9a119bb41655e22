"""The admin server: probes, metrics, status, live streams, the commands that use it, and who may not."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess

from admin_client import Admin
from harness import MAILWEIR, ROOT, Process, Skip, free_port, message, wait

TOKEN = "a token that nobody guesses"
JSON = {"Content-Type": "application/json"}


def metric(admin, name):
    """The values of a metric by its labels as written."""
    found = {}
    for line in admin.get("/metrics").text.splitlines():
        if line.startswith(name) and line[len(name)] in "{ ":
            labels, value = line[len(name):].rsplit(" ", 1)
            found[labels] = float(value)
    return found


def test_probes(world):
    gateway = world.mailweir(None).start()
    admin = Admin(gateway)
    assert admin.get("/livez").json == {"live": True}
    ready = admin.get("/readyz")
    assert ready.status == 200 and ready.json["ready"], ready.text
    assert ready.json["checks"]["listeners"] == {"good": True, "reason": "1 of 1 open"}
    status, out, _ = gateway.run("health")
    assert (status, out) == (0, "ready\n")
    status, out, _ = gateway.run("health", "--json")
    assert status == 0 and json.loads(out)["checks"]["listeners"]["reason"] == "1 of 1 open", (status, out)
    gateway.stop()
    assert gateway.run("health", "--json")[:2] == (1, "")
    status, _, err = gateway.run("health")
    assert status == 1 and "no gateway answers" in err, (status, err)


def test_health_asks_the_gateway_and_not_the_file(world):
    """A slip in an edited file does not have a gateway restarted that runs well; and the answer is 0 or 1, as container platforms know it."""
    gateway = world.mailweir(None).start()
    socket = f"unix:{gateway.folder}/spool/admin.sock"

    def health(*arguments, **variables):
        done = subprocess.run([MAILWEIR, "health", *arguments], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "MAILWEIR_CONFIG": str(gateway.file), **variables})
        return done.returncode, done.stdout + done.stderr

    gateway.file.write_text(gateway.file.read_text().replace('"rules"', '"rulez"'))
    assert health() == (0, "ready\n")
    gateway.file.write_text('{"listeners": [')
    assert health("--address", socket) == (0, "ready\n")
    assert health("--live", MAILWEIR_ADMIN=socket) == (0, "live\n")
    status, said = health()
    assert status == 1 and "/var/lib/mailweir/admin.sock" in said, (status, said)
    assert health("--address", "no address")[0] == 1
    gateway.stop()
    assert health("--address", socket)[0] == 1


def test_not_ready_without_disk_space(world):
    gateway = world.mailweir(None)
    gateway.configuration["spool"]["minimum_free"] = "900000GiB"
    gateway.start()
    answer = Admin(gateway).get("/readyz")
    assert answer.status == 503 and not answer.json["checks"]["spool"]["good"], answer.text
    assert Admin(gateway).get("/livez").status == 200
    status, _, err = gateway.run("health")
    assert status == 1 and "not ready: spool: " in err, (status, err)
    status, out, _ = gateway.run("health", "--json")
    told = json.loads(out)
    assert status == 1 and not told["ready"] and not told["checks"]["spool"]["good"], (status, out)
    status, out, _ = gateway.run("status")
    assert status == 1 and "does not take mail" in out, (status, out)
    gateway.stop()


def test_metrics_count_what_happens(world):
    dovecot = world.dovecot()
    rule = {"name": "say \"hi\"", "if": {"header": "Subject", "matches": "hi"},
            "then": [{"fileinto": {"upstream": "corp", "folder": "Hi"}}, {"stop": True}]}
    gateway = world.mailweir(dovecot, [rule]).start()
    admin = Admin(gateway)
    for subject in ("hi", "hi", "other"):
        gateway.send(message(subject))
    wait(lambda: metric(admin, "mailweir_deliveries_total")['{upstream="corp",outcome="filed"}'] == 3, "three filed")
    assert metric(admin, "mailweir_messages_total")['{reply="accepted"}'] == 3
    assert metric(admin, "mailweir_rule_messages_total")['{rule="say \\"hi\\""}'] == 2
    assert metric(admin, "mailweir_decisions_total")['{action="filed"}'] == 3
    assert metric(admin, "mailweir_append_duration_seconds_count")['{upstream="corp"}'] == 3
    wait(lambda: metric(admin, "mailweir_queue_deliveries")['{state="waiting"}'] == 0, "empty queue")
    assert metric(admin, "mailweir_config_last_reload_successful")[""] == 1
    assert metric(admin, "mailweir_delivered_bytes_total")['{upstream="corp"}'] > 300
    text = admin.get("/metrics").text
    assert "example.com" not in text, "an address in a label"
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert lint.returncode == 0 and lint.stdout + lint.stderr == "", lint
    gateway.stop()


def one_of(admin, name):
    """One sample by its full name; None when there is none."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", admin.get("/metrics").text, re.M)
    return float(found[1]) if found else None


def test_metrics_of_expiry_connections_and_age(world):
    """What will need somebody soon: certificates, pauses, mail that grows old; and how the connections are used."""
    gateway = world.mailweir(world.dovecot())
    certificate, key = world.certificates.make("soon", days=3)
    gateway.configuration["listeners"][0]["tls"] = {"mode": "starttls", "certificate": str(certificate), "key": str(key)}
    gateway.configuration["upstreams"]["down"] = {**gateway.upstream, "address": "127.0.0.1:1"}
    gateway.rules.append({"name": "down", "if": {"header": "Subject", "matches": "^down"},
                          "then": [{"fileinto": {"upstream": "down", "folder": "INBOX"}}, {"stop": True}]})
    gateway.start()
    admin = Admin(gateway)
    gateway.send(message("hello"))
    wait(lambda: gateway.events("filed"), "filed message")
    days = one_of(admin, 'mailweir_listener_certificate_expiry_seconds{listener="apps"}') / 86400
    assert 2.9 < days <= 3, days
    assert 20 < one_of(admin, 'mailweir_upstream_certificate_expiry_seconds{upstream="corp",of="server"}') / 86400 < 31
    assert sum(one_of(admin, f'mailweir_upstream_connections{{upstream="corp",state="{state}"}}') for state in ("connecting", "idle", "busy")) >= 1
    assert one_of(admin, "mailweir_spool_commit_duration_seconds_count") >= 1
    gateway.send(message("down"))
    wait(lambda: one_of(admin, 'mailweir_upstream_next_try_seconds{upstream="down"}') > 0, "pause of the upstream that is down")
    gateway.stop()
    gateway.start()
    assert one_of(admin, 'mailweir_upstream_queue_deliveries{upstream="down",state="waiting"}') == 1
    assert 0 < one_of(admin, 'mailweir_upstream_queue_oldest_age_seconds{upstream="down"}') < 300
    assert admin.post("/api/v1/reload").status == 200
    assert one_of(admin, "mailweir_config_last_reload_duration_seconds") >= 0
    upstream = admin.get("/api/v1/status").json["upstreams"][0]
    assert {"token_seconds", "certificate_seconds", "connections_busy"} <= set(upstream) and upstream["token_seconds"] is None, upstream
    gateway.stop()


def test_status(world):
    gateway = world.mailweir(None).start()
    gateway.send(message())
    wait(lambda: Admin(gateway).get("/api/v1/status").json["upstreams"][0]["state"] == "failing", "failure")
    status, out, _ = gateway.run("status", "--json")
    state = json.loads(out)
    assert status == 0 and state["hostname"] == "gw.example.net" and state["queue"]["waiting"] == 1, state
    upstream = state["upstreams"][0]
    assert upstream["name"] == "corp" and upstream["last_error"]["code"] == "econnrefused", upstream
    status, out, _ = gateway.run("status")
    assert status == 0 and "1 waiting" in out and "refused" in out and "\x1b" not in out, out
    assert upstream["since"] and upstream["paused_by"] is None, upstream
    one, = state["attention"]
    assert (one["about"], one["severity"], one["command"]) == ("upstream corp failing", "trouble", "mailweir upstreams corp"), one
    assert '"corp" takes no mail' in one["text"] and one["since"], one
    assert ": takes mail, with problems, up" in out.splitlines()[0], out
    assert '"corp" takes no mail' in out and "corp (127.0.0.1): failing" in out and one["command"] in out, out
    gateway.stop()


def test_an_operators_pause_is_seen(world):
    """Who paused, and since when, wherever somebody looks; also after a restart; and what a resume cannot change is said."""
    gateway = world.mailweir(world.dovecot()).start()
    admin = Admin(gateway)

    def corp():
        return admin.get("/api/v1/status").json["upstreams"][0]

    def metric(state):
        return f'mailweir_upstream_state{{upstream="corp",state="{state}"}} 1' in admin.get("/metrics").text

    assert corp()["state"] == "open" and metric("open") and admin.get("/api/v1/status").json["attention"] == []
    assert gateway.run("queue", "resume", "corp")[:2] == (0, "corp was not paused; nothing has changed\n")
    assert gateway.run("queue", "resume")[:2] == (0, "no upstream was paused; nothing has changed\n")
    assert gateway.run("queue", "pause", "corp")[0] == 0
    seen = corp()
    by = seen["paused_by"]
    assert f"corp is paused already by {by}, since 20" in gateway.run("queue", "pause", "corp")[1]
    assert seen["state"] == "paused" and by and seen["since"] and metric("paused") and not metric("open"), seen
    waiting = gateway.send(message("waits"))
    shown = gateway.run("status")[1]
    assert f"the upstream is paused by {by}: nothing is tried until \"mailweir queue resume corp\"" in gateway.run("why", waiting)[1]
    assert "corp (127.0.0.1): paused for " in shown and f"paused by {by}: nothing is delivered" in shown and "mailweir queue resume corp" in shown, shown
    assert f"paused: corp, by {by}, " in gateway.run("queue", "summary")[1]
    wait(lambda: [event for event in gateway.events("attention") if event["about"] == "upstream corp paused"], "a line about it")
    gateway.stop()
    gateway.start()
    assert (corp()["state"], corp()["paused_by"], corp()["since"]) == ("paused", by, seen["since"]), corp()
    wait(lambda: [event for event in gateway.events("attention") if event["about"] == "upstream corp paused"], "a line after the restart")
    # Paused as a whole: the end of one pause is no end, and is refused.
    assert gateway.run("queue", "pause")[0] == 0
    status, _, err = gateway.run("queue", "resume", "corp")
    assert status != 0 and f"all upstreams are paused by {by}" in err, (status, err)
    assert corp()["state"] == "paused" and "all upstreams are paused" in gateway.run("status")[1]
    assert gateway.run("queue", "resume")[0] == 0
    wait(lambda: gateway.events("filed"), "the filed message")
    assert corp()["state"] == "open" and admin.get("/api/v1/status").json["attention"] == []
    wait(lambda: gateway.events("attention_over"), "a line about the end")
    gateway.stop()


def test_held_mail_is_not_the_oldest_waiting(world):
    """One message in quarantine must not fire the alert about old mail for ever."""
    gateway = world.mailweir(None).start()
    admin = Admin(gateway)
    ident = gateway.send(message())
    wait(lambda: "oldest_ms" in admin.get("/api/v1/queue").json["summary"]["upstreams"]["corp"], "an oldest one")
    wait(lambda: gateway.run("queue", "hold", f"{ident}.1")[1].startswith("1 "), "a hold between two attempts")
    summary = admin.get("/api/v1/queue").json["summary"]["upstreams"]["corp"]
    assert summary == {"held": 1}, summary
    assert "mailweir_upstream_queue_oldest_age_seconds{" not in admin.get("/metrics").text
    gateway.stop()


def test_reload_takes_all_or_nothing(world):
    gateway = world.mailweir(None).start()
    admin = Admin(gateway)
    gateway.rules.append({"name": "r", "then": [{"stop": True}]})
    status, out, err = gateway.run("reload")
    assert status == 0 and "1 rules" in out, (status, out, err)
    gateway.rules.append({"name": "bad", "wenn": {}})
    status, _, err = gateway.run("reload")
    assert status == 1 and "wrong" in err, (status, err)
    assert metric(admin, "mailweir_config_last_reload_successful")[""] == 0
    assert metric(admin, "mailweir_config_reload_failures_total")[""] >= 1  # the files may have asked, too
    assert admin.get("/api/v1/status").json["rules"]["count"] == 1
    gateway.stop()


def test_log_levels_change_at_run_time(world):
    gateway = world.mailweir(None).start()
    admin = Admin(gateway)
    assert admin.get("/api/v1/log").json["levels"]["smtp"] == "info"
    gateway.send(message())
    assert admin.post("/api/v1/log", {"area": "smtp", "level": "error"}).json["levels"]["smtp"] == "error"
    accepted = len(gateway.events("accepted"))
    gateway.send(message())
    assert len(gateway.events("accepted")) == accepted == 1
    assert admin.post("/api/v1/log", {"area": "smpt", "level": "info"}).status == 404
    assert admin.post("/api/v1/log", {"level": "loud"}).status == 400
    assert set(admin.post("/api/v1/log", {"level": "info"}).json["levels"].values()) == {"info"}
    assert gateway.events("accepted")[0]["log.logger"] == "smtp"
    gateway.stop()


def test_live_stream(world):
    gateway = world.mailweir(None).start()
    gateway.send(message("before"))
    seen, sent = {}, False
    for name, value in Admin(gateway).events():
        seen.setdefault(name, []).append(value)
        if name == "state" and not sent:
            gateway.send(message("while"))
            sent = True
        if sent and sum(line["event.action"] == "accepted" for line in seen["log"]) == 2 and len(seen["state"]) > 2:
            break
    assert seen["history"][0]["columns"][0] == "accepted"
    assert seen["state"][-1]["messages"]["accepted"] == 2
    gateway.stop()


def test_live_stream_of_a_flood(world):
    """More log lines than a stream gets at a time: each is sent, or counted as left out."""
    gateway = world.mailweir(None)
    gateway.configuration["listeners"][0]["max_transactions"] = 100000
    gateway.start()
    events = Admin(gateway).events()
    told = 0
    for name, _ in events:
        if name == "state":
            break
        told += name == "log"
    before, count, sent, skipped, flooded = written(gateway) - told, 2000, 0, 0, None  # of the lines written before the stream could be open
    flood = None
    for name, value in events:
        told += name == "log"
        skipped += value["lines"] if name == "skipped" else 0
        if name == "state" and value["messages"]["accepted"] == sent and (flood is None or flood.poll() is not None):
            if skipped == 0 and sent < 5 * count:  # on a busy machine a flood may be slow enough to be told whole, and the next one, too
                flood = subprocess.Popen(["smtp-source", "-s", "10", "-m", str(count), "-f", "a@example.com", "-t", "b@example.com",
                                          f"127.0.0.1:{gateway.port}"])
                sent += count
            elif flooded is None:
                flooded = written(gateway)  # attempts to deliver are told all the time
        if flooded is not None and before + told + skipped >= flooded:
            break
    assert before + told + skipped <= written(gateway)
    assert flood.wait(60) == 0
    gateway.stop()


def written(gateway):
    return len(gateway.log.read_text().splitlines())


def test_streams_end_with_the_gateway_and_are_limited(world):
    gateway = world.mailweir(None)
    gateway.configuration["admin"] = {"max_streams": 2}
    gateway.start()
    streams = [Admin(gateway).events() for _ in range(2)]
    for stream in streams:
        next(stream)
    assert Admin(gateway).get("/api/v1/events").status == 503
    gateway.stop()


def test_foreign_requests_get_nothing(world):
    gateway = world.mailweir(None).start()
    admin = Admin(gateway)
    cases = [
        ("GET", "/api/v1/status", {"Host": "rebound.example"}, 403),
        ("GET", "/api/v1/status", {"Origin": "https://evil.example"}, 403),
        ("GET", "/api/v1/status", {"Origin": "null"}, 403),
        ("GET", "/api/v1/status", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", "/api/v1/status", {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 200),
        ("POST", "/api/v1/reload", {}, 415),
        ("POST", "/api/v1/reload", {"Content-Type": "text/plain"}, 415),
        ("POST", "/api/v1/reload", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("POST", "/api/v1/reload", {**JSON, "Origin": "https://evil.example"}, 403),
        ("POST", "/api/v1/reload", {"Content-Type": "application/json; charset=utf-8"}, 200),
        ("GET", "/api/v1/reload", {}, 405),
        ("DELETE", "/metrics", {}, 405),
        ("GET", "/nothing", {}, 404),
        ("GET", "/api/v1/../../etc/passwd", {}, 404),
        ("HEAD", "/livez", {}, 200),
    ]
    for method, path, headers, status in cases:
        answer = admin.ask(method, path, None, headers)
        assert answer.status == status, (method, path, headers, answer.status, answer.text)
        assert "Access-Control-Allow-Origin" not in answer.headers and "Set-Cookie" not in answer.headers
    assert admin.ask("POST", "/api/v1/reload", b"x" * 100000, JSON).status == 413
    assert admin.ask("POST", "/api/v1/log", b"{", JSON).status == 400
    assert admin.ask("POST", "/api/v1/log", b"[]", JSON).status == 400
    assert metric(admin, "mailweir_admin_refused_total")[""] >= 10
    gateway.stop()


def tcp(port, token=None, path="/api/v1/status", headers=()):
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{port}{path}"]
    for header in (*headers, *([f"Authorization: Bearer {token}"] if token else [])):
        command += ["-H", header]
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout


def test_tcp_needs_the_token(world):
    gateway = world.mailweir(None)
    port = free_port()
    gateway.configuration["admin"] = {"address": f"127.0.0.1:{port}", "token": TOKEN}
    gateway.start()
    assert tcp(port) == "401" and tcp(port, "a token that nobody guessed") == "401" and tcp(port, TOKEN[:-1]) == "401"
    assert tcp(port, TOKEN) == "200" and tcp(port, TOKEN, "/metrics") == "200" and tcp(port, None, "/metrics") == "401"
    assert tcp(port, None, "/livez") == "200" and tcp(port, None, "/readyz") == "200"
    assert tcp(port, TOKEN, headers=["Host: gateway.example"]) == "200", "behind a proxy"
    status, out, _ = gateway.run("status")
    assert status == 0 and "takes mail" in out
    wrong = gateway.folder / "wrong.json"  # a file of its own: the gateway takes a new token from the one it watches
    admin = {**gateway.configuration["admin"], "token": "another token, which is wrong"}
    wrong.write_text(json.dumps({**gateway.configuration, "admin": admin}))
    done = subprocess.run([MAILWEIR, "status", "--config", str(wrong)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 77 and "token" in done.stderr, (done.returncode, done.stderr)
    gateway.stop()


def test_open_doors_are_refused(world):
    gateway = world.mailweir(None)
    cases = [
        ({"address": "127.0.0.1:1"}, "token"),
        ({"address": "127.0.0.1:1", "token": "short"}, "16 characters"),
        ({"address": "0.0.0.0:1", "token": TOKEN}, "behind_tls_proxy"),
        ({"address": "unix:/" + "x" * 200}, "unix"),
        ({"adress": "unix:/x"}, "address"),
    ]
    for admin, said in cases:
        gateway.configuration["admin"] = admin
        status, _, err = gateway.run("check")
        assert status == 78 and said in err, (admin, err)
    gateway.configuration["admin"] = {"address": "0.0.0.0:1", "token": TOKEN, "behind_tls_proxy": True}
    assert gateway.run("check")[0] == 0


def test_a_socket_in_use_is_named(world):
    gateway = world.mailweir(None)
    path = str(gateway.folder / "taken.sock")
    with socket.socket(socket.AF_UNIX) as holder:
        holder.bind(path)
        holder.listen()
        gateway.configuration["admin"] = {"address": "unix:" + path}
        status, _, err = gateway.run("run")
    assert status == 69 and path in err and "in use" in err, (status, err)


def test_without_admin_mail_still_flows(world):
    gateway = world.mailweir(None)
    gateway.configuration["admin"] = {"enabled": False}
    gateway.start()
    gateway.send(message())
    status, _, err = gateway.run("status")
    assert status != 0 and "switched off" in err, (status, err)
    gateway.stop()


def test_usage_of_commands(world):
    for command in ("status", "health", "reload"):
        for arguments, status in ((["--help"], 0), (["extra"], 64), (["--nonsense"], 64)):
            done = subprocess.run([MAILWEIR, command, *arguments], capture_output=True, text=True, timeout=30)
            assert done.returncode == status, (command, arguments, done)


def deliveries(admin, **query):
    words = "&".join(f"{name}={value}" for name, value in query.items())
    answer = admin.get("/api/v1/queue?" + words)
    assert answer.status == 200, answer.text
    return answer.json["deliveries"]


def test_queue_by_hand(world):
    gateway = world.mailweir(None).start()
    admin = Admin(gateway)
    ids = [gateway.send(message(f"number {n}")) for n in range(3)]
    wait(lambda: len(deliveries(admin, state="waiting")) == 3, "three waiting")
    first = deliveries(admin)[0]
    assert first["message"] == ids[0] and first["upstream"] == "corp" and first["to"] == ["ops@example.net"], first
    assert admin.get("/api/v1/queue").json["summary"]["upstreams"]["corp"]["waiting"] == 3
    one = {"select": {"id": first["id"]}}
    wait(lambda: admin.post("/api/v1/queue", {"verb": "hold", **one}).json["changed"] == 1, "a hold between two attempts")
    assert [row["id"] for row in deliveries(admin, state="held")] == [first["id"]]
    assert admin.post("/api/v1/queue", {"verb": "release", **one}).json["changed"] == 1
    assert admin.post("/api/v1/queue", {"verb": "retry", "select": {"upstream": "corp"}}).status == 200
    wait(lambda: admin.post("/api/v1/queue", {"verb": "drop", **one}).json["changed"] == 1, "a drop between two attempts")
    assert len(deliveries(admin, state="dropped")) == 1 and len(deliveries(admin, limit=1)) == 1
    for verb, select, status in (("burn", {"id": "x"}, 400), ("drop", {}, 400), ("drop", None, 400), ("drop", {"nonsense": "x"}, 400)):
        assert admin.post("/api/v1/queue", {"verb": verb, "select": select}).status == status, (verb, select)
    assert admin.get("/api/v1/queue?state=nonsense").status == 400
    gateway.stop()


def test_pages_of_the_queue(world):
    """A long list comes in pages that follow each other, also while what was given goes away; rerouting does too."""
    gateway = world.mailweir(None, [RULE]).start()
    admin = Admin(gateway)
    assert admin.post("/api/v1/queue", {"verb": "pause"}).json["changed"] == 1
    ids = [gateway.send(message(f"number {n}")) for n in range(5)]
    seen, after = [], ""
    while after is not None:
        page = admin.get(f"/api/v1/queue?limit=2&after={after}").json
        assert len(page["deliveries"]) <= 2, page
        seen += [row["message"] for row in page["deliveries"]]
        admin.post("/api/v1/queue", {"verb": "hold", "select": {"id": page["deliveries"][0]["id"]}})
        after = page["next"]
    assert seen == ids, (seen, ids)
    gateway.rules[0]["if"]["matches"] = "^number [13] ?(?<p>)"
    gateway.rules[0]["then"][0]["fileinto"]["folder"] = "Odd"
    gateway.write()
    assert admin.post("/api/v1/reload").status == 200
    ask = {"verb": "reroute", "select": {}, "all": True, "limit": 2, "by": "a test"}

    def dry_run():
        """What is just being given back by the paused upstream is left alone at first."""
        dry = admin.post("/api/v1/queue", {**ask, "dry_run": True}).json
        return (dry["moved"], dry["same"], len(dry["messages"])) == (1, 1, 2) and dry["next"]

    wait(dry_run, "two messages, of which one would move")
    assert {row["folder"] for row in deliveries(admin)} == {"INBOX"}
    moved = []

    def reroute():
        after = ""
        while after is not None:
            page = admin.post("/api/v1/queue", {**ask, "after": after}).json
            moved.extend(row["message"] for row in page["messages"] if row["verdict"] == "moves")
            after = page["next"]
        return len(deliveries(admin, folder="Odd")) == 2

    wait(reroute, "two rerouted messages")
    assert set(moved) == {ids[1], ids[3]}, moved
    odd = deliveries(admin, folder="Odd")
    assert {row["message"] for row in odd} == {ids[1], ids[3]}, (odd, ids, deliveries(admin))
    for wrong in ({"after": "x"}, {"after": "1"}):
        assert admin.post("/api/v1/queue", {**ask, **wrong}).status == 400, wrong
    assert admin.get("/api/v1/queue?after=x").status == 400
    gateway.stop()


def test_why_and_the_message_itself(world):
    gateway = world.mailweir(world.dovecot()).start()
    admin = Admin(gateway)
    octets = message("why", number=7)
    identity = gateway.send(octets)
    def story_told():
        found = admin.get("/api/v1/why?id=" + identity).json["messages"]
        return found if found and found[0]["deliveries"][0]["state"] == "filed" else None

    story, = wait(story_told, "filed message")  # the log is faster than what must be durable
    assert story["id"] == identity, story
    uid = story["deliveries"][0]["uid"]
    assert admin.get(f"/api/v1/why?upstream=corp&folder=INBOX&uid={uid}").json["messages"][0]["id"] == identity
    assert admin.get("/api/v1/why?id=nonsense").json == {"messages": []}
    assert admin.get("/api/v1/why").status == 400
    assert admin.get("/api/v1/messages/nonsense").status == 404
    gateway.stop()
    other = world.mailweir(None, name="other").start()
    waiting = other.send(octets)
    answer = Admin(other).get("/api/v1/messages/" + waiting)
    assert answer.octets == octets and answer.headers["Content-Type"] == "application/octet-stream", answer.text
    other.stop()


def test_pause_and_resume(world):
    gateway = world.mailweir(world.dovecot()).start()
    admin = Admin(gateway)
    assert admin.post("/api/v1/upstreams/corp/pause").status == 200
    assert admin.get("/api/v1/queue").json["summary"]["paused"] == ["corp"]
    gateway.send(message())
    wait(lambda: deliveries(admin, state="waiting"), "waiting message")
    assert not gateway.events("filed")
    assert admin.post("/api/v1/upstreams/corp/resume").status == 200
    wait(lambda: gateway.events("filed"), "filed message")
    assert admin.post("/api/v1/upstreams/nonsense/pause").status == 404
    nothing = admin.post("/api/v1/upstreams/corp/resume")
    assert nothing.status == 200 and (nothing.json["changed"], nothing.json["note"]) == (0, "corp was not paused; nothing has changed"), nothing.json
    gateway.stop()
    assert gateway.run("queue", "resume", "corp")[:2] == (0, "corp was not paused; nothing has changed\n")


RULE = {"name": "ci", "if": {"header": "Subject", "matches": "^failed: (?<p>\\w+)"},
        "then": [{"fileinto": {"upstream": "corp", "folder": "CI/${p}"}}, {"stop": True}]}


def test_rules_and_ways(world):
    gateway = world.mailweir(None, [RULE, {**RULE, "name": "never", "if": {"header": "X-No", "matches": "(?<p>.)"}}]).start()
    admin = Admin(gateway)
    gateway.send(message("failed: web"))
    ci, never = admin.get("/api/v1/rules").json["rules"]
    assert (ci["name"], ci["hits"], never["name"], never["hits"], never["last"]) == ("ci", 1, "never", 0, None), (ci, never)
    assert ci["file"].endswith("rules.json") and ci["line"] > 1
    assert ci["sampled"] == 1 and ci["errors"] == 0 and ci["last_error"] is None, ci
    assert one_of(admin, 'mailweir_rule_sampled_tries_total{rule="ci"}') == 1 and one_of(admin, 'mailweir_rule_sampled_seconds_total{rule="ci"}') < 5
    way = admin.get("/api/v1/flows").json["flows"][0]
    assert (way["listener"], way["rule"], way["upstream"], way["folder"], way["count"]) == ("apps", "ci", "corp", "CI/web", 1), way
    gateway.stop()


def test_explain(world):
    gateway = world.mailweir(None, [RULE]).start()
    admin = Admin(gateway)
    ask = {"from": "a@b.example", "to": ["ops@example.net"], "message": "Subject: failed: web\n\nbody\n"}
    found = admin.post("/api/v1/explain", ask).json
    assert found["decision"]["deliveries"][0]["folder"] == "CI/web", found
    assert found["recipients"][0]["rules"][0]["rule"] == "ci", found
    edited = json.dumps({"rules": [{**RULE, "then": [{"fileinto": {"upstream": "corp", "folder": "Edited"}}]}]})
    found = admin.post("/api/v1/explain", {**ask, "rules": edited}).json
    assert found["decision"]["deliveries"][0]["folder"] == "Edited", found
    wrong = admin.post("/api/v1/explain", {**ask, "rules": '{"rules": [{"wenn": 1}]}'})
    assert wrong.status == 422 and any("wenn" in one["text"] for one in wrong.json["problems"]), wrong.text
    assert admin.post("/api/v1/explain", {**ask, "message_base64": "U3ViamVjdDogZmFpbGVkOiBhcGkNCg0K"}).json["decision"]["deliveries"][0]["folder"] == "CI/api"
    for broken in ({**ask, "to": []}, {**ask, "to": [1]}, {**ask, "message": 1}, {**ask, "message_base64": "?"}):
        assert admin.post("/api/v1/explain", broken).status == 400, broken
    # Edited rules reach the lists of the rules in force, by the same words, and no other file.
    def with_list(file):
        return {**ask, "rules": json.dumps({"lists": {"known": {"file": file}}, "rules": [
            {"name": "known", "if": {"field": "from", "in": "known"}, "then": [{"reject": "known"}]}]})}
    (gateway.folder / "lists").mkdir()
    (gateway.folder / "lists/known.txt").write_text("a@b.example\n")
    (gateway.folder / "lists/other.txt").write_text("a@b.example\n")
    gateway.stop()
    gateway.configuration["rules"] = ["rules.json", "lists.json"]
    (gateway.folder / "lists.json").write_text(with_list("lists/known.txt")["rules"])
    gateway.start()
    for file in ("lists/known.txt", "known.txt", str(gateway.folder / "lists/known.txt")):
        assert admin.post("/api/v1/explain", with_list(file)).json["decision"]["code"] == 550, file
    for file in (str(gateway.file), "/etc/passwd", "lists/other.txt", str(gateway.folder / "lists/other.txt"), "own.txt", "",
                 "lists/../lists/known.txt"):
        found = admin.post("/api/v1/explain", with_list(file))
        assert found.status == 422 and len(found.json["problems"]) == 1, (file, found.text)
        assert file == "" or "no other file is read here" in found.text, (file, found.text)
    assert metric(admin, "mailweir_rule_messages_total") == {}, "explaining is not counted as mail"
    gateway.stop()


def commands():
    out = subprocess.run([MAILWEIR, "--help"], capture_output=True, text=True, timeout=30).stdout
    return [line.split()[0] for line in out.splitlines() if line.startswith("  ")]


def test_the_manual_names_every_command(world):
    page = (ROOT / "deploy/doc/mailweir.8").read_text()
    missing = [name for name in commands() if f"\n.B {name}\n" not in page]
    assert not missing, missing
    for file in ("mailweir.8", "mailweir.conf.5") if shutil.which("man") else ():
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", str(ROOT / "deploy/doc" / file)], capture_output=True, text=True,
                              timeout=60, env={**os.environ, "MANWIDTH": "120", "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0 and done.stderr == "", done.stderr


def test_every_command_prints_json(world):
    """But those whose output is a document or a log of its own, which the manual names, too."""
    own = {"run", "init", "schema", "manual", "completion", "passwd"}
    for command in (*([name] for name in commands() if name not in {"queue"}), ["queue", "list"], ["queue", "export"], ["queue", "drop"]):
        text = subprocess.run([MAILWEIR, *command, "--help"], capture_output=True, text=True, timeout=30, check=True).stdout
        assert ("\n  --json " in text) != (command[0] in own), command


def test_completion_knows_every_command(world):
    for shell in ("bash", "zsh", "fish"):
        text = subprocess.run([MAILWEIR, "completion", shell], capture_output=True, text=True, timeout=30, check=True).stdout
        missing = [name for name in commands() if not re.search(rf"[ '\"(]{name}[: )\"]", text)]
        assert not missing, (shell, missing)
        if shutil.which(shell):
            subprocess.run([shell, "-n", "/dev/stdin"], input=text, text=True, timeout=30, check=True)
    script = subprocess.run([MAILWEIR, "completion", "bash"], capture_output=True, text=True, timeout=30, check=True).stdout

    def complete(*words):
        ask = f'{script}\nCOMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; _mailweir; printf "%s\\n" "${{COMPREPLY[@]}}"'
        return set(subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=30, cwd=world.folder).stdout.split())

    # Every option that a command's own help names, and the words that it takes.
    assert complete(MAILWEIR, "sta") == {"status"}
    for command in (*([name] for name in commands() if name != "queue"), ["queue", "list"], ["queue", "reroute"]):
        text = subprocess.run([MAILWEIR, *command, "--help"], capture_output=True, text=True, timeout=30, check=True).stdout
        options = set(re.findall(r"^  (--[a-z-]+) ", text, re.M))
        assert "--help" in options and complete(MAILWEIR, *command, "--") == options, (command, options)
    assert {"list", "drop", "export"} <= complete(MAILWEIR, "queue", "''")
    assert complete(MAILWEIR, "queue", "rel") == {"release"} and complete(MAILWEIR, "spool", "che") == {"check"}
    assert {"config", "rules"} <= complete(MAILWEIR, "schema", "''") and complete(MAILWEIR, "trace", "--l") == {"--list", "--listener"}


def shell_completes(shell, script, line, world):
    """What the shell itself offers behind the line. zsh completes at a prompt only: there the function is called as its completion system would."""
    words = line.split(" ")
    ask = {"fish": f"{script}\ncomplete -C '{line}'",
           "zsh": f'compdef() {{ }}; _files() {{ }}; _describe() {{ print -l -- ${{commands%%:*}} }}; compadd() {{ shift; print -l -- "$@" }}\n'
                  f'{script}\nwords=({" ".join(words[:-1])} "{words[-1]}"); CURRENT={len(words)}; _mailweir'}[shell]
    text = subprocess.run([shell, *(["-f"] if shell == "zsh" else []), "-c", ask], capture_output=True, text=True, timeout=30, cwd=world.folder,
                          env={**os.environ, "HOME": str(world.folder), "PATH": f"{os.path.dirname(MAILWEIR)}:{os.environ['PATH']}"}).stdout
    return {row.split("\t")[0] for row in text.splitlines()}


def test_completion_in_zsh_and_fish(world):
    shells = [shell for shell in ("zsh", "fish") if shutil.which(shell)]
    if not shells:
        raise Skip("neither zsh nor fish is installed")
    gateway = world.mailweir(None)
    gateway.configuration["listeners"].append({"name": "printers", "address": f"127.0.0.1:{free_port()}"})
    gateway.write()
    for shell in shells:
        script = subprocess.run([MAILWEIR, "completion", shell], capture_output=True, text=True, timeout=30, check=True).stdout

        def offers(line, shell=shell, script=script):
            return shell_completes(shell, script, line, world)

        assert {"--json", "--config"} <= offers("mailweir status --") and "mailweir" not in offers("mailweir status "), shell
        assert "why" in offers("mailweir ") and {"retry", "release"} <= offers("mailweir queue re"), shell
        assert {"waiting", "held", "dead", "filed", "dropped", "moved"} == offers("mailweir queue list --state "), shell
        for option in ("--config", "-c"):
            assert offers(f"mailweir trace {option} {gateway.file} --listener ") == {"apps", "printers"}, (shell, option)
            assert "corp" in offers(f"mailweir queue pause {option} {gateway.file} "), (shell, option)


def test_json_for_programs(world):
    gateway = world.mailweir(None, [RULE])
    (gateway.folder / "password").write_text("relaypw")
    (gateway.folder / "password").chmod(0o600)
    gateway.upstream["auth"]["password"] = {"file": str(gateway.folder / "password")}
    gateway.start()

    def ask(*arguments):
        done = subprocess.run([MAILWEIR, *arguments, "--config", str(gateway.file)], capture_output=True, text=True, timeout=60)
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr

    status, found, err = ask("reload", "--json")
    assert (status, found["rules"], err) == (0, 1, ""), (status, found, err)
    assert ask("check", "--json") == (0, {"file": str(gateway.file), "good": True, "problems": [], "listeners": 1, "upstreams": 1, "rules": 1}, "")
    (gateway.folder / "rules.json").write_text('{"rules": [{"wenn": 1}]}')
    status, found, err = ask("check", "--json")
    assert status == 78 and err == "" and not found["good"] and "rules" not in found, (status, found, err)
    assert any((one["line"], one["severity"]) == (1, "error") and one["file"].endswith("rules.json") and "wenn" in one["text"] for one in found["problems"]), found
    status, _, err = ask("reload", "--json")
    assert status != 0 and "wenn" in err, (status, err)
    done = subprocess.run([MAILWEIR, "version", "--json"], capture_output=True, text=True, timeout=30, check=True)
    built = json.loads(done.stdout)
    assert built["version"] in subprocess.run([MAILWEIR, "version"], capture_output=True, text=True, timeout=30).stdout
    assert set(built["stores"]) == {path.name for path in (ROOT / "gateway/store").iterdir() if path.is_dir()} - {"model"}, built
    gateway.stop()


def test_top(world):
    gateway = world.mailweir(None).start()
    status, out, err = gateway.run("top", "--times", "3")
    assert status == 0, err
    states = [json.loads(line) for line in out.splitlines()]
    assert len(states) == 3 and states[2]["now"] > states[0]["now"], out
    gateway.stop()
    status, _, err = gateway.run("top")
    assert status == 69 and "no gateway answers" in err, (status, err)


def test_alerts_and_dashboard_use_metrics_that_exist(world):
    gateway = world.mailweir(None, [RULE]).start()
    gateway.send(message("failed: web"))
    text = Admin(gateway).get("/metrics").text
    known = set(re.findall(r"^(?:# TYPE )?(mailweir_\w+)", text, re.M))
    for file in ("prometheus-alerts.yml", "grafana-dashboard.json"):
        used = set(re.findall(r"mailweir_\w+", (ROOT / "deploy" / file).read_text()))
        alone = {name for name in used if not re.match(r"mailweir_(node_|nodes$|spool_dead_rows|overflow_)", name)}  # the others: e2e/postgresql, with nodes
        assert alone and alone <= known, alone - known
    done = subprocess.run(["promtool", "check", "rules", str(ROOT / "deploy/prometheus-alerts.yml")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    gateway.stop()


def test_a_service_manager_is_told(world):
    gateway = world.mailweir(None)
    path = str(gateway.folder / "notify.sock")
    heard = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(60)

        def until(word):
            while not any(word in text for text in heard):
                heard.append(manager.recv(4096).decode())
        gateway.environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"}
        gateway.write()
        gateway.log = gateway.folder / "log.notify"
        process = Process([MAILWEIR, "run", "--config", gateway.file], gateway.log, gateway.environment)
        world.cleanup.append(process.kill)
        world.logs.append(gateway.log)
        until("READY=1")
        until("WATCHDOG=1")
        process.send_signal(signal.SIGHUP)
        until("RELOADING=1\nMONOTONIC_USEC=")
        process.send_signal(signal.SIGTERM)
        until("STOPPING=1")
    assert process.popen.wait(30) == 0
