"""What the documents tell the reader to type works: every command in them is taken out and run, every piece of configuration and every rule is checked.

Commands of mailweir run against a gateway that runs, with something of each state in its queue; words in capitals stand for something of it. Commands of others
(docker, kubectl, apt ...) need what is not here: they must be of a program that is named below with the reason, and whole for the shell.
"""
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import tomllib

from harness import MAILWEIR, ROOT, message, wait

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "deploy/doc").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.S | re.M)
# Programs of others, and why they are not run here.
OTHERS = {
    "deploy/quickstart": "tests/deploy/bare_root runs it", "tests/run": "it is what runs this", "deploy/kubernetes/apply": "tests/deploy/kubernetes runs it",
    "docker": "tests/deploy/compose brings its services up", "podman": "tests/deploy/container builds and runs the image", "deploy/release": "tests/deploy/release runs it",
    "apt": "tests/deploy/package installs the package", "dpkg-deb": "of a package", "new/usr/sbin/mailweir": "the program of that package", "systemctl": "tests/deploy/systemd_boot does it", "systemd-analyze": "tests/deploy/systemd",
    "kubectl": "needs a cluster", "helm": "is not in Debian; tests/deploy/helm renders the chart", "ssh": "needs another machine", "minisign": "tests/deploy/release checks a signature",
    "sha256sum": "tests/deploy/release checks the sums", "openssl": "makes a random word", "swaks": "tests/e2e/smtp_clients runs it", "install": "the hook of a renewal is run below",
    "tests/bench/run": "measures for an hour on a quiet machine",
    "mv": "the hook of a renewal is run below", "set": "of the shell", "sed": "of the shell",
}
# Named in the text, without what they need: their help is asked for.
NAMES = {"explain", "explain --diff", "why", "passwd", "init", "run", "test", "forget", "find", "trace", "queue", "spool", "queue retry --again", "queue reroute --again", "queue drop --again",
         "queue pause", "queue resume", "drain"}
# Commands that say no here, and why that is right.
SAYS_NO = {"spool rebuild": 69,   # the gateway runs
           "spool restore": 73,   # the spool is not empty
           "spool migrate": 69,   # no such database
           "spool move": 64,      # nor one in the configuration
           "upstreams login": 78,  # the account has a password and no provider
           "probe": 0}
MORE = {"top": ["--times", "1"], "trace": ["--for", "1s"]}
WITHOUT_CONFIG = ("version", "passwd", "schema", "manual", "completion")


def fences(path):
    return [(language, body) for _, language, body in FENCE.findall(path.read_text())]


