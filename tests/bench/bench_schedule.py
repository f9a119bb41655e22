#!/usr/bin/python3
"""bench_schedule - a backlog of 10,000 messages through the simulated budgets of Microsoft 365 and Gmail, beside the best schedule of an offline solver.

usage: tests/bench/bench_schedule.py [MESSAGES [SEEDS]]

The whole gateway runs in the simulator (tests/sim/world_backlog.c). Exit status 1 where a backlog takes more than 1.1 times the best schedule, or
where a message was sent of which the gateway could know that it would be refused.
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def run(seed, messages):
    done = subprocess.run([str(ROOT / "tests/sim/run"), "--world", "backlog", "--seed", str(seed), "-v"], capture_output=True, text=True,
                          env={**os.environ, "MAILWEIR_SIM_BACKLOG": str(messages)})
    told = re.findall(r"^(?:remark: |.*?)((?:balance of work|octets of a day): .*)$", done.stdout + done.stderr, re.M)
    print(f"seed {seed}: {told[0] if told else 'nothing told'}; {'holds' if done.returncode == 0 else 'FAILS'}")
    if done.returncode != 0:
        print("\n".join((done.stdout + done.stderr).splitlines()[-5:]))
    return done.returncode == 0


def main():
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    return 0 if all([run(seed, messages) for seed in range(1, seeds + 1)]) else 1


if __name__ == "__main__":
    sys.exit(main())
