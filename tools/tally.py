#!/usr/bin/env python3
"""Sums up runs of `meson test`: tally.py TESTLOG.json... [PASSED:FAILED:SKIPPED...]

Names what was skipped, then prints "N passed, N failed, N skipped". Exits 1 when anything failed or nothing ran."""

import json
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP"}


def results(path):
    with open(path, encoding="utf-8") as f:
        return [(t["name"], t["result"], t.get("stdout", "")) for t in map(json.loads, f)]


def reason(output):
    """The line in which a skipped test says why."""
    lines = [line.strip() for line in output.splitlines() if "skip" in line.lower()]
    return lines[0] if lines else "no reason given"


def main():
    passed = failed = skipped = 0
    for argument in sys.argv[1:]:
        if not argument.endswith(".json"):
            counts = [int(n) for n in argument.split(":")]
            passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
            continue
        for name, result, output in results(argument):
            passed += result in PASSED
            skipped += result in SKIPPED
            failed += result not in PASSED | SKIPPED
            if result in SKIPPED:
                print(f"skipped {name}: {reason(output)}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed > 0 or passed == 0)


main()
