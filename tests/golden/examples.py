#!/usr/bin/env python3
"""Runs every example program with one engine: each must succeed, its expectations hold.

usage: examples.py DRAY FOLDER ENGINE       ENGINE: auto, or what takes its place"""

import json
import pathlib
import subprocess
import sys


def run(dray, program, engine):
    command = [dray, "run", "--json", program]
    if engine != "auto":
        command[3:3] = ["--engine", engine]
    done = subprocess.run(command, timeout=120, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def complaint(status, out, engine):
    """What is wrong with one run; empty if nothing is."""
    if status != 0:
        return f"exit status {status}"
    report = json.loads(out)
    verdicts = [e["verdict"] for e in report["expectations"]]
    # null moves nothing, so there is nothing to hold - but for programs that name their engines.
    good = [["held"]] + ([["skipped"]] if engine == "null" else [])
    if sorted(set(verdicts)) not in good:
        return f"expectations: {verdicts}"
    return ""


def main():
    dray, folder, engine = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    programs, failures = sorted(folder.glob("*.dray")), 0
    for program in programs:
        status, out, err = run(dray, program, engine)
        wrong = complaint(status, out, engine)
        if wrong:
            failures += 1
            print(f"{program.name}: {wrong}\n{out}{err}")
    print(f"{len(programs)} programs with engine {engine}, {failures} failures")
    return 1 if failures or len(programs) < 30 else 0


if __name__ == "__main__":
    sys.exit(main())
