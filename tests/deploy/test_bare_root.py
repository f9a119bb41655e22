"""The README's two commands in a Debian root with nothing but git: they install all that they need, build, and do what they say."""
import os
import re

from deployed import ROOT, Skip, debian_root, run

# What the second command runs there: something of each stage that needs no more than the root; all of it by hand (MAILWEIR_BARE_ROOT=all).
PART = ["unit/bytes", "unit/spool", "lint/", "e2e/main/curl", "e2e/refusals/"]


def test_two_commands(world):
    if not (ROOT / ".git").exists():
        raise Skip("this is no clone: there is nothing to clone from")
    part = [] if os.environ.get("MAILWEIR_BARE_ROOT") == "all" else PART
    with debian_root(world.folder) as (root, inside):
        run("git", "-c", "safe.directory=*", "clone", "--quiet", ROOT, root / "src")
        said = run(*inside, "/src/deploy/quickstart", "--check")
        assert re.search(r"4 of 4", said), said[-3000:]
        said = run(*inside, "/src/tests/run", *part)
        counts = re.search(r"^(\d+) passed, 0 failed", said.splitlines()[-1])
        assert counts and int(counts.group(1)) > 10, said[-3000:]
        print(f"figure: quickstart --check: 4 of 4; tests/run {' '.join(part)}: {said.splitlines()[-1]}")
