"""Clients that mean harm: slow ones, floods, guesses at passwords, bombs, lines for the log; and what check says of open doors."""
import base64
import contextlib
import json
import os
import pathlib
import socket
import threading

from harness import free_port, message, seconds, wait
from smtp_client import Raw, add_user, listener


def test_slow_loris_does_not_slow_others(world):
    gateway = world.mailweir(None)
    port = free_port()
    gateway.configuration["listeners"].append({"name": "strict", "address": f"127.0.0.1:{port}", "timeouts": {"command": seconds(1), "data": seconds(1)}})
    gateway.start()
    slow = [Raw(port) for _ in range(60)]
    for raw in slow:
        raw.reply()
        raw.socket.sendall(b"EHL")
    for index in range(20):
        gateway.send(message("quick", number=index))
    assert all(raw.reply().startswith(b"421 4.4.2") for raw in slow)
    for raw in slow:
        raw.close()
    gateway.stop()


def test_flood_of_connections_and_unread_replies(world):
    gateway = world.mailweir(None)
    listener(gateway).update(max_sessions=200, max_sessions_per_network=50, max_unknown_commands=10000, max_errors=10000)
    gateway.start()
    many = [Raw(gateway.port) for _ in range(300)]
    heard = [raw.reply()[:9] for raw in many]
    assert heard.count(b"220 gw.ex") == 50 and heard.count(b"421 4.7.0") == 250, {each: heard.count(each) for each in set(heard)}
    for raw in many:
        raw.close()
    wait(lambda: Raw(gateway.port).reply().startswith(b"220"), "room again")
    greedy = Raw(gateway.port)
    greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    greedy.reply()
    greedy.socket.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while sent < 100 << 20:
            sent += greedy.socket.send(b"HELP\r\n" * 1000)
    assert sent < 50 << 20  # the gateway stops reading
    gateway.send(message("still served"))
    greedy.close()
    gateway.stop()


def test_hundred_thousand_recipients(world):
    """Those within the limit are taken, the others are put off, and a client that does not listen is sent away."""
    gateway = world.mailweir(None)
    gateway.start()
    raw = Raw(gateway.port)
    raw.reply()
    raw.say(b"EHLO c\r\n")
    raw.say(b"MAIL FROM:<app@example.com>\r\n")

    def send_all():
        with contextlib.suppress(OSError):
            raw.socket.sendall(b"".join(b"RCPT TO:<r%d@example.net>\r\n" % number for number in range(100000)))
    sender = threading.Thread(target=send_all)
    sender.start()
    codes = []
    with contextlib.suppress(OSError):
        while reply := raw.reply():
            codes.append(reply[:3])
    sender.join()
    assert codes.count(b"250") == 1000 and set(codes[1000:-1]) == {b"452"} and codes[-1] == b"421", (len(codes), codes[-3:])
    raw.close()
    gateway.send(message("still alive"))
    gateway.stop()


def test_brute_force_runs_into_walls(world):
    """Each failure is slower to hear, the third ends the session, and at the network's limit it is not heard any more."""
    gateway = world.mailweir(None)
    listener(gateway).update(auth={"users": add_user(gateway), "required": True, "in_clear": True},
                             timeouts={"greeting": "1ms"}, max_auth_failures_per_network=4)
    gateway.start()
    attempts = 0
    while True:
        raw = Raw(gateway.port)
        if raw.reply().startswith(b"421 4.7.0"):
            break
        raw.say(b"EHLO c\r\n")
        for _ in range(3):
            attempts += 1
            reply = raw.say(b"AUTH PLAIN " + base64.b64encode(b"\0app\0guess%d" % attempts) + b"\r\n")
            assert reply.startswith(b"535 5.7.8"), reply
            if attempts == 4:
                break
        assert attempts < 10
        raw.close()
    assert attempts == 4
    gateway.stop()


