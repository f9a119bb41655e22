#!/usr/bin/python3
"""runner - builds, finds the tests of every stage, runs them, and counts; see tests/run for its use.

A stage is a function of the options that gives its tests; a test is a name and a command. A command's process group is its own and is ended with it.
Exit status of a command: 0 passed, 77 skipped (its last line says why), anything else failed.
"""
import argparse
import ast
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIMES = ROOT / "build/runner.times"  # what each test took last: the longest begin first; a new clone has what another one took
SHARED_TIMES = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "mailweir/runner.times"
SLOWEST = 10  # so many are named at the end
SKIPPED = 77
BUILDS = {
    "": (ROOT / "build", ["-DMAILWEIR_WERROR=ON", "-DMAILWEIR_TESTS=ON", "-DMAILWEIR_SANITIZE="]),
    "-asan": (ROOT / "build-asan", ["-DMAILWEIR_WERROR=ON", "-DMAILWEIR_SANITIZE=address", "-DCMAKE_BUILD_TYPE=Debug"]),
    "-fuzz": (ROOT / "build-fuzz", ["-DCMAKE_C_COMPILER=clang", "-DMAILWEIR_WERROR=ON", "-DMAILWEIR_FUZZERS=ON", "-DMAILWEIR_TESTS=OFF"]),
}
PROGRAMS = ("", "-asan")  # the builds whose programs are tested
# Leaks are looked for as well; a process that is killed on purpose has no chance to free.
SANITIZER_ENV = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1"}


class Test:
    """build: which of the builds it needs, None for none, and targets: what of it. lane: tests of one lane run one after the other."""

    def __init__(self, name, command, seconds=400, env=None, build="", targets=("mailweir",), lane=None):
        self.name, self.command, self.seconds, self.env, self.build, self.lane = name, command, seconds, env or {}, build, lane
        self.targets = targets
        self.wall = self.cpu = 0.0  # seconds that it took, and of the processor's


# ---- stages ----

def lint(_options):
    for path in sorted((ROOT / "tests/lint").glob("*.py")):
        needs_build = '"build' in path.read_text()  # the others begin beside it
        yield Test("lint/" + path.stem, ["/usr/bin/python3", str(path)], 480, build="" if needs_build else None)  # cppcheck, on a busy machine


def unit(_options):
    for suffix in PROGRAMS:
        for path in sorted((ROOT / "tests/unit").glob("test_*.c")):
            yield Test(f"unit{suffix}/{path.stem[5:]}", [str(BUILDS[suffix][0] / "tests" / path.stem)], env=SANITIZER_ENV, build=suffix,
                       targets=(path.stem,))


def functions(path):
    tree = ast.parse(path.read_text())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


# What the sanitizer's build need not repeat: many runs of the same few calls, which the fuzzers make of that code far more often, or commands each of which
# another test gives to that build.
NOT_REPEATED = {"documents/every_command", "reading/generated_messages", "rules_schema/mutants_are_refused_by_both", "rules_schema/schema_and_loader_agree",
                "rules_schema/schema_refuses_by_field_what_the_loader_refuses",
                # Most of it is what PostgreSQL and its standbys take to start, and leases that run out.
                "failover/promotion", "failover/standbys_that_stand_still", "failover/an_old_primary_that_lives", "failover/a_node_is_cut_off_from_the_database"}


def suffixes_for(test, asks, options):
    """The builds that it is run with. Where all tests are run, in the small size, each is run once: with the sanitizer's build, and with the other what that
    need not repeat; with both those of a file that asks which one it is. Where some are asked for, and in the large size, with both."""
    if options.size == "large":
        return PROGRAMS
    if test in NOT_REPEATED:
        return ("",)
    return PROGRAMS if options.filters or asks else ("-asan",)


