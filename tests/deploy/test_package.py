"""The Debian package: lintian has nothing to say against it; in a Debian root of its own it installs, checks its configuration, and goes again."""
import hashlib
import os
import shutil

from deployed import ROOT, debian_root, need, run


def package():
    """The package, made from a release build of its own in build-deb."""
    need("dpkg-shlibdeps", "lintian", "cmake")
    build = ROOT / "build-deb"
    run("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DCMAKE_INSTALL_PREFIX=/usr", "-DCMAKE_BUILD_TYPE=Release", "-DMAILWEIR_TESTS=OFF")
    run("ninja", "-C", build)
    for old in build.glob("*.deb"):
        old.unlink()
    run("cpack", "-G", "DEB", cwd=build)
    return next(build.glob("*.deb"))


COMPLETIONS = ("bash-completion/completions/mailweir", "zsh/vendor-completions/_mailweir", "fish/vendor_completions.d/mailweir.fish")
# What "systemctl enable" leaves, the operator's work.
ENABLED = "etc/systemd/system/multi-user.target.wants/mailweir.service"


def test_lintian_has_no_error(world):
    run("lintian", "--allow-root", "--fail-on", "error,warning", package())


def test_the_same_octets_wherever_it_is_built(world):
    build = package().parent
    assert str(ROOT).encode() not in (build / "mailweir").read_bytes(), "the program names the folder that it was built in"
    sums = set()
    for _ in range(2):
        run("cpack", "-G", "DEB", cwd=build, env={**os.environ, "SOURCE_DATE_EPOCH": "1796000000"})
        sums.add(hashlib.sha256(next(build.glob("*.deb")).read_bytes()).hexdigest())
        for file in build.glob("*.gz"):
            os.utime(file)
    assert len(sums) == 1, "a package made a second later is another"


def test_installs_and_goes_again(world):
    deb = package()
    with debian_root(world.folder) as (root, inside):
        shutil.copy(deb, root / "mailweir.deb")
        run(*inside, "apt-get", "update", "-qq")
        run(*inside, "apt-get", "install", "-qq", "-y", "--no-install-recommends", "/mailweir.deb")
        for folder in ("/var/lib/mailweir", "/var/lib/mailweir-tokens"):
            assert run(*inside, "stat", "-c", "%U %a", folder).split() == ["mailweir", "700"]
        assert run(*inside, "stat", "-c", "%U:%G %a", "/etc/mailweir/mailweir.json").split() == ["root:mailweir", "640"]
        (root / "etc/mailweir/imap-password").write_text("secret\n")
        run(*inside, "mailweir", "check")
        run(*inside, "mailweir", "test")
        for file in ("usr/share/man/man8/mailweir.8.gz", "usr/share/man/man5/mailweir.conf.5.gz", "usr/share/man/man5/mailweir-rules.5.gz", "usr/share/man/man7/mailweir-guide.7.gz",
                     *(f"usr/share/man/man7/mailweir-{name}.7.gz" for name in ("recipes", "security", "upgrading", "figures")),
                     *(f"usr/share/mailweir/{name}" for name in ("prometheus-alerts.yml", "grafana-dashboard.json", "schema/config.schema.json",
                                                                 "schema/rules.schema.json", "schema/log.schema.json", "schema/openapi.json")),
                     "usr/share/doc/mailweir/operators-guide.md", "usr/share/doc/mailweir/examples/10-ci.json", "usr/share/doc/mailweir/configurations/gmail-app-password.json",
                     "lib/systemd/system/mailweir.service", *(f"usr/share/{name}" for name in COMPLETIONS)):
            assert (root / file).stat().st_size > 100, file
        ask = f". /usr/share/{COMPLETIONS[0]}; COMP_WORDS=(mailweir heal); COMP_CWORD=1; _mailweir; echo ${{COMPREPLY[@]}}"
        assert run(*inside, "bash", "-c", ask).split() == ["health"]
        (root / ENABLED).parent.mkdir(parents=True, exist_ok=True)
        (root / ENABLED).symlink_to("/lib/systemd/system/mailweir.service")
        (root / "etc/mailweir/mailweir.json").write_text("{ \"hostname\": \"mine\" }")
        run(*inside, "dpkg", "--install", "/mailweir.deb")
        assert "mine" in (root / "etc/mailweir/mailweir.json").read_text(), "an upgrade keeps what the operator wrote"
        run(*inside, "apt-get", "remove", "-qq", "-y", "mailweir")
        assert (root / "etc/mailweir/mailweir.json").exists() and (root / "var/lib/mailweir").exists(), "removal keeps configuration and queue"
        assert not (root / "usr/sbin/mailweir").exists()
        assert (root / ENABLED).is_symlink(), "the service runs again when the package comes back"
        run(*inside, "apt-get", "purge", "-qq", "-y", "mailweir")
        assert not (root / "etc/mailweir/mailweir.json").exists() and not (root / "var/lib/mailweir").exists() and not (root / "var/lib/mailweir-tokens").exists()
        assert not (root / ENABLED).is_symlink(), "an enabled unit that is no more is complained of at each boot"
        assert (root / "etc/mailweir/imap-password").exists(), "what the operator made is the operator's"


def test_a_purge_keeps_mail_that_was_not_delivered(world):
    deb = package()
    with debian_root(world.folder) as (root, inside):
        shutil.copy(deb, root / "mailweir.deb")
        (root / "mail.eml").write_text("From: a@example.com\nSubject: waits\n\nhello\n")
        run(*inside, "apt-get", "update", "-qq")

        def install():
            run(*inside, "apt-get", "install", "-qq", "-y", "--no-install-recommends", "/mailweir.deb")
            (root / "etc/mailweir/imap-password").write_text("secret\n")
        install()
        assert run(*inside, "mailweir", "queue", "import", "/mail.eml", "--from", "a@example.com", "--recipients", "ops@example.net")
        waits = run(*inside, "mailweir", "queue", "list", "--json")
        said = run(*inside, "apt-get", "purge", "-qq", "-y", "mailweir")
        assert "not delivered, and is kept" in said and (root / "var/lib/mailweir/index.sqlite").exists(), said
        install()
        assert run(*inside, "mailweir", "queue", "list", "--json") == waits, "what was kept is there again"
        run(*inside, "mailweir", "queue", "drop", "--all", "--again")  # what was imported may have been filed by whoever had it before
        run(*inside, "apt-get", "remove", "-qq", "-y", "mailweir")
        assert (root / "var/lib/mailweir/index.sqlite").exists()
        run(*inside, "apt-get", "purge", "-qq", "-y", "mailweir")
        assert not (root / "var/lib/mailweir").exists(), "nothing waits any more"
        install()
        assert run(*inside, "mailweir", "queue", "import", "/mail.eml", "--from", "a@example.com", "--recipients", "ops@example.net")
        run(*inside, "env", "MAILWEIR_PURGE_QUEUE=yes", "apt-get", "purge", "-qq", "-y", "mailweir")
        assert not (root / "var/lib/mailweir").exists(), "somebody said so"
