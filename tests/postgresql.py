#!/usr/bin/python3
"""postgresql - a server of PostgreSQL of a test's own: in a folder of its own, on a unix socket there (and on a port of loopback, if asked), ended by its pid.

As a program: postgresql.py COMMAND ARGUMENT... starts one with mailweir's tables in it, runs the command with MAILWEIR_POSTGRESQL set to its connection
string, and ends it. Exit status 77 where PostgreSQL is not installed.
"""
import contextlib
import ctypes
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from ports import free_port

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = 77
# By SQLSTATE: a protocol violation, a syntax error, a column or a function that is not there, a parameter of no type.
WRONG_STATEMENT = re.compile(r"(08P01|42601|42703|42883|42P18) ERROR: ")


def _lives(pid):
    """A zombie holds nothing any more."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def programs():
    """The folder of the newest server that is installed; None: there is none, or no user that may run it."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parent.parent.name))
    if not found and shutil.which("postgres"):
        return pathlib.Path(shutil.which("postgres")).parent
    return found[-1].parent if found else None


def account():
    """Who runs it: PostgreSQL refuses to be root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


class Server:
    """options: lines of postgresql.conf. safe: crashes lose nothing (fsync); else it is quicker. tcp: listens on loopback, too.

    primary: it is a standby of that server, which knows it by this name.
    """

    def __init__(self, options=(), safe=False, tcp=False, primary=None, name=""):
        self.bin, self.user = programs(), account()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mwpg", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) and not safe else "/tmp"))
        self.data, self.port, self.process = self.folder / "data", free_port(), None
        if self.user is not None:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        os.chmod(self.folder, 0o755)
        self.name, self.safe, self.tcp, self.options = name, safe, tcp, options
        self.make(primary)

    def make(self, primary):
        """What it has; of an earlier life nothing."""
        shutil.rmtree(self.data, ignore_errors=True)
        options = self.options
        if primary is None:
            self.run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        else:
            self.run("pg_basebackup", "-D", str(self.data), "-h", str(primary.folder), "-p", str(primary.port), "-U", "postgres", "-c", "fast", "--no-sync")
            (self.data / "standby.signal").write_text("")
            options = (*options, self.follows(primary))
        lines = [f"unix_socket_directories = '{self.folder}'", f"listen_addresses = '{'127.0.0.1' if self.tcp else ''}'", f"port = {self.port}",
                 "max_connections = 60", "shared_buffers = 32MB", "log_min_messages = warning", "log_line_prefix = '%m [%p] %e '", "dynamic_shared_memory_type = mmap",
                 *([] if self.safe else ["fsync = off", "full_page_writes = off", "synchronous_commit = on"]), *options]
        with open(self.data / "postgresql.conf", "a") as out:
            out.write("\n".join(lines) + "\n")

    def follows(self, primary):
        return f"primary_conninfo = 'host={primary.folder} port={primary.port} user=postgres application_name={self.name}'"

    def set(self, line):
        """A setting that needs no start; the last one counts."""
        with open(self.data / "postgresql.conf", "a") as out:
            out.write(line + "\n")
        self.sql("SELECT pg_reload_conf()", "postgres")

    def follow(self, primary):
        """Another one is the primary now."""
        self.set(self.follows(primary))

    def promote(self):
        self.sql("SELECT pg_promote(false)", "postgres")

    def hears(self):
        """Whether a standby still gets something from a primary."""
        return self.sql("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'", "postgres") != [["0"]]

    def received(self):
        """How far a standby has what the primary wrote, in bytes."""
        return int(self.sql("SELECT pg_last_wal_receive_lsn() - '0/0'", "postgres")[0][0])

    def become(self):
        if self.user is not None:
            os.setgroups([])
            os.setgid(self.user.pw_gid)
            os.setuid(self.user.pw_uid)
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with the test

    def run(self, program, *arguments):
        done = subprocess.run([str(self.bin / program), *arguments], capture_output=True, text=True, preexec_fn=self.become, cwd="/")
        if done.returncode != 0:
            raise AssertionError(f"{program} failed: {done.stderr or done.stdout}")
        return done.stdout

    def start(self):
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([str(self.bin / "postgres"), "-D", str(self.data)], stdout=self.log, stderr=self.log, preexec_fn=self.become,
                                        cwd="/", start_new_session=True)
        deadline = time.monotonic() + 60
        while subprocess.run([str(self.bin / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)], check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("PostgreSQL did not start: " + self.log_text())
            time.sleep(0.02)
        return self

    def log_text(self):
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def stop(self, how=signal.SIGINT):
        """SIGINT: in order; SIGQUIT: as if it crashed; SIGKILL of all that it started: as if the machine took them."""
        if self.process is None:
            return
        if how == signal.SIGKILL:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        elif self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(30)
        self.process = None

    def signal_all(self, number):
        """The server and every process of it, each of which is a group of its own."""
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False).stdout.split()
        everyone = (self.process.pid, *map(int, children))
        for process in everyone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        return everyone

    def kill(self):
        """As if the machine took it: the server and all that it started, at once. The next start needs the last of them gone."""
        self.process.send_signal(signal.SIGSTOP)  # it starts no more
        killed = self.signal_all(signal.SIGKILL)
        self.process.wait(30)
        deadline = time.monotonic() + 60
        while any(map(_lives, killed)):
            assert time.monotonic() < deadline, f"PostgreSQL's processes do not end: {killed}"
            time.sleep(0.02)
        self.process = None

    def connection(self, database="mailweir", user="postgres"):
        return f"host={self.folder} port={self.port} dbname={database} user={user}"

    def sql(self, text, database="mailweir"):
        """Rows as lists of texts."""
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", self.connection(database), "-c", text],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{text}: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines() if line]

    def create(self, database="mailweir"):
        self.sql(f"CREATE DATABASE {database}", "postgres")
        return self

    def check_statements(self):
        """No statement of mailweir's may be wrong by itself: who asks may take an error for an answer."""
        wrong = [line for line in (self.folder / "log").read_text(errors="replace").splitlines() if WRONG_STATEMENT.search(line)]
        assert not wrong, "PostgreSQL refused statements: " + "\n".join(wrong)

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def server(**how):
    one = Server(**how)
    try:
        yield one.start().create()
    finally:
        one.close()


def available():
    return programs() is not None and (os.getuid() != 0 or account() is not None)


def main():
    if not available():
        print("PostgreSQL's server is not installed")
        return SKIPPED
    with server() as one:
        status = subprocess.run(sys.argv[1:], env={**os.environ, "MAILWEIR_POSTGRESQL": one.connection()}, check=False).returncode
        if status == 0:
            one.check_statements()
        return status


if __name__ == "__main__":
    sys.exit(main())