def e2e(options):
    for path in sorted((ROOT / "tests/e2e").glob("test_*.py")):
        asks = "is_sanitized()" in path.read_text()
        for name in functions(path):
            test = f"{path.stem[5:]}/{name[5:]}"
            for suffix in suffixes_for(test, asks, options):
                env = {**SANITIZER_ENV, "MAILWEIR": str(BUILDS[suffix][0] / "mailweir"), "TEST_SIZE": options.size}
                yield Test(f"e2e{suffix}/{test}", ["/usr/bin/python3", str(ROOT / "tests/e2e/harness.py"), str(path), name], 300, env, suffix,
                           ("mailweir", "reading"))


# Files of e2e whose tests are made on a queue in PostgreSQL, too, but for those that are about the folder of a local one.
ON_POSTGRESQL = {"main": (), "restart": (), "queue": ("test_index_is_lost",), "dead_letter": (), "fallback": (), "counters": (), "import": (),
                 "find": ("test_who_is_forgotten_over_a_rebuild", "test_words_that_are_damaged_hurt_nothing_but_the_search"), "acknowledge": (), "fairness": ()}


def on_postgresql(options):
    """The same tests on the other store; skipped where there is no server of it."""
    for file, left_out in ON_POSTGRESQL.items():
        path = ROOT / f"tests/e2e/test_{file}.py"
        for name in functions(path):
            if name in left_out:
                continue
            env = {**SANITIZER_ENV, "MAILWEIR": str(BUILDS[""][0] / "mailweir"), "TEST_SIZE": options.size, "TEST_STORE": "postgresql"}
            yield Test(f"postgresql/{file}/{name[5:]}", ["/usr/bin/python3", str(ROOT / "tests/e2e/harness.py"), str(path), name], 300, env)


def fuzz(options):
    seconds, count = {"small": (4, ["20000"]), "large": (600, [])}[options.size]
    for path in sorted((ROOT / "tests/fuzz").glob("fuzz_*.c")):
        yield Test(f"fuzz/{path.stem[5:]}", [str(ROOT / "tests/fuzz/run"), path.stem, str(seconds), *count], seconds + 120, build="-fuzz", targets=(path.stem,))


NEEDED = {"sim": ("mailweir", "mailweir-sim", "test_store_model")}


def script_stage(stage):
    """A stage whose tests are the executable files tests/STAGE/test_*; each gets the size as its argument."""
    def tests(options):
        for path in sorted((ROOT / "tests" / stage).glob("test_*")):
            if path.is_file() and os.access(path, os.X_OK):
                env = {**SANITIZER_ENV, "MAILWEIR": str(BUILDS[""][0] / "mailweir"), "TEST_SIZE": options.size}
                yield Test(f"{stage}/{path.stem[5:]}", [str(path)], 1800, env, targets=NEEDED.get(stage, ("mailweir",)), lane=stage)
    return tests


def deploy(options):
    """What is deployed: one after the other, for the sake of the ports and folders that are the system's."""
    for path in sorted((ROOT / "tests/deploy").glob("test_*.py")):
        for name in functions(path):
            env = {"MAILWEIR": str(BUILDS[""][0] / "mailweir"), "TEST_SIZE": options.size}
            yield Test(f"deploy/{path.stem[5:]}/{name[5:]}",
                       ["/usr/bin/python3", str(ROOT / "tests/e2e/harness.py"), str(path), name], 1800, env, lane="deploy")


def coverage(options):
    """Which branches the tests take. A build of its own, and all of the unit tests once more: in the large size, or when it is asked for."""
    if options.size == "large" or any(name.startswith("coverage") for name in options.filters):
        yield Test("coverage/branches", [str(ROOT / "tests/coverage/measure")], 3600, {"TEST_SIZE": options.size}, build=None)


STAGES = {"lint": lint, "unit": unit, "fuzz": fuzz, "e2e": e2e, "postgresql": on_postgresql, "deploy": deploy, "coverage": coverage}
for name in ("sim", "web"):
    STAGES[name] = script_stage(name)


