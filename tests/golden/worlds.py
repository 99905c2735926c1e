#!/usr/bin/env python3
"""Runs the example programs that use memory and flags in both worlds: on the host and on modelled machines. Their
expectations must hold in both, every operation must end with the same status, bytes moved and result, and the machine must name
no hazard.

usage: worlds.py DRAY FOLDER MACHINE"""

import json
import pathlib
import re
import subprocess
import sys

ELSEWHERE = re.compile(r"^(file|pipe|socket|tcp|udp|unix)\b", re.MULTILINE)


def run(*command):
    done = subprocess.run(command, timeout=300, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def outcomes(report):
    """What an operation came to, but for its time and who did it."""
    return [(o["line"], o["status"], o["moved_bytes"], o["result"]) for o in report["operations"]]


def complaint(dray, machine, program):
    status, out, err = run(dray, "run", "--engine", "cpu", "--json", str(program))
    if status != 0:
        return f"on the host: exit status {status}\n{err}"
    here = json.loads(out)
    status, out, err = run(dray, "sim", "--machine", machine, "--json", str(program))
    if status not in (0, 1) or not out:
        return f"exit status {status}\n{err}"
    there = json.loads(out)
    wrong = [e for e in there["program"]["expectations"] if e["verdict"] != "held"]
    if wrong:
        return f"expectations: {wrong}"
    if there["machine"]["hazards"]:
        return f"hazards: {there['machine']['hazards'][:3]}"
    if outcomes(here) != outcomes(there["program"]):
        return f"host {outcomes(here)}\nmachine {outcomes(there['program'])}"
    return "" if status == 0 else f"exit status {status}"


def main():
    dray, folder, machine = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    failures = count = 0
    for program in sorted(folder.glob("*.dray")):
        if ELSEWHERE.search(program.read_text()):
            continue
        count += 1
        wrong = complaint(dray, machine, program)
        if wrong:
            failures += 1
            print(f"{program.name}: {wrong}")
    print(f"{count - failures} of {count} programs are the same on the host and on {machine}")
    return 1 if failures or not count else 0


sys.exit(main())
