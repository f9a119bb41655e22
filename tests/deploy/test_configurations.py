"""Every sample configuration: it is good as it stands, and mail flows by it, with a Dovecot of the test's own in the place of its upstreams."""
import json
import pathlib
import re
import smtplib
import ssl
import subprocess

from deployed import ROOT
from harness import MAILWEIR, free_port, message, wait
from test_imap_auth import dovecot_for, endpoint, token

SAMPLES = ROOT / "deploy/sample/configurations"


def service_key(world):
    """A key of RSA, as service accounts have."""
    file = world.folder / "service.key"
    if not file.exists():
        subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", file], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True)
    return file.read_text()


def beside(world, text):
    """The configuration's text with its absolute paths below the test's folder, and the files that it names."""
    folder = world.folder / "root"
    certificate, key = world.server_certificate
    for name, content in {"etc/mailweir/tls.crt": certificate.read_text(), "etc/mailweir/tls.key": key.read_text(),
                          "etc/mailweir/corp-ca.pem": world.certificates.ca.read_text(), "run/secrets/imap": "relaypw\n",
                          "run/secrets/service-account.json": json.dumps({
                              "type": "service_account", "client_email": "gateway@mail.iam.gserviceaccount.com",
                              "private_key": service_key(world), "token_uri": "https://oauth2.googleapis.com/token"}),
                          "run/secrets/blue": "relaypw\n", "run/secrets/green": "relaypw\n", "run/secrets/m365": "secret\n",
                          "etc/mailweir/imap-password": "relaypw\n", "run/secrets/mailweir/imap-password": "relaypw\n",
                          "run/secrets/mailweir/admin-token": "a token of the test's own\n",
                          "run/secrets/mailweir/metrics-token": "a token for Prometheus\n", "run/secrets/mailweir/database-password": "of-the-test\n"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o600)
    for name in ("run/mailweir", "var/lib", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    subprocess.run([MAILWEIR, "passwd", "--users", str(folder / "etc/mailweir/users.json"), "app"], input="apppw\napppw\n", text=True,
                   check=True, capture_output=True, timeout=60)
    return re.sub(r'(?<=[":])/(?=etc/mailweir/|run/|var/lib/mailweir|tmp/mailweir")', f"{folder}/", text)


def check(world, file, extra=None):
    done = subprocess.run([MAILWEIR, "check", "--config", str(file)], capture_output=True, text=True, timeout=60,
                          env={"GMAIL_APP_PASSWORD": "relaypw", "IMAP_PASSWORD": "relaypw", "MAILWEIR_PASSWORD": "relaypw",
                               "MAILWEIR_TOKEN": "a token of the test's own", **(extra or {})})
    assert done.returncode == 0, f"{file.name}: {done.stdout}{done.stderr}"


def prepared(world, sample):
    folder = world.folder / sample.stem
    folder.mkdir()
    for rules in SAMPLES.glob("*.rules.json"):
        (folder / rules.name).write_text(rules.read_text())
    (folder / "rules.d").mkdir()
    (folder / "rules.d/10-first.json").write_text('{"rules": []}')
    file = folder / "mailweir.json"
    file.write_text(beside(world, sample.read_text()))
    return file


def samples():
    return [path for path in sorted(SAMPLES.glob("*.json")) if not path.name.endswith(".rules.json")]


def test_every_sample_is_good(world):
    assert len(samples()) >= 6
    for sample in samples():
        check(world, prepared(world, sample))
    text = (ROOT / "deploy/etc/mailweir.json").read_text()
    file = world.folder / "etc.json"
    file.write_text(beside(world, text))
    (world.folder / "rules.d").symlink_to(ROOT / "deploy/etc/rules.d")
    check(world, file)


def hand_in(world, gateway, listener, to):
    """One message to a listener, as its configuration wants it."""
    address = listener["address"]
    kind = smtplib.LMTP if listener.get("protocol") == "lmtp" else smtplib.SMTP
    if address.startswith("unix:"):
        client = kind(address[5:])
    elif listener.get("tls", {}).get("mode") == "implicit":
        context = ssl.create_default_context(cafile=world.certificates.ca)
        client = smtplib.SMTP_SSL("127.0.0.1", int(address.rsplit(":", 1)[1]), context=context, timeout=60)
    else:
        client = kind("127.0.0.1", int(address.rsplit(":", 1)[1]), timeout=60)
    with client:
        if "auth" in listener:
            client.login("app", "apppw")
        client.sendmail("app@example.net", [to], message(f"by {listener['name']}"))


def test_samples_log_in_by_tokens(world):
    """Those with OAuth2 keep their whole "auth" here: only the provider's address is the test's, and Dovecot checks the token itself."""
    dovecot = dovecot_for(world)
    with open(dovecot.folder / "conf/users", "a") as users:
        users.write("shared@example.net:{PLAIN}no password::::::\n")
    found = []
    for sample in samples():
        file = prepared(world, sample)
        configuration = json.loads(file.read_text())
        upstream, = configuration["upstreams"].values() if len(configuration["upstreams"]) == 1 else [{"auth": {}}]
        auth = upstream["auth"]
        if not {"oauth2", "service_account"} & set(auth):
            continue
        address, asked = endpoint(world, lambda form: (200, {"access_token": token("shared@example.net"), "expires_in": 3600}))
        if "oauth2" in auth:
            auth["oauth2"]["token_endpoint"] = address
        else:
            key = pathlib.Path(auth["service_account"]["file"])
            key.write_text(json.dumps({**json.loads(key.read_text()), "token_uri": address}))
        upstream.update(address=f"127.0.0.1:{dovecot.tls_port}", tls={**upstream["tls"], "ca_file": str(world.certificates.ca)})
        configuration["listeners"][0]["address"] = f"127.0.0.1:{free_port()}"
        configuration["listeners"][0].pop("allow", None)
        gateway = world.mailweir(dovecot, name=sample.stem + "-tokens")
        gateway.configuration = configuration
        gateway.start()
        hand_in(world, gateway, configuration["listeners"][0], "ops@example.net")
        wait(lambda: gateway.events("filed"), f"message by the token of {sample.name}")
        gateway.stop()
        found.append((sample.stem, asked[0]["grant_type"]))
    assert found == [("gmail-service-account", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("microsoft365", "client_credentials")], found


def test_mail_flows_by_every_sample(world):
    dovecot = world.dovecot()
    before = 0
    for sample in samples():
        file = prepared(world, sample)
        configuration = json.loads(file.read_text())
        for listener in configuration["listeners"]:
            if not listener["address"].startswith("unix:"):
                listener["address"] = f"127.0.0.1:{free_port()}"
            if "allow" in listener:
                listener["allow"].append("127.0.0.0/8")
        for upstream in configuration["upstreams"].values():
            port = dovecot.port if upstream["tls"]["mode"] == "starttls" else dovecot.tls_port
            upstream["address"] = f"127.0.0.1:{port}"
            upstream["tls"]["ca_file"] = str(world.certificates.ca)
            upstream["auth"] = {"username": "relay", "password": "relaypw"}
        gateway = world.mailweir(dovecot, name=sample.stem + "-run")
        gateway.configuration = configuration
        configuration["rules"] = [str(file.parent / name) for name in configuration.get("rules", [])]
        gateway.start()
        folder = configuration["default"].get("folder", "INBOX")
        for listener in configuration["listeners"]:
            to = listener.get("recipients", ["ops@example.net"])[0].replace("*", "ops")
            before = dovecot.count(folder)
            hand_in(world, gateway, listener, to)
            wait(lambda: dovecot.count(folder) == before + 1, f"message of {sample.name} in {folder}")
        gateway.stop()