def builds(tests, filters):
    """What the tests need, as tests themselves: they are counted, too. Of the first build all is built, but where only a few tests are asked for: whoever
    runs a stage wants to know that all of it compiles."""
    few = filters and not any(name.rstrip("/") in STAGES and name.rstrip("/") != "lint" for name in filters)
    for suffix, (folder, options) in BUILDS.items():
        needed = [test.targets for test in tests if test.build == suffix]
        if needed:
            targets = sorted({target for each in needed for target in each}) if few or suffix else []
            yield Test("build" + suffix, [str(ROOT / "deploy/build"), str(folder), *options, *targets], 3600, build=suffix, lane="build")


# ---- what is said ----

def report(result, test, why=""):
    print(f"{result:7} {test.name} ({test.wall:.1f} s){': ' + why if why else ''}", flush=True)


def show_tail(text, lines=40):
    for line in text.splitlines()[-lines:]:
        print("    | " + line, flush=True)


def tell(test, status, output, counts, failures):
    if status == 0:
        counts["passed"] += 1
        report("ok", test)
        for line in output.splitlines():
            if line.startswith("figure: "):
                print("        " + line, flush=True)
    elif status == SKIPPED:
        counts["skipped"] += 1
        lines = output.strip().splitlines()
        report("skipped", test, lines[-1] if lines else "without a reason")
    else:
        counts["failed"] += 1
        failures.append((test, (output.strip().splitlines() or [""])[-1]))
        report("FAILED", test, f"status {status}")
        show_tail(output)


def tell_time(tests, seconds):
    """How long each stage kept the processors busy, and the tests that took longest."""
    stages = {}
    for test in tests:
        name = test.name.split("/")[0]
        stages[name] = stages.get(name, 0.0) + test.cpu
    print("processor: " + ", ".join(f"{name} {cpu:.0f} s" for name, cpu in stages.items()) +
          f"; {sum(stages.values()):.0f} s in {seconds:.0f} s")
    slowest = sorted(tests, key=lambda test: -test.wall)[:SLOWEST]
    print("slowest: " + ", ".join(f"{test.name} {test.wall:.0f} s ({test.cpu:.0f} s)" for test in slowest))


# ---- running ----

def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def patience(test):
    """How long it may take now: so many processes want each processor. What hangs is ended all the same."""
    return test.seconds * min(4.0, max(1.0, os.getloadavg()[0] / os.cpu_count()))


