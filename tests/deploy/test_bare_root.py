"""The README's two commands in a Debian root with nothing but git: they install all that they need, build, and do what they say."""
import contextlib
import os
import re

from deployed import ROOT, Skip, compiler_cache, debian_root, ending, run

# What the second command runs there: something of each stage that needs no more than the root; all of it by hand (MAILWEIR_BARE_ROOT=all). cppcheck, which takes
# longest, says there what it says here.
LINTS = sorted(f"lint/{path.stem}" for path in (ROOT / "tests/lint").glob("*.py") if path.stem not in ("cppcheck", "broken"))
PART = ["unit/bytes", "unit/spool_admin", *LINTS, "e2e/main/curl", "e2e/refusals/"]


@contextlib.contextmanager
def compiled_before(root, inside):
    """Where this machine keeps what was compiled (ccache), the root takes from there and adds to it: its sources lie in the same folder each time. Gives the
    words that a command in it begins with."""
    cache = compiler_cache()
    if cache is None:
        yield inside
        return
    run(*inside, "apt-get", "update", "-qq")
    run(*inside, "apt-get", "install", "-qq", "-y", "--no-install-recommends", "ccache")
    (root / "ccache").mkdir()
    run("mount", "--bind", cache, root / "ccache")
    with ending(["umount", root / "ccache"]):
        yield [*inside, "CCACHE_DIR=/ccache"]


def test_two_commands(world):
    if not (ROOT / ".git").exists():
        raise Skip("this is no clone: there is nothing to clone from")
    part = [] if os.environ.get("MAILWEIR_BARE_ROOT") == "all" else PART
    with debian_root(world.folder) as (root, plainly), compiled_before(root, plainly) as inside:
        run("git", "-c", "safe.directory=*", "clone", "--quiet", ROOT, root / "src")
        said = run(*inside, "/src/deploy/quickstart", "--check")
        assert re.search(r"4 of 4", said), said[-3000:]
        said = run(*inside, "/src/tests/run", *part)
        counts = re.search(r"^(\d+) passed, 0 failed", said.splitlines()[-1])
        assert counts and int(counts.group(1)) > 10, said[-3000:]
        print(f"figure: quickstart --check: 4 of 4; tests/run {' '.join(part)}: {said.splitlines()[-1]}")
