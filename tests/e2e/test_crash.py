"""What was acknowledged is in its folder exactly once, whatever ends the gateway: kill -9 at random moments and in the middle of every
call to the disk, a power cut, a sync that fails, a full disk. Clients keep a ledger of what was acknowledged and what was refused."""
import contextlib
import errno
import fcntl
import os
import random
import re
import shutil
import signal
import smtplib
import subprocess
import threading

from harness import ROOT, SIZE, Skip, is_sanitized, message, received_part, wait

ROUNDS = {"small": 4, "large": 200}[SIZE]
POWER_CUTS = {"small": 2, "large": 50}[SIZE]
PLACES = {"small": 10, "large": 100000}[SIZE]
SHUTDOWN, WITHOUT_LOG_FLUSH = 0x8004587D, 2  # ioctl of ext4 and xfs: everything that was not synced is gone


class Ledger:
    """Several sessions send numbered messages until stopped or cut off; what each was told is remembered."""

    def __init__(self):
        self.acknowledged, self.refused, self.next_number = set(), set(), 0
        self.lock = threading.Lock()
        self.threads = []

    def take(self):
        with self.lock:
            self.next_number += 1
            return self.next_number

    def start(self, gateway, sessions=6, limit=10**9, size=0):
        end = self.next_number + limit
        self.stopping = False
        self.threads = [threading.Thread(target=self.session, args=(gateway, end, size)) for _ in range(sessions)]
        for thread in self.threads:
            thread.start()

    def session(self, gateway, end, size):
        with contextlib.suppress(smtplib.SMTPException, OSError):
            with gateway.smtp() as client:
                client.ehlo()
                while not self.stopping and (number := self.take()) <= end:
                    self.send(client, number, size)

    def send(self, client, number, size):
        octets = message(f"number {number}", number=number)
        if number % 7 == 0:
            octets += (b"x" * 70 + b"\r\n") * (size // 72)  # now and then a body with a segment of its own
        if client.mail("app@example.com")[0] != 250:
            client.rset()
            return
        client.rcpt("ops@example.net")
        code, _ = client.data(octets)
        with self.lock:
            (self.acknowledged if code == 250 else self.refused).add(number)

    def count(self):
        return len(self.acknowledged)

    def join(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()


def filed(dovecot):
    return [int(re.search(rb"Subject: number (\d+)", received_part(octets)).group(1)) for octets in dovecot.messages()]


def check(ledger, dovecot, gateway):
    """Starts the gateway, waits until its queue is empty and compares the folder with the ledger."""
    gateway.start()
    wait(lambda: ledger.acknowledged <= set(filed(dovecot)) and "waiting" not in summary(gateway),
         f"all of {len(ledger.acknowledged)} acknowledged messages", 120)
    gateway.stop()
    numbers = filed(dovecot)
    assert len(numbers) == len(set(numbers)), f"filed twice: {sorted(n for n in set(numbers) if numbers.count(n) > 1)}"
    assert not ledger.refused & set(numbers), f"refused, and filed: {sorted(ledger.refused & set(numbers))}"


def summary(gateway):
    status, out, err = gateway.run("queue", "summary", "--json")
    assert status == 0, err
    return out


def is_empty(gateway):
    """Whether a gateway that may die at any moment says that nothing waits."""
    status, out, _ = gateway.run("queue", "summary", "--json")
    return status == 0 and "waiting" not in out


def test_kill_nine_at_random(world):
    """Killed at random moments, again and again, while mail flows in and out."""
    dovecot, ledger, chance = world.dovecot(), Ledger(), random.Random(1)
    gateway = world.mailweir(dovecot)
    for _ in range(ROUNDS):
        gateway.start()
        before = ledger.count()
        ledger.start(gateway, size=400000)
        wait(lambda: ledger.count() >= before + chance.randrange(5, 120), "acknowledged messages", 60)
        gateway.kill()
        ledger.join()
    check(ledger, dovecot, gateway)
    print(f"figure: killed {ROUNDS} times, {ledger.count()} acknowledged, {len(filed(dovecot))} filed, each once")


# ---- every call to the disk ----

def build_shim(world):
    if is_sanitized():
        raise Skip("a preloaded library and AddressSanitizer do not go together")
    shim = world.folder / "crash_shim.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", shim, ROOT / "tests/e2e/crash_shim.c", "-ldl"], check=True)
    return shim