def commands(path):
    """Each command of the document, once."""
    text, found = path.read_text(), []
    for language, body in fences(path):
        if language in ("sh", "bash"):
            found += [line.split("    # ")[0].strip() for line in body.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for inline in re.findall(r"`([^`\n]+)`", FENCE.sub("", text)):
        first = inline.split()[0]
        if first == "mailweir" or (first in OTHERS and " " in inline and first not in ("install", "set", "mv")):
            found.append(inline)
    return [command for command in dict.fromkeys(found) if command != "mailweir"]


class Reader:
    """Types what stands in a document, beside a gateway."""

    def __init__(self, world):
        self.world, self.folder = world, world.folder / "desk"
        self.dovecot = world.dovecot()
        self.gateway = world.mailweir(self.dovecot, [{"name": "ci", "if": {"header": "Subject", "contains": "failed"}, "then": [
            {"fileinto": {"upstream": "corp", "folder": "CI"}}, {"stop": True}]}])
        self.gateway.configuration["probe"] = {"folder": "mailweir-probe"}
        self.gateway.start()
        self.gateway.send(message("an invoice"))
        wait(lambda: self.gateway.events("filed"), "a filed message")
        for name in ("rules.d", "new-rules.d", "samples", "NEW"):
            (self.folder / name).mkdir(parents=True)
        for name in ("rules.d", "new-rules.d"):
            shutil.copy(self.gateway.folder / "rules.json", self.folder / name / "10-first.json")
        shutil.copy(self.gateway.folder / "rules.json", self.folder / "NEW.json")
        (self.folder / "message.eml").write_bytes(message("failed: web"))
        shutil.copy(self.folder / "message.eml", self.folder / "samples")
        (self.folder / "mbox").write_bytes(b"From a@example.com Tue Dec  1 10:00:00 2026\n" + message("old").replace(b"\r\n", b"\n") + b"\n")
        self.copies = 0

    def word(self, word, command):
        """What stands for a word in capitals, or for a path of the reader's."""
        if word == "ID":
            return self.identity
        self.copies += 1
        fresh = str(self.folder / f"fresh-{self.copies}")
        known = {"NAME": "prober" if "passwd" in command else "corp", "MESSAGE-ID": self.message_id, "A": "a@example.com", "B": "ops@example.net", "OLD": "rules.d",
                 "NEW": "NEW.json", "FILE": str(self.folder / "users.json")}
        if word == "FOLDER":
            self.export = self.export_folder() if " import" in command else fresh
            return self.export
        if word.startswith("/backup/"):
            return str(self.folder / "backup" / pathlib.Path(word).name)
        return known.get(word, word)

    def export_folder(self):
        folder = str(self.folder / f"export-{self.copies}")
        assert self.gateway.run("queue", "export", "--all", "--to", folder)[0] == 0
        return folder

    def prepare(self):
        """Something waits."""
        assert self.gateway.run("queue", "pause", "corp")[0] == 0
        self.gateway.send(message("waits"))
        held = message("waits, too")
        self.message_id = re.search(rb"Message-ID: (\S+)", held)[1].decode()
        self.identity = self.gateway.send(held)

    def type(self, command):
        """Exit status and output."""
        self.prepare()
        if " release " in command:
            assert self.gateway.run("queue", "hold", self.identity)[0] == 0
        (self.folder / "backup").mkdir(exist_ok=True)
        name = command.removeprefix("mailweir ")
        if name in NAMES:
            words = [*shlex.split(name.split(" --")[0]), "--help"]
        else:
            words = [self.word(word, command) for word in shlex.split(name)]
            words += MORE.get(words[0], [])
            alone = words[0] in WITHOUT_CONFIG or (words[0] == "test" and len(words) > 1) or (words[:2] == ["explain", "--diff"] and "--recent" not in words)
            words += [] if alone else ["--config", str(self.gateway.file)]
        expanded = [match for word in words for match in ([str(path.relative_to(self.folder)) for path in self.folder.glob(word)] if "*" in word else [word])]
        done = subprocess.run([MAILWEIR, *expanded], cwd=self.folder, capture_output=True, text=True, timeout=120, input="a long password\n")
        return done.returncode, " ".join(expanded), done.stdout + done.stderr

    def end(self):
        self.gateway.stop()


def wanted_status(command):
    for beginning, status in SAYS_NO.items():
        if command.removeprefix("mailweir ").startswith(beginning):
            return status
    return 0


def test_every_command(world):
    reader, run, others = Reader(world), 0, 0
    for path in DOCUMENTS:
        for command in commands(path):
            program = command.split()[0]
            if program != "mailweir":
                assert program in OTHERS, f"{path.name}: {command}: what is {program}? it is not run here, and nothing says why"
                done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True)
                assert done.returncode == 0, f"{path.name}: {command}: {done.stderr}"
                others += 1
                continue
            if command == "mailweir probe":  # it waits for what is paused
                assert reader.gateway.run("queue", "resume", "corp")[0] == 0
                assert reader.gateway.run("probe")[0] == 0
                run += 1
                continue
            shutil.rmtree(reader.folder / "backup", ignore_errors=True)
            if "check --spool /backup" in command or "restore /backup" in command:  # which the command before it in the document has made
                assert reader.type("mailweir spool backup " + command.split()[-1])[0] == 0
            status, typed, said = reader.type(command)
            nothing = status == 1 and "0 deliveries" in said and "--state" in command  # no dead letter is there
            assert nothing or status == wanted_status(command), f"{path.name}: {command} ({typed}) ended with {status}:\n{said[-2000:]}"
            run += 1
    assert run > 60, run
    print(f"figure: {run} commands of {len(DOCUMENTS)} documents run, {others} of other programs are whole")
    reader.end()


def test_every_configuration_and_rule(world):
    """Whole files are checked and tested; pieces are JSON as they stand in their object."""
    checked = 0
    for path in DOCUMENTS:
        for number, (language, body) in enumerate(fences(path)):
            if language == "toml":
                tomllib.loads(body)
            if language != "json" or path.name == "rules.md":
                continue
            piece = body if body.lstrip().startswith("{") else "{" + body + "}"
            value = json.loads(piece)
            folder = world.folder / f"{path.stem}-{number}"
            folder.mkdir()
            if "listeners" in value:
                (folder / "rules.d").mkdir()
                (folder / "rules.d/10-first.json").write_text('{"rules": []}')
                (folder / "imap-password").write_text("secret")
                (folder / "mailweir.json").write_text(body.replace("/etc/mailweir/", f"{folder}/").replace("/var/lib/mailweir", f"{folder}/spool"))
                done = subprocess.run([MAILWEIR, "check", "--config", folder / "mailweir.json"], capture_output=True, text=True, timeout=60)
            elif "rules" in value:
                (folder / "rules.json").write_text(body)
                done = subprocess.run([MAILWEIR, "test", folder / "rules.json"], capture_output=True, text=True, timeout=60)
            else:
                continue
            assert done.returncode == 0, f"{path.name}: {body}\n{done.stdout}{done.stderr}"
            checked += 1
    assert checked >= 2, "the front door's own case"


