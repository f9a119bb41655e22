"""What a real Dovecot says of rights and quota is asked before a message goes out, and heeded."""
from harness import message, wait

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
