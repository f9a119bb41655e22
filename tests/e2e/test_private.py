"""What waits is its user's alone, whatever the umask, the folder, or who left it open."""
import os
import stat

from harness import message, wait


def open_to_others(folder):
    """What others than its user may read, write or enter; of sockets, what others than user and group may."""
    found = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_IMODE(mode) & (0o007 if stat.S_ISSOCK(mode) else 0o077):
            found[str(path.relative_to(folder))] = oct(mode)
    return found


def names(folder):
    return {path.name.split(".")[0] if path.suffix == ".segment" else path.name for path in folder.rglob("*")}


def test_the_spool_is_its_users_alone(world):
    """In a folder that was there and is open, made by a process with umask 0; and again when all of it was opened, as by an older version or a copy."""
    gateway = world.mailweir(None)
    spool = gateway.folder / "spool"
    spool.mkdir()
    spool.chmod(0o755)
    before = os.umask(0)
    try:
        gateway.start()
        gateway.send(message(number=1))
        with gateway.smtp() as client:
            client.docmd("NONSENSE")
        wait(lambda: {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "lock", "admin.sock"} <= names(spool) and len(names(spool)) > 6, "files")
        assert open_to_others(spool) == {}
        assert stat.S_IMODE(spool.stat().st_mode) == 0o755  # whoever made it wanted that
        gateway.stop()
        for path in spool.rglob("*"):
            if not path.is_socket():
                path.chmod(0o777 if path.is_dir() else 0o666)
        gateway.start()
        gateway.send(message(number=2))
        assert open_to_others(spool) == {}
        gateway.kill()
    finally:
        os.umask(before)


def test_what_any_user_may_read_is_warned_of(world):
    """By check, and at the start; not where a folder above keeps everybody out."""
    gateway = world.mailweir(None)
    secret, spool = gateway.folder / "secret", gateway.folder / "spool"
    secret.write_text("relaypw")
    spool.mkdir()
    gateway.upstream["auth"]["password"] = {"file": str(secret)}
    world.folder.chmod(0o755)
    gateway.folder.chmod(0o755)
    spool.chmod(0o755)
    secret.chmod(0o644)
    status, out, err = gateway.run("check")
    warned = [line for line in (out + err).splitlines() if "any user of this machine" in line]
    assert status == 0 and len(warned) == 2 and "secret" in "".join(warned) and f"chmod o-r {spool}" in "".join(warned), out + err
    gateway.start()
    assert all(line in gateway.log.read_text() for line in warned)
    gateway.stop()
    world.folder.chmod(0o700)
    status, out, err = gateway.run("check")
    assert status == 0 and "any user" not in out + err, out + err
