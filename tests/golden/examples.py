#!/usr/bin/env python3
"""Runs every example program with one engine: each must succeed, its expectations hold. Where the file
system of temporary files has no O_DIRECT, programs with a direct file must say so, and are skipped.

usage: examples.py DRAY FOLDER ENGINE       ENGINE: auto, or what takes its place"""

import errno
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

REFUSED = "direct: Operation not supported"


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


def has_direct_files():
    """Whether dray's temporary files may be opened with O_DIRECT."""
    with tempfile.NamedTemporaryFile(dir=os.environ.get("TMPDIR") or "/tmp") as file:
        try:
            os.close(os.open(file.name, os.O_RDWR | os.O_DIRECT))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return False
    return True


def is_direct(program):
    return re.search(r"^file .*\bdirect\b", program.read_text(), re.MULTILINE)


def main():
    dray, folder, engine = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    programs, failures = sorted(folder.glob("*.dray")), 0
    direct = has_direct_files()
    for program in programs:
        status, out, err = run(dray, program, engine)
        if not direct and is_direct(program) and status == 1 and REFUSED in out:
            print(f"{program.name}: skipped, no O_DIRECT on the file system of TMPDIR")
            continue
        wrong = complaint(status, out, engine)
        if wrong:
            failures += 1
            print(f"{program.name}: {wrong}\n{out}{err}")
    print(f"{len(programs)} programs with engine {engine}, {failures} failures")
    return 1 if failures or len(programs) < 30 else 0


if __name__ == "__main__":
    sys.exit(main())
