"""What a real Dovecot says of rights and quota is asked before a message goes out, and heeded."""
import json
import re

from admin_client import Admin
from harness import free_port, message, wait

QUOTA = """
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=40K
}
"""
ACL = """
mail_plugins = acl
protocol imap {
  mail_plugins = acl imap_acl
}
plugin {
  acl = vfile
  acl_shared_dict = file:%(folder)s/shared-mailboxes
}
namespace inbox {
  inbox = yes
  separator = /
}
namespace shared {
  type = shared
  separator = /
  prefix = shared/%%%%u/
  location = maildir:%(folder)s/mail/%%%%u:INDEXPVT=%(folder)s/mail/%%u/shared/%%%%u
  subscriptions = no
  list = yes
}
"""


def test_full_mailbox(world):
    """A message that does not fit waits, and its octets are not sent; smaller ones go in; when there is room, it is filed."""
    dovecot = world.dovecot(extra=QUOTA)
    gateway = world.mailweir(dovecot).start()
    gateway.send(message("fits", number=0, body="x" * 20000))
    wait(lambda: dovecot.count() == 1, "first message")
    # As the server told it before that message: nothing of 40 KiB was used; and of messages it tells no limit.
    told = [line for line in Admin(gateway).get("/metrics").text.splitlines() if line.startswith("mailweir_upstream_quota_")]
    assert told == [f'mailweir_upstream_quota_bytes{{upstream="corp",of="{of}"}} {octets}' for of, octets in (("used", 0), ("limit", 40 << 10))], told
    gateway.send(message("too much", number=1, body="y" * 30000))
    deferred = wait(lambda: gateway.events("deferred"), "deferral")[0]
    assert deferred["error.code"] == "overquota" and "nothing was sent" in deferred["error.message"], deferred
    gateway.send(message("small", number=2))
    wait(lambda: dovecot.count() == 2, "small message")
    connection = dovecot.imap()
    connection.select("INBOX")
    connection.store("1", "+FLAGS", "\\Deleted")
    connection.expunge()
    connection.logout()
    wait(lambda: any(b"Subject: too much" in octets for octets in dovecot.messages()), "message that waited")
    gateway.stop()
    assert dovecot.count() == 2


def test_shared_folder_without_the_right(world):
    """Into another user's folder only with the right to insert; without it the reason is named before anything is sent, and an operator's retry files it."""
    dovecot = world.dovecot(extra=ACL % {"folder": world.folder / "dovecot"})
    owner = dovecot.imap("other")
    owner.create("Team")
    owner.setacl("Team", "relay", "lr")
    gateway = world.mailweir(dovecot)
    gateway.configuration["default"]["folder"] = "shared/other/Team"
    gateway.start()
    delivery = gateway.send(message("for the team"))
    dead = wait(lambda: gateway.events("dead_letter"), "dead letter")[0]
    assert dead["error.code"] == "noperm" and "MYRIGHTS" in dead["error.message"], dead
    owner.setacl("Team", "relay", "lri")
    assert gateway.run("queue", "retry", delivery)[0] == 0
    wait(lambda: gateway.events("filed"), "filed line")
    owner.select("Team")
    assert owner.search(None, "ALL")[1] == [b"1"]
    owner.logout()
    gateway.stop()


def rule(folder, name=None):
    return {"name": name or folder, "if": {"field": "to", "is": "nobody@example.net"}, "then": [{"fileinto": {"upstream": "corp", "folder": folder}}]}


def tried(gateway):
    status, out, err = gateway.run("upstreams", "--json")
    return status, json.loads(out), err


def test_upstreams_says_what_stands_in_the_way(world):
    """Rights and quota of each folder that the rules use, and how long the certificate is good, before any mail comes; nothing is made."""
    dovecot = world.dovecot(extra=ACL % {"folder": world.folder / "dovecot"})
    owner = dovecot.imap("other")
    for folder, rights in (("Team", "lri"), ("Read", "lr"), ("Parent", "lr")):
        owner.create(folder)
        owner.setacl(folder, "relay", rights)
    folders = ["shared/other/Team", "shared/other/Parent/New", "Own/New", "Own/New", "CI/${from.user}", "\\Junk", "inbox"]
    gateway = world.mailweir(dovecot, [rule(folder, f"rule {n}") for n, folder in enumerate(folders)])
    status, (one,), err = tried(gateway)
    found = {folder["folder"]: folder for folder in one["folders"]}
    assert list(found) == ["shared/other/Team", "shared/other/Parent/New", "Own/New", "inbox"], found
    assert found["shared/other/Team"]["there"] and set(found["shared/other/Team"]["rights"]) >= set("lri")
    assert "problem" not in found["shared/other/Team"] and "problem" not in found["Own/New"] and "problem" not in found["inbox"]
    assert not found["shared/other/Parent/New"]["there"] and "may not create it" in found["shared/other/Parent/New"]["problem"]
    assert one["folders_by_mail"] == ["CI/${from.user}", "\\Junk"] and 0 < one["tls"]["certificate_days"] < 5000
    assert status == 1 and not one["good"], err
    gateway.rules[1:2] = [rule("shared/other/Read")]
    status, out, _ = gateway.run("upstreams")
    assert status == 1 and re.search(r'FAILED +shared/other/Read: the account may not insert messages: grant it the right "i"', out), out
    assert re.search(r"certificate +good for \d+ days, until 20\d\d-", out) and re.search(r"folder +Own/New: does not exist, would be created", out), out
    owner.setacl("Read", "relay", "lri")
    status, out, _ = gateway.run("upstreams")
    assert status == 0 and "FAILED" not in out, out
    owner.logout()
    assert not [folder for folder in dovecot.folders() if "New" in folder]


def test_upstreams_says_how_full_it_is(world):
    dovecot = world.dovecot(extra=QUOTA)
    gateway = world.mailweir(dovecot).start()
    gateway.send(message("fits", body="x" * 20000))
    wait(lambda: dovecot.count() == 1, "message")
    gateway.stop()
    status, (one,), _ = tried(gateway)
    quota = one["folders"][0]["quota_octets"]
    assert status == 0 and quota["limit"] == 40 << 10 and 19 << 10 < quota["used"] < 30 << 10, one
    assert re.search(r"INBOX: there, 2\d of 40 KiB used \(5\d %\)", gateway.run("upstreams")[1])


def test_upstreams_tells_the_profiles(world):
    """What is known about kinds of servers, each value with its reason, as text and as JSON; no configuration is needed."""
    gateway = world.mailweir(None)
    status, out, _ = gateway.run("upstreams", "--profiles", "--config", "/nowhere")
    assert status == 0, out
    told = {one["name"]: one for one in json.loads(gateway.run("upstreams", "--profiles", "--json")[1])}
    assert {"dovecot", "cyrus", "courier", "gmail", "microsoft365", "exchange", "yahoo", "icloud", "zimbra", "generic"} <= set(told)
    for name, profile in told.items():
        assert f"{name}: {profile['about']}" in out.splitlines()
        assert set(profile["settings"]) == set(told["generic"]["settings"])
        assert all(setting["why"] for setting in profile["settings"].values()), profile
    cap = told["gmail"]["settings"]["connections"]
    assert cap["value"] <= 15 and re.search(f"connections +{cap['value']} +{re.escape(cap['why'])}", out), (cap, out)


def test_upstreams_tries_every_address(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    gateway.upstream["standby"] = [f"127.0.0.1:{free_port()}"]
    status, (first, second), _ = tried(gateway)
    assert status == 1 and first["good"] and not second["good"]
    assert second["standby"] == 1 and second["fault"]["code"] == "econnrefused", second
