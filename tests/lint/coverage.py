#!/usr/bin/python3
"""coverage - every folder has a floor of branch coverage (tests/coverage/floors.json), and no floor was ever higher; what is said to be left open
(open.txt) stands in the code. Whether the floors are held is measured by `tests/run coverage`."""
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FLOORS = "tests/coverage/floors.json"


def folders():
    return {str(path.parent.relative_to(ROOT)) for pattern in ("gateway/**/*.c", "filters/*.c") for path in ROOT.glob(pattern)} - {"gateway/cli"}


def earlier():
    """The file as it was, commit by commit; nothing where there is no history."""
    listed = subprocess.run(["git", "-C", str(ROOT), "log", "--format=%H", "--", FLOORS], capture_output=True, text=True)
    for commit in listed.stdout.split():
        shown = subprocess.run(["git", "-C", str(ROOT), "show", f"{commit}:{FLOORS}"], capture_output=True, text=True)
        if shown.returncode == 0:
            yield commit, json.loads(shown.stdout)["floors"]


def problems():
    floors = json.loads((ROOT / FLOORS).read_text())["floors"]
    for folder in sorted(folders() - set(floors)):
        yield f"{folder} has no floor of coverage in {FLOORS}"
    for commit, before in earlier():
        for name, least in before.items():
            if (ROOT / name).exists() and floors.get(name, 0) < least:
                yield f"{FLOORS}: {name} had {least / 100:.2f} % in {commit[:10]}; a floor only rises"
    for line in (ROOT / "tests/coverage/open.txt").read_text().splitlines():
        name, _, text = line.partition(": ")
        if name.endswith(".c") and text not in [each.strip() for each in (ROOT / name).read_text().splitlines()]:
            yield f"tests/coverage/open.txt: {name} has no such line any more: {text}"


def main():
    found = list(problems())
    print("\n".join(found) or "every folder has its floor, and none was higher")
    return 1 if found else 0


sys.exit(main())