def run_once(world, shim, dovecot, ledger, place, how):
    """A gateway of its own sends five messages on their way; it dies, or its call fails, at the place. Returns it and the calls counted."""
    gateway = world.mailweir(dovecot, name=f"place-{how}-{place}")
    gateway.configuration["sandbox"] = "off"  # the shim writes its count beside the spool
    count = gateway.folder / "calls"
    environment = {"LD_PRELOAD": str(shim), "CRASH_AT": str(place), "CRASH_HOW": str(how), "CRASH_COUNT": str(count)}
    os.environ.update(environment)
    try:
        gateway.start(ready=False)
    finally:
        for name in environment:
            del os.environ[name]
    wait(lambda: gateway.events("ready") or not gateway.process.alive(), "ready line")
    ledger.start(gateway, sessions=2, limit=8, size=400000)
    for thread in ledger.threads:
        thread.join()
    if gateway.process.alive():
        wait(lambda: not gateway.process.alive() or is_empty(gateway), "empty queue", 60)
    if gateway.process.alive():
        gateway.process.stop()
    return gateway, int(count.read_text()) if count.exists() else None


def each_place(world, how):
    shim, dovecot, ledger = build_shim(world), world.dovecot(), Ledger()
    gateway, calls = run_once(world, shim, dovecot, ledger, 0, how)
    assert calls, "the calls were not counted"
    check(ledger, dovecot, gateway)
    step = max(1, calls // PLACES)
    died = 0
    for place in range(1, calls + 1, step):
        gateway, reached = run_once(world, shim, dovecot, ledger, place, how)
        died += reached is None
        check(ledger, dovecot, gateway)
        shutil.rmtree(gateway.folder)
        world.logs.remove(gateway.log)
    print(f"figure: {calls} calls to the disk, {len(range(1, calls + 1, step))} of them tried with {how}, {died} times it died; "
          f"{ledger.count()} acknowledged and filed, each once")
    return died


def test_killed_in_every_call(world):
    """Killed instead of the n-th write, sync, truncation, rename or removal."""
    assert each_place(world, "kill") > 0


def test_input_output_error_in_every_call(world):
    """The n-th call fails with EIO: at worst the sender hears 451."""
    each_place(world, errno.EIO)


def test_no_space_in_every_call(world):
    """The n-th call fails with ENOSPC."""
    each_place(world, errno.ENOSPC)


# ---- power cuts and full disks ----

class Image:
    """A file system of its own in a file."""

    def __init__(self, world, kind, megabytes):
        if os.geteuid() != 0:
            raise Skip("only root can mount a file system")
        maker = shutil.which("mkfs." + kind)
        if maker is None:
            raise Skip(f"mkfs.{kind} is not installed")
        self.file, self.folder, self.kind = world.folder / f"{kind}.img", world.folder / f"{kind}.mnt", kind
        self.folder.mkdir()
        with open(self.file, "wb") as image:
            image.truncate(megabytes << 20)
        subprocess.run([maker, "-q", self.file], check=True)
        self.mount()
        world.cleanup.insert(0, self.unmount)

    def mount(self):
        done = subprocess.run(["mount", "-o", "loop", "-t", self.kind, self.file, self.folder], capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"a loop mount of {self.kind} is impossible here: {done.stderr.strip()}")

    def unmount(self):
        return subprocess.run(["umount", self.folder], capture_output=True).returncode == 0

    def cut_power(self):
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, WITHOUT_LOG_FLUSH.to_bytes(4, "little"))
        finally:
            os.close(descriptor)

    def after_power_cut(self):
        """Whoever died a moment ago may hold it a little longer; mounted once more beside that it would be the one that has failed."""
        wait(self.unmount, "the file system given up")
        self.mount()


