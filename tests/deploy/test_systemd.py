"""systemd's unit: how far it is shut in, and a socket that systemd holds."""
import re
import smtplib

from deployed import ROOT, need, run
from harness import MAILWEIR, Process, listens, message, wait


def test_exposure_is_under_two(world):
    need("systemd-analyze")
    unit = world.folder / "mailweir.service"
    unit.write_text((ROOT / "deploy/systemd/mailweir.service.in").read_text().replace("@SBIN@", "/usr/sbin"))
    out = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit)
    score = float(re.search(r"exposure level for mailweir.service: ([\d.]+)", out)[1])
    print(f"figure: systemd-analyze security gives {score}")
    assert score < 2, out


def test_the_unit_is_understood(world):
    need("systemd-analyze")
    unit = world.folder / "mailweir.service"
    unit.write_text((ROOT / "deploy/systemd/mailweir.service.in").read_text().replace("@SBIN@/mailweir", MAILWEIR))
    out = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit)
    assert "Unknown" not in out and "mailweir.service:" not in out, out


def test_socket_activation(world):
    need("systemd-socket-activate")
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    gateway.configuration["listeners"][0]["address"] = "inherited:smtp"
    gateway.write()
    gateway.log = gateway.folder / "log.activated"
    world.logs.append(gateway.log)
    process = Process(["systemd-socket-activate", f"--listen=127.0.0.1:{gateway.port}", "--fdname=smtp", MAILWEIR, "run", "--config",
                       gateway.file], gateway.log)
    world.cleanup.append(process.kill)
    wait(lambda: listens(gateway.port), "socket held")
    with smtplib.SMTP("127.0.0.1", gateway.port, timeout=30) as client:
        client.sendmail("app@example.com", ["ops@example.net"], message("activated"))
    wait(lambda: dovecot.count() == 1, "message")
    assert process.stop() == 0
