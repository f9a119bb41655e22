"""What needs packages from elsewhere is left out, with the reason, where they cannot be had; and it is not left out where they can."""
import contextlib
import http.server
import os
import threading

from deployed import need, need_mirrors
from harness import Skip, free_port


@contextlib.contextmanager
def sources(world, address):
    """apt has this source alone, asks it without a proxy, and keeps what it gets in a folder of its own."""
    folder = world.folder / "apt"
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(f"deb [trusted=yes] {address} stable main\n")
    (folder / "apt.conf").write_text(f'Dir::Etc::SourceList "{folder}/sources.list";\nDir::Etc::SourceParts "-";\nDir::State::Lists "{folder}/lists";\n'
                                     'Acquire::http::Proxy "DIRECT";\n')
    before = {name: os.environ.get(name) for name in ("APT_CONFIG", "http_proxy", "HTTP_PROXY")}
    os.environ["APT_CONFIG"] = str(folder / "apt.conf")
    for name in ("http_proxy", "HTTP_PROXY"):
        os.environ.pop(name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextlib.contextmanager
def mirror(text):
    """The address of a server that gives this InRelease."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            good = self.path == "/debian/dists/stable/InRelease"
            self.send_response(200 if good else 404)
            self.send_header("Content-Length", str(len(text) if good else 0))
            self.end_headers()
            self.wfile.write(text.encode() if good else b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/debian"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def skipped(*architectures):
    try:
        need_mirrors(*architectures)
    except Skip as reason:
        return str(reason)
    return None


def test_a_mirror_that_does_not_answer(world):
    need("apt-get")
    with sources(world, f"http://127.0.0.1:{free_port()}/debian"):
        assert "cannot be reached: http://127.0.0.1" in (skipped() or ""), skipped()
    with mirror("no such file here") as address, sources(world, address + "/elsewhere"):
        assert "cannot be reached" in (skipped() or ""), skipped()


def test_a_mirror_without_the_architecture(world):
    need("apt-get")
    with mirror("Origin: Debian\nArchitectures: all amd64\n") as address, sources(world, address):
        assert skipped() is None and skipped("amd64") is None, skipped("amd64")
        assert "has none for arm64: " in (skipped("amd64", "arm64") or ""), skipped("amd64", "arm64")