def power_cuts(world, kind, shim=None):
    """With the shim, syncs say that they failed, and were not done, before the power goes."""
    dovecot, ledger, chance = world.dovecot(), Ledger(), random.Random(2)
    image = Image(world, kind, 400)
    gateway = world.mailweir(dovecot)
    gateway.configuration["spool"]["path"] = str(image.folder / "spool")
    switch, environment, failures = gateway.folder / "fails", {}, 0
    if shim is not None:
        gateway.configuration["sandbox"] = "off"  # the shim looks for its file outside the spool
        environment = {"LD_PRELOAD": str(shim), "CRASH_WHILE": str(switch), "CRASH_HOW": str(errno.EIO), "CRASH_SYNCS": "1"}
    for _ in range(POWER_CUTS):
        os.environ.update(environment)
        try:
            gateway.start()
        finally:
            for name in environment:
                del os.environ[name]
        before = ledger.count()
        ledger.start(gateway, size=400000)
        wait(lambda: ledger.count() >= before + chance.randrange(5, 120), "acknowledged messages", 60)
        if shim is not None:
            switch.touch()
            wait(lambda: gateway.events("spool_commit_failed"), "a commit that failed", 60)
            failures += len(gateway.events("spool_commit_failed"))
        gateway.process.send_signal(signal.SIGSTOP)  # nothing is said any more when the power is gone
        image.cut_power()
        gateway.kill()
        ledger.join()
        switch.unlink(missing_ok=True)
        image.after_power_cut()
    check(ledger, dovecot, gateway)
    also = f", {failures} commits failed before" if shim is not None else ""
    print(f"figure: {kind}: power cut {POWER_CUTS} times{also}, {ledger.count()} acknowledged, {len(filed(dovecot))} filed, each once")


def test_power_cut_ext4(world):
    """Everything that was not synced is gone, on ext4."""
    power_cuts(world, "ext4")


def test_power_cut_xfs(world):
    """The same on xfs."""
    power_cuts(world, "xfs")


def test_power_cut_after_failed_syncs_ext4(world):
    """Syncs fail with EIO, and then the power goes: whoever was acknowledged is filed, whoever was refused is not."""
    power_cuts(world, "ext4", build_shim(world))


def test_power_cut_after_failed_syncs_xfs(world):
    power_cuts(world, "xfs", build_shim(world))


