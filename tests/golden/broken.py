#!/usr/bin/env python3
"""Broken programs: each must be refused with exit status 2 and exactly the message beside it.

usage: broken.py DRAY FOLDER [--write]      --write makes the messages anew: review them."""

import pathlib
import subprocess
import sys


def message(dray, program):
    """What dray says, the program's name without its folder."""
    done = subprocess.run([dray, "run", program.name], cwd=program.parent, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = [line for line in done.stdout.decode("utf-8").splitlines()
             if line.startswith(program.name + ":") and ": FAILED in " not in line]
    return done.returncode, "\n".join(lines) + "\n"


def main():
    dray, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    programs, failures = sorted(folder.glob("*.dray")), 0
    for program in programs:
        golden = program.with_suffix(".expect")
        status, said = message(dray, program)
        if "--write" in sys.argv:
            golden.write_text(said)
        expected = golden.read_text() if golden.exists() else ""
        if status != 2 or said != expected:
            failures += 1
            print(f"{program.name}: exit status {status} (2 expected)\n"
                  f"  says:     {said}  expected: {expected}")
    print(f"{len(programs)} broken programs, {failures} failures")
    return 1 if failures or len(programs) < 30 else 0


if __name__ == "__main__":
    sys.exit(main())