def run(test):
    """The exit status, -1 when it had to be ended, and all that it said."""
    started, late, seconds = time.monotonic(), threading.Event(), patience(test)

    def give_up():
        late.set()
        end_group(process)

    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(test.command, cwd=ROOT, env={**os.environ, **test.env}, stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        timer = threading.Timer(seconds, give_up)
        timer.start()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        timer.cancel()
        end_group(process)  # while the number is still the process's own
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        output = out.read().decode(errors="replace")
    test.wall, test.cpu = time.monotonic() - started, usage.ru_utime + usage.ru_stime
    if late.is_set():
        return -1, output + f"\nno end after {seconds:.0f} s\n"
    return process.returncode, output


class Processors:
    """Whether they have time left. Many tests wait for a deadline of the program's, and are not to keep others from running meanwhile."""
    IDLE, EVERY = 0.15, 1.0  # that share of the time, over so many seconds or more

    def __init__(self):
        self.guard, self.asked, self.last = threading.Lock(), time.monotonic(), self.read()

    @staticmethod
    def read():
        """(all of the time, what of it was nobody's) so far; what waits for a disk has that disk busy."""
        fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(fields), fields[3]

    def have_time(self):
        """True for one of those who ask, then not before what it began with the time shows."""
        with self.guard:
            if time.monotonic() - self.asked < self.EVERY:
                return False
            before, self.last, self.asked = self.last, self.read(), time.monotonic()
            return self.last[1] - before[1] > self.IDLE * (self.last[0] - before[0])


class Queue:
    """Works, each a list of tests that run one after the other; a work can be had when the build that it needs is there."""

    def __init__(self, works):
        self.works, self.built, self.under_way = works, {None}, 0
        self.changed = threading.Condition()

    def can_begin(self, work):
        return work[0].lane == "build" or work[0].build in self.built

    def is_over(self):
        """Nothing is left, or what is left waits for a build that failed."""
        return not self.works or (not self.under_way and not any(self.can_begin(work) for work in self.works))

    def take(self, may_begin=lambda: True):
        """The first that can begin, when it may, or None when there will be none any more."""
        while not may_begin():
            with self.changed:
                if self.is_over():
                    return None
                self.changed.wait(Processors.EVERY)
        with self.changed:
            while not self.is_over():
                for work in self.works:
                    if self.can_begin(work):
                        self.works.remove(work)
                        self.under_way += 1
                        return work
                self.changed.wait()
        return None

    def is_built(self, suffix):
        with self.changed:
            self.built.add(suffix)
            self.changed.notify_all()

    def end(self):
        with self.changed:
            self.under_way -= 1
            self.changed.notify_all()


def times_in(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def works_of(tests):
    """The builds, then the lanes, then the rest, the longest first by what they took last."""
    times = times_in(SHARED_TIMES) | times_in(TIMES)
    lanes, single = {}, []
    for test in tests:
        if test.lane is None:
            single.append([test])
        else:
            lanes.setdefault(test.lane, []).append(test)
    single.sort(key=lambda work: -times.get(work[0].name, 0))
    return [*lanes.values(), *single]


def run_all(tests, jobs, counts):
    """The tests that failed, each with the last line that it said. So many at a time; twice as many while the processors have time left."""
    queue, failures, telling, processors = Queue(works_of(tests)), [], threading.Lock(), Processors()

    def work_on(work):
        for test in work:
            status, output = run(test)
            with telling:
                tell(test, status, output, counts, failures)
            if test.lane == "build" and status == 0:
                queue.is_built(test.build)

    def worker(may_begin):
        while (work := queue.take(may_begin)) is not None:
            work_on(work)
            queue.end()

    workers = [threading.Thread(target=worker, args=(may_begin,)) for may_begin in [lambda: True] * jobs + [processors.have_time] * jobs]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    left = sum(len(work) for work in queue.works)
    if left:
        print(f"{left} tests were not run: what they need was not built")
    return failures


def remember_times(tests):
    new = {test.name: round(test.wall, 1) for test in tests if test.wall > 0}
    for path in (TIMES, SHARED_TIMES):
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            made = path.with_suffix(f".{os.getpid()}")
            made.write_text(json.dumps(times_in(path) | new, indent=0))
            made.rename(path)


def wanted(name, filters):
    return not filters or any(name == f or name.startswith(f.rstrip("/") + "/") or name.startswith(f) for f in filters)


def main():
    parser = argparse.ArgumentParser(prog="tests/run")
    parser.add_argument("--size", choices=("small", "large"), default="small")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() + 2)  # many wait: for a deadline, a disk, a mirror
    parser.add_argument("--list", action="store_true")
    parser.add_argument("filters", nargs="*")
    options = parser.parse_args()
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    tests = [test for stage in STAGES.values() for test in stage(options) if wanted(test.name, options.filters)]
    if options.list:
        print("\n".join(test.name for test in tests))
        return 0
    if not tests:
        print("no test has such a name: " + " ".join(options.filters))
        counts["failed"] += 1
    tests, started = [*builds(tests, options.filters), *tests], time.monotonic()
    failures = run_all(tests, options.jobs, counts)
    remember_times(tests)
    tell_time(tests, time.monotonic() - started)
    for failure in failures:  # once more, at the very end: in a long output nobody finds it
        report("FAILED", *failure)
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    return 1 if counts["failed"] else 0


sys.exit(main())