def test_five_hundred_transactions_in_one_session(world):
    gateway = world.mailweir(None)
    gateway.start()
    with gateway.smtp() as client:
        client.ehlo()
        for number in range(500):
            client.sendmail("app@example.com", ["ops@example.net"], message("one of many", number=number))
    assert len(gateway.events("accepted")) == 500
    gateway.stop()


def processor_time(gateway):
    """Seconds that the gateway has used: what others do with the machine does not count."""
    fields = pathlib.Path(f"/proc/{gateway.process.popen.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_header_and_mime_bombs_are_answered_at_once(world):
    gateway = world.mailweir(None, [{"name": "any", "if": {"any": [{"header": "Subject", "matches": "(a+)+$"},
                                                                   {"header": "To", "matches": "nobody@"}]},
                                     "then": [{"fileinto": {"upstream": "corp", "folder": "X"}}]}])
    gateway.start()
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(2000))
    bombs = {
        "addresses": "To: " + ",\r\n ".join(f"a{n}@b.example" for n in range(8000)) + "\r\n",
        "parameters": "Content-Type: text/plain" + "".join(f";\r\n x*{n}=y" for n in range(12000)) + "\r\n",
        "parentheses": "To: " + "(" * 60000 + "\r\n",
        "fields": "".join(f"X-{n}: y\r\n" for n in range(10000)),
        "folded": "Subject: " + "x\r\n " * 40000 + "\r\n",
        "nested": nested,
        "rfc822": "Content-Type: message/rfc822\r\n\r\n" * 1000,
        "parts": "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + "--b\r\n\r\nx\r\n" * 20000,
        "pattern": "Subject: " + "a" * 60000 + "!\r\n",
        "huge": "X: " + "y" * (300 << 10) + "\r\n",
    }
    with gateway.smtp() as client:
        client.ehlo()
        for name, text in bombs.items():
            began = processor_time(gateway)
            client.mail("app@example.com")
            client.rcpt("ops@example.net")
            code, words = client.data(text.encode() + b"\r\n\r\nbody\r\n")
            assert code in (250, 451, 552, 554), (name, code, words)
            assert processor_time(gateway) - began < 5, name
    gateway.stop()


def test_log_injection(world):
    gateway = world.mailweir(None)
    listener(gateway).update(auth={"users": add_user(gateway), "in_clear": True})
    gateway.start()
    raw = Raw(gateway.port)
    raw.reply()
    raw.say(b'EHLO %n%s"}{"event.action":"accepted\r\n')
    raw.say(b"AUTH PLAIN " + base64.b64encode(b'\0x"}\\n{"event.action": "accepted"\0y') + b"\r\n")
    raw.say(b'MAIL FROM:<"a\\"}{%n"@example.com>\r\n')
    raw.say(b"RCPT TO:<${run{id}}@example.net>\r\n")
    raw.say(b"DATA\r\n")
    assert raw.say(b"Message-ID: <\"}{\x1b[31m@x>\r\n\r\n.\r\n").startswith(b"250 ")
    raw.close()
    for line in gateway.log.read_text().splitlines():
        json.loads(line)
        assert "\x1b" not in line
    accepted, = gateway.events("accepted")
    assert accepted["from"] == '"a\\"}{%n"@example.com'
    gateway.stop()


def test_the_check_names_open_doors(world):
    gateway = world.mailweir(None)
    listener(gateway).update(address="0.0.0.0:2525", allow=["0.0.0.0/0"])
    status, _, problems = gateway.run("check")
    assert status == 0 and "open relay" in problems and "/listeners/0/allow" in problems, problems
    listener(gateway).update(allow=[])
    status, _, problems = gateway.run("check")
    assert status == 0 and "only this machine may send here" in problems, problems
    listener(gateway).update(auth={"users": str(gateway.folder / "none.json")})
    status, _, problems = gateway.run("check")
    assert status == 78 and "none.json" in problems, problems
