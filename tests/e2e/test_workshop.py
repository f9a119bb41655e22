"""What the page's charts and its rule workshop ask: figures of each minute, the rules that run, edited ones and their tests, a decision again."""
import json
import os

from admin_client import Admin
from harness import message, wait

RULES = [
    {"name": "ci", "description": "red builds", "if": {"header": "Subject", "matches": "^failed: (?<project>\\w+)"},
     "then": [{"fileinto": {"upstream": "corp", "folder": "CI/${project}"}}, {"stop": True}]},
    {"name": "rest", "then": [{"fileinto": {"upstream": "corp", "folder": "INBOX"}}]}]
TESTS = [{"name": "a red build", "headers": {"Subject": "failed: web"}, "from": "a@b.example", "to": ["ops@example.net"],
          "expect": {"rules": ["ci"], "filed": ["corp:CI/web"]}}]


def totals(admin, span="1h"):
    found = admin.get(f"/api/v1/figures?range={span}").json
    points = [point for point in found["points"] if point]
    return {name: sum(point[i] for point in points) for i, name in enumerate(found["columns"])}, found


def test_figures_survive_a_restart(world):
    gateway = world.mailweir(world.dovecot())
    gateway.start()
    admin = Admin(gateway)
    for n in range(5):
        gateway.send(message(f"number {n}", number=n))
    wait(lambda: totals(admin)[0]["filed"] == 5, "five filed messages among the figures")
    assert totals(admin)[0]["accepted"] == 5
    gateway.stop()
    gateway.start()
    gateway.send(message("one more", number=9))
    for span, points, step in (("1h", 60, 60), ("24h", 144, 600), ("7d", 168, 3600)):
        wait(lambda span=span: totals(admin, span)[0]["filed"] == 6, f"six filed messages within {span}")
        found = totals(admin, span)[1]
        assert len(found["points"]) == points and found["step_seconds"] == step, found
        assert found["points"][0] is None and found["points"][-1], "what nobody counted is no zero"
    answer = admin.get("/api/v1/figures?range=1y")
    assert answer.status == 400 and "1h, 24h or 7d" in answer.text, answer.text
    gateway.stop()
    # A ring that is no ring, or torn, costs the past and nothing else.
    file = f"{gateway.configuration['spool']['path']}/figures"
    assert os.stat(file).st_mode & 0o077 == 0
    with open(file, "r+b") as ring:
        ring.truncate(100)
    gateway.start()
    gateway.send(message("after damage", number=10))
    wait(lambda: totals(admin)[0]["filed"] == 1, "a ring made anew")
    gateway.stop()


def test_the_rules_that_run_and_edited_ones(world):
    gateway = world.mailweir(None, RULES)
    text = json.dumps({"description": "kept as it is", "rules": RULES, "tests": TESTS}, indent=1)
    gateway.start()
    (gateway.folder / "rules.json").write_text(text)
    admin = Admin(gateway)
    assert admin.post("/api/v1/reload").status == 200
    [file] = admin.get("/api/v1/rules/files").json["files"]
    assert file["text"] == text and file["path"] == "rules.json" and file["name"].endswith("/rules.json"), file
    # What runs, not what somebody has just written beside it.
    (gateway.folder / "rules.json").write_text("{")
    assert admin.get("/api/v1/rules/files").json["files"][0]["text"] == text
    found = admin.get("/api/v1/rules/tests").json
    assert found["good"] and [(t["name"], t["passed"], t["rules"]) for t in found["tests"]] == [("a red build", True, ["ci"])], found
    edited = [{"name": file["name"], "text": text.replace("CI/${project}", "Builds/${project}")}]
    found = admin.post("/api/v1/rules/check", {"rules": edited}).json
    assert not found["good"] and found["failed"] == 1 and found["rules"] == 2 and not found["problems"], found
    assert "corp:Builds/web" in found["tests"][0]["why"], found
    found = admin.post("/api/v1/rules/check", {"rules": [{"name": file["name"], "text": text.replace('"matches"', '"matchez"')}]}).json
    assert not found["good"] and found["tests"] == [], found
    assert any(one["line"] > 3 and one["pointer"].startswith("/rules/0/if") for one in found["problems"]), found
    assert admin.post("/api/v1/rules/check", {"rules": 7}).status == 400
    assert admin.get("/api/v1/rules/schema").json["title"] == "mailweir rule file"
    gateway.stop()


def test_a_decision_again(world):
    gateway = world.mailweir(world.dovecot(), RULES).start()
    admin = Admin(gateway)
    filed = gateway.send(message("failed: web"))
    wait(lambda: gateway.events("filed"), "a filed message")
    found = admin.post("/api/v1/explain", {"id": filed})
    assert found.status == 200, found.text
    [rule] = [one for one in found.json["recipients"][0]["rules"] if one.get("rule") == "ci"]
    assert rule["result"] == "yes" and rule["if"]["saw"] == ["failed: web"], rule
    assert found.json["decision"]["deliveries"][0]["folder"] == "CI/web"
    assert admin.post("/api/v1/explain", {"id": "00000000000000000000000000"}).status == 404
    # The rule has a minute of its own, beside what it did ever.
    rules = {one["name"]: one for one in admin.get("/api/v1/rules").json["rules"]}
    assert sum(rules["ci"]["last_hour"]) == 1 and len(rules["ci"]["last_hour"]) == 60 and rules["rest"]["last_hour"] is None, rules
    gateway.stop()
