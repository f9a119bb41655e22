"""postfix - a real Postfix in a folder of the test's own, which hands what it takes to the gateway."""
import contextlib
import os
import pathlib
import pwd
import shutil
import subprocess

from harness import Process, Skip, free_port, listens, wait


def postfix_folder(world, settings, transport):
    """An instance of Postfix in folders of its own, which relays everything to the transport; its smtp port."""
    if not shutil.which("postfix") or os.geteuid() != 0:
        raise Skip("Postfix as a client needs root")
    user = pwd.getpwnam("postfix")
    folder = world.folder / "postfix"
    etc, queue, data = folder / "etc", folder / "queue", folder / "data"
    for each in (folder, etc, queue, data):
        each.mkdir(exist_ok=True)
        each.chmod(0o755)
    os.chown(data, user.pw_uid, user.pw_gid)
    port = free_port()
    for name in ("postfix-files", "dynamicmaps.cf"):
        with contextlib.suppress(OSError):
            shutil.copy(pathlib.Path("/etc/postfix") / name, etc)
    master = pathlib.Path("/usr/share/postfix/master.cf.dist").read_text()
    (etc / "master.cf").write_text(
        f"127.0.0.1:{port} inet n - n - - smtpd\n" +
        "".join(line + "\n" for line in master.splitlines() if line and not line.startswith(("smtp      inet", "#", "pickup"))))
    (etc / "main.cf").write_text(
        f"compatibility_level = 3.6\nqueue_directory = {queue}\ndata_directory = {data}\nmail_owner = postfix\n"
        f"setgid_group = postdrop\nmyhostname = relay.example.com\nmydestination =\nrelay_domains = *\nmynetworks = 127.0.0.0/8\n"
        f"relayhost =\ntransport_maps = static:{transport}\nalias_maps =\nmaillog_file = /dev/stdout\nmaximal_queue_lifetime = 1h\n"
        f"inet_protocols = ipv4\nsmtpd_relay_restrictions = permit_mynetworks,reject\nminimal_backoff_time = 1s\n{settings}\n")
    subprocess.run(["postfix", "-c", str(etc), "check"], capture_output=True, timeout=60)
    process = Process(["postfix", "-c", str(etc), "start-fg"],
                      world.folder / "postfix.log")
    world.logs.append(world.folder / "postfix.log")
    world.cleanup.append(process.kill)
    wait(lambda: listens(port), "answer of Postfix")
    return port