def full_disk(world, folder):
    """452 while the disk is full, delivery goes on, recovery by itself."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    gateway.configuration["spool"].update({"path": str(folder / "spool"), "minimum_free": "8MiB"})
    gateway.start()
    gateway.send(message("number 1", number=1))
    filler = folder / "filler"
    with open(filler, "wb") as out:
        with contextlib.suppress(OSError):
            while os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize > 4 << 20:
                out.write(b"x" * (1 << 20))
                out.flush()

    def reply():
        with gateway.smtp() as client:
            client.ehlo()
            return client.mail("app@example.com")[0]

    wait(lambda: reply() == 452, "452 for MAIL")
    wait(lambda: dovecot.count() == 1, "message that was accepted before")
    filler.unlink()
    wait(lambda: reply() == 250, "250 for MAIL")
    gateway.send(message("number 2", number=2))
    wait(lambda: dovecot.count() == 2, "message that was accepted afterwards")
    gateway.stop()
    return gateway


def test_full_ext4(world):
    gateway = full_disk(world, Image(world, "ext4", 48).folder)
    assert not gateway.events("spool_not_durable")


def test_full_tmpfs(world):
    folder = world.folder / "tmpfs"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"a mount of tmpfs is impossible here: {done.stderr.strip()}")
    world.cleanup.insert(0, lambda: subprocess.run(["umount", folder], capture_output=True))
    gateway = full_disk(world, folder)
    gateway.start()
    assert "is in memory (tmpfs)" in gateway.events("spool_not_durable")[0]["reason"]
    assert "is in memory (tmpfs)" in gateway.run("status")[1], gateway.run("status")
    gateway.stop()


def test_read_only_disk(world):
    """A disk that turns read-only: 4xx, never 5xx, and mail again when it is writable."""
    image = Image(world, "ext4", 100)
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    gateway.configuration["spool"]["path"] = str(image.folder / "spool")
    gateway.start()
    gateway.send(message("number 1", number=1))
    wait(lambda: dovecot.count() == 1, "first message")
    image.cut_power()

    def reply():
        with gateway.smtp() as client:
            client.ehlo()
            code = client.mail("app@example.com")[0]
            if code == 250:
                client.rcpt("ops@example.net")
                code = client.data(message("number 2", number=2))[0]
            return code

    code = reply()
    assert 400 <= code < 500, code
    gateway.kill()
    image.after_power_cut()
    gateway.start()
    assert reply() == 250
    wait(lambda: dovecot.count() == 2, "second message")
    gateway.stop()


def test_read_only_while_running(world):
    """Every write and sync says that the disk is read-only, as after an error of ext4: 4xx to senders, what was accepted stays;
    mail and deliveries again by themselves when it is over (what is to be tried again must be written down first). (A plain remount is no way to get there: the kernel refuses it while the spool's files are open.)"""
    shim, image, dovecot = build_shim(world), Image(world, "ext4", 100), world.dovecot()
    gateway = world.mailweir(dovecot)
    gateway.configuration["spool"]["path"] = str(image.folder / "spool")
    gateway.configuration["sandbox"] = "off"  # the shim looks for its file beside the spool
    switch = gateway.folder / "read-only"
    environment = {"LD_PRELOAD": str(shim), "CRASH_WHILE": str(switch), "CRASH_HOW": str(errno.EROFS)}
    os.environ.update(environment)
    try:
        gateway.start()
    finally:
        for name in environment:
            del os.environ[name]
    assert subprocess.run(["mount", "-o", "remount,ro", image.folder], capture_output=True).returncode != 0

    def reply(number):
        with gateway.smtp() as client:
            client.ehlo()
            code = client.mail("app@example.com")[0]
            if code == 250:
                client.rcpt("ops@example.net")
                code = client.data(message(f"number {number}", number=number))[0]
            return code

    dovecot.stop()
    assert reply(1) == 250
    switch.touch()
    assert 400 <= reply(2) < 500 and 400 <= reply(3) < 500
    dovecot.start()
    assert 400 <= reply(4) < 500
    assert gateway.process.alive() and "does not take mail" in gateway.run("status")[1]
    switch.unlink()
    wait(lambda: reply(5) == 250, "250 again")
    wait(lambda: 5 in filed(dovecot) and "waiting" not in summary(gateway), "empty queue")
    gateway.stop()
    assert sorted(filed(dovecot)) == [1, 5]


def limbo(gateway, ledger, environment, switch, failures):
    """Syncs of the index's log begin to fail while mail flows; the gateway is killed at the last of the failures, or, if none is said, when the
    disk is well again and somebody was refused. Returns the number of groups in limbo."""
    environment = {**environment, "CRASH_AFTER": str(failures or 0)}
    os.environ.update(environment)
    try:
        gateway.start()
    finally:
        for name in environment:
            del os.environ[name]
    before, refused = ledger.count(), len(ledger.refused)
    ledger.start(gateway)
    wait(lambda: ledger.count() >= before + 10, "acknowledged messages", 60)
    switch.touch()
    if failures is None:
        wait(lambda: gateway.events("spool_in_limbo"), "a group in limbo", 60)
        switch.unlink()
        wait(lambda: len(ledger.refused) > refused, "a refusal", 60)
        gateway.kill()
    else:
        wait(lambda: not gateway.process.alive(), "the end of the gateway", 60)
        switch.unlink()
    ledger.join()
    return len(gateway.events("spool_in_limbo"))


def test_killed_in_limbo(world):
    """Syncs of the index's log reach the disk and say that they failed, and the gateway is killed: at the first its group comes to life,
    later ones find it written over. Whoever was refused is not filed afterwards."""
    shim, dovecot, ledger = build_shim(world), world.dovecot(), Ledger()
    gateway = world.mailweir(dovecot)
    gateway.configuration["sandbox"] = "off"  # the shim looks for its file beside the spool
    switch = gateway.folder / "fails"
    environment = {"LD_PRELOAD": str(shim), "CRASH_WHILE": str(switch), "CRASH_HOW": str(errno.EIO), "CRASH_LOG": "1"}
    groups = sum(limbo(gateway, ledger, environment, switch, (1, 2, 3, None)[turn % 4]) for turn in range(ROUNDS))
    check(ledger, dovecot, gateway)
    there = set(filed(dovecot))
    unknown = there - ledger.acknowledged - ledger.refused
    print(f"figure: {groups} groups in limbo over {ROUNDS} kills, {ledger.count()} acknowledged, {len(ledger.refused)} refused, "
          f"{len(there)} filed, {len(unknown)} of them without an answer")
    assert unknown, "nothing came to life: the test does not show what it is for"
    assert ledger.refused, "nobody was refused: the test does not show what it is for"
