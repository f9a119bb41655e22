#!/usr/bin/python3
"""runner - builds, finds the tests of every stage, runs them, and counts; see tests/run for its use.

A stage is a function that gives its tests; a test is a name and a command. A command's process group is its own and is ended with it.
Exit status of a command: 0 passed, 77 skipped (its last line says why), anything else failed.
"""
import argparse
import ast
import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = 77
BUILDS = {
    "": (ROOT / "build", ["-DMAILWEIR_WERROR=ON"]),
    "-asan": (ROOT / "build-asan", ["-DMAILWEIR_WERROR=ON", "-DMAILWEIR_SANITIZE=address", "-DCMAKE_BUILD_TYPE=Debug"]),
    "-fuzz": (ROOT / "build-fuzz", ["-DCMAKE_C_COMPILER=clang", "-DMAILWEIR_FUZZERS=ON", "-DMAILWEIR_TESTS=OFF"]),
}
PROGRAMS = ("", "-asan")  # the builds whose programs are tested
# Leaks are looked for as well; a process that is killed on purpose has no chance to free.
SANITIZER_ENV = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1"}


class Test:
    """lane: tests of one lane run one after the other."""

    def __init__(self, name, command, seconds=120, env=None, lane=None):
        self.name, self.command, self.seconds, self.env, self.lane = name, command, seconds, env or {}, lane


# ---- stages ----

def lint(_size):
    for path in sorted((ROOT / "tests/lint").glob("*.py")):
        yield Test("lint/" + path.stem, ["/usr/bin/python3", str(path)])


def unit(_size):
    for suffix in PROGRAMS:
        folder = BUILDS[suffix][0]
        for path in sorted((folder / "tests").glob("test_*")):
            if (ROOT / "tests/unit" / (path.name + ".c")).exists():
                yield Test(f"unit{suffix}/{path.name[5:]}", [str(path)], env=SANITIZER_ENV)


def functions(path):
    tree = ast.parse(path.read_text())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def e2e(size):
    for suffix in PROGRAMS:
        folder = BUILDS[suffix][0]
        for path in sorted((ROOT / "tests/e2e").glob("test_*.py")):
            for name in functions(path):
                env = {**SANITIZER_ENV, "MAILWEIR": str(folder / "mailweir"), "TEST_SIZE": size}
                yield Test(f"e2e{suffix}/{path.stem[5:]}/{name[5:]}",
                           ["/usr/bin/python3", str(ROOT / "tests/e2e/harness.py"), str(path), name], 300, env)


def fuzz(size):
    seconds = {"small": 4, "large": 600}[size]
    for path in sorted((ROOT / "tests/fuzz").glob("fuzz_*.c")):
        yield Test(f"fuzz/{path.stem[5:]}", [str(ROOT / "tests/fuzz/run"), path.stem, str(seconds)], seconds + 120)


def script_stage(stage):
    """A stage whose tests are the executable files tests/STAGE/test_*; each gets the size as its argument."""
    def tests(size):
        for path in sorted((ROOT / "tests" / stage).glob("test_*")):
            if path.is_file() and os.access(path, os.X_OK):
                env = {**SANITIZER_ENV, "MAILWEIR": str(BUILDS[""][0] / "mailweir"), "TEST_SIZE": size}
                yield Test(f"{stage}/{path.stem[5:]}", [str(path)], 900, env, stage)
    return tests


def deploy(_size):
    """What is deployed: one after the other, for the sake of the ports and folders that are the system's."""
    for path in sorted((ROOT / "tests/deploy").glob("test_*.py")):
        for name in functions(path):
            env = {"MAILWEIR": str(BUILDS[""][0] / "mailweir")}
            yield Test(f"deploy/{path.stem[5:]}/{name[5:]}",
                       ["/usr/bin/python3", str(ROOT / "tests/e2e/harness.py"), str(path), name], 900, env, "deploy")


STAGES = {"lint": lint, "unit": unit, "fuzz": fuzz, "e2e": e2e, "deploy": deploy}
for name in ("sim", "web"):
    STAGES[name] = script_stage(name)


# ---- building ----

def build(suffix):
    folder, options = BUILDS[suffix]
    started = time.monotonic()
    folder.mkdir(exist_ok=True)
    log = folder / "runner.log"
    with open(log, "w") as out:
        for command in (["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", *options], ["ninja", "-C", str(folder)]):
            if subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL).returncode != 0:
                report("FAILED", "build" + suffix, time.monotonic() - started)
                show_tail(log.read_text(errors="replace"))
                return False
    report("ok", "build" + suffix, time.monotonic() - started)
    return True


# ---- running ----

def report(result, name, seconds, why=""):
    print(f"{result:7} {name} ({seconds:.1f} s){': ' + why if why else ''}", flush=True)


def show_tail(text, lines=40):
    for line in text.splitlines()[-lines:]:
        print("    | " + line, flush=True)


def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(test):
    started = time.monotonic()
    process = subprocess.Popen(test.command, cwd=ROOT, env={**os.environ, **test.env}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=test.seconds)
        status = process.returncode
    except subprocess.TimeoutExpired:
        end_group(process)
        output, _ = process.communicate()
        output += f"\nno end after {test.seconds} s\n".encode()
        status = -1
    end_group(process)
    return test, status, output.decode(errors="replace"), time.monotonic() - started


def tell(test, status, output, seconds, counts, failures):
    if status == 0:
        counts["passed"] += 1
        report("ok", test.name, seconds)
        for line in output.splitlines():
            if line.startswith("figure: "):
                print("        " + line, flush=True)
    elif status == SKIPPED:
        counts["skipped"] += 1
        lines = output.strip().splitlines()
        report("skipped", test.name, seconds, lines[-1] if lines else "without a reason")
    else:
        counts["failed"] += 1
        failures.append((test.name, seconds, (output.strip().splitlines() or [""])[-1]))
        report("FAILED", test.name, seconds, f"status {status}")
        show_tail(output)


def run_all(tests, jobs, counts):
    """Those without a lane first, and then the lanes beside each other, the longest first. What failed is said again at the end: in a long
    output nobody finds it."""
    failures, telling = [], threading.Lock()
    lanes = {"deploy": [], "sim": [], "web": []}
    for test in tests:
        if test.lane is not None:
            lanes[test.lane].append(test)

    def run_each(some):
        for test in some:
            outcome = run(test)
            with telling:
                tell(*outcome, counts, failures)

    for work in ([[test] for test in tests if test.lane is None], lanes.values()):
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            list(pool.map(run_each, work))
    for failure in failures:
        report("FAILED", *failure)


def wanted(name, filters):
    return not filters or any(name == f or name.startswith(f.rstrip("/") + "/") or name.startswith(f) for f in filters)


def main():
    parser = argparse.ArgumentParser(prog="tests/run")
    parser.add_argument("--size", choices=("small", "large"), default="small")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--list", action="store_true")
    parser.add_argument("filters", nargs="*")
    options = parser.parse_args()
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    if not options.list:
        fuzzes = any(wanted(test.name, options.filters) for test in fuzz(options.size))
        for suffix in PROGRAMS + (("-fuzz",) if fuzzes else ()):
            counts["passed" if build(suffix) else "failed"] += 1
    if counts["failed"] == 0:
        tests = [test for stage in STAGES.values() for test in stage(options.size) if wanted(test.name, options.filters)]
        if options.list:
            print("\n".join(test.name for test in tests))
            return 0
        if not tests:
            print("no test has such a name: " + " ".join(options.filters))
            counts["failed"] += 1
        run_all(tests, options.jobs, counts)
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    return 1 if counts["failed"] else 0


sys.exit(main())