def test_the_hook_of_a_renewal(world):
    """As a certificate authority's client runs it: the files end where the listener reads them, with the rights that the service's user needs."""
    recipes = ROOT / "deploy/doc/recipes.md"
    script, = [body for language, body in fences(recipes) if "RENEWED_LINEAGE" in body]
    etc, lineage = world.folder / "etc", world.folder / "live"
    etc.mkdir(), lineage.mkdir()
    certificate, key = world.server_certificate
    shutil.copy(certificate, lineage / "fullchain.pem"), shutil.copy(key, lineage / "privkey.pem")
    # The user and the group are those of the machine that the test runs on.
    script = script.replace("-o root -g mailweir ", "").replace("/etc/mailweir", str(etc))
    subprocess.run(["sh", "-c", script], check=True, env={"PATH": "/usr/bin:/bin", "RENEWED_LINEAGE": str(lineage)})
    assert sorted(path.name for path in etc.iterdir()) == ["tls.crt", "tls.key"] and (etc / "tls.key").stat().st_mode & 0o777 == 0o640
    assert (etc / "tls.crt").read_text() == certificate.read_text()


def test_the_examples_of_the_configurations_manual(world):
    """Each is a whole file that `check` takes, with the files that it names."""
    manual = subprocess.run([MAILWEIR, "manual"], capture_output=True, text=True, check=True).stdout
    examples = [text.replace("\\-", "-").replace("\\e", "\\") for text in re.findall(r"\.nf\n\.RS 2\n(.*?)\.RE\n\.fi\n", manual.split(".SH EXAMPLES\n")[1], re.S)]
    assert len(examples) >= 3
    certificate, key = world.server_certificate
    for number, text in enumerate(examples):
        folder = world.folder / f"example-{number}"
        (folder / "rules.d").mkdir(parents=True)
        (folder / "rules.d/10-first.json").write_text('{"rules": []}')
        shutil.copy(certificate, folder / "tls.crt"), shutil.copy(key, folder / "tls.key")
        (folder / "users.json").write_text('{"users": {}}')
        for name in ("imap-password", "token", "token.prometheus"):
            (folder / name).write_text(f"a secret of its own: {name}\n")
        (folder / "mailweir.json").write_text(text.replace("/var/lib/mailweir", f"{folder}/spool").replace("/tmp/mailweir", f"{folder}/spool"))
        done = subprocess.run([MAILWEIR, "check", "--config", folder / "mailweir.json"], capture_output=True, text=True, timeout=60,
                              env={"PATH": "/usr/bin:/bin", "ARCHIVE_PASSWORD": "of the archive"})
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


def test_the_examples_of_values(world):
    """Each line of the rules manual's table of functions: the rules say that value to that message."""
    values = re.findall(r"^\t((?:subject|header\.[\w-]+) \| .*?\S) {2,}(\S.*)$", (ROOT / "deploy/doc/rules.md").read_text(), re.M)
    functions = {function for value, _ in values for function in re.findall(r"\| (\w+)", value)}
    explained = set(re.findall(r"^\*\*(\w+)(?:, \w+)?\(?[^*]*\*\*$", re.search(r"^A function makes.*?^Each with an example", (ROOT / "deploy/doc/rules.md").read_text(), re.M | re.S)[0], re.M))
    assert len(values) > 30 and functions == explained, functions ^ explained
    edits = [{"addheader": {"name": f"X-Value-{number}", "value": f"${{{value}}}"}} for number, (value, _) in enumerate(values)]
    (world.folder / "values.json").write_text(json.dumps({
        "maps": {"teams": {"web-1": "ops"}}, "rules": [{"name": "all", "then": edits}],
        "tests": [{"name": f"${{{value}}}", "now": "2026-11-23T07:40:00Z", "from": "a@example.com", "to": "b@example.net",
                   "headers": {"Subject": "Disk 93% on web-1", "X-Hosts": "web-1, db-1, web-1", "Date": "Mon, 23 Nov 2026 08:30:00 +0100"},
                   "expect": {"headers": {f"X-Value-{number}": said}}} for number, (value, said) in enumerate(values)]}))
    done = subprocess.run([MAILWEIR, "test", world.folder / "values.json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
