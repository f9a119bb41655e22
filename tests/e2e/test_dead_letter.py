"""A delivery that no retry can help: kept as a dead letter, reported with the message attached, tried again by hand."""
import email
import email.policy

from harness import free_port, message, wait


def test_report(world):
    """The report says what, where and why, in words and as a delivery status; the original is in it, octet by octet."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, [{"name": "bad", "if": {"header": "Subject", "matches": "^dead"},
                                        "then": [{"fileinto": {"upstream": "nobody", "folder": "X"}}, {"stop": True}]}])
    gateway.configuration["upstreams"]["nobody"] = {
        **gateway.upstream, "address": f"127.0.0.1:{free_port()}",
        "retry": {"initial": "100ms", "maximum": "200ms", "give_up": "1s"}}
    gateway.configuration["dead_letters"] = {"upstream": "corp", "folder": "Dead letters"}
    gateway.start()
    octets = message("dead end", body="x" * 300 + "\r\nlast line")
    dead = gateway.send(octets)
    wait(lambda: dovecot.count("Dead letters") == 1, "report", 90)
    report = email.message_from_bytes(dovecot.messages("Dead letters")[0], policy=email.policy.default)
    assert report.get_content_type() == "multipart/report"
    words, status, original = report.get_payload()
    assert "nobody: X" in words.get_content() and f"mailweir why {dead}" in words.get_content()
    assert status.get_content_type() == "message/delivery-status" and b"Action: failed" in status.as_bytes()
    assert octets.rstrip() in dovecot.messages("Dead letters")[0], "the original is not in the report"
    wait(lambda: '"dead":1' in gateway.run("queue", "summary", "--json")[1], "dead letter in the summary")
    status_code, out, _ = gateway.run("queue", "list", "--state", "dead")
    assert status_code == 0 and dead in out
    assert gateway.run("queue", "drop", dead)[0] == 0
    assert "dropped by" in gateway.run("why", dead)[1]
    gateway.stop()
    assert dovecot.count("Dead letters") == 1
