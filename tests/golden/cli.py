#!/usr/bin/env python3
"""The command itself: exit statuses, help, suggestions, standard input, JSON.

usage: cli.py DRAY"""

import json
import subprocess
import sys

GOOD = 'mem a text "x"\nexpect a fill 0x78\n'
WRONG = 'mem a text "x"\nexpect a fill 0x79\n'
BROKEN = "mem a\n"

# arguments, standard input, exit status, what must be in the output
CASES = [
    ([], "", 2, "usage: dray VERB"),
    (["--help"], "", 0, "usage: dray VERB"),
    (["--version"], "", 0, "dray 0."),
    (["rnu"], "", 2, "perhaps 'run'?"),
    (["\x1b[31mrun"], "", 2, "\\x1b[31mrun"),
    (["run", "--help"], "", 0, "usage: dray run"),
    (["explain", "--help"], "", 0, "usage: dray explain"),
    (["info", "--help"], "", 0, "usage: dray info"),
    (["run"], "", 2, "which program?"),
    (["run", "--no-such-option"], "", 2, "'--no-such-option'"),
    (["run", "--engine"], "", 2, "'--engine'"),
    (["run", "--timeout", "soon", "-"], "", 2, "'soon'"),
    (["run", "/nonexistent/p.dray"], "", 1, "/nonexistent/p.dray: No such file or directory"),
    (["run", "-"], GOOD, 0, "<stdin>: ok"),
    (["run", "-"], WRONG, 1, "byte 0 is 0x78, expected 0x79"),
    (["run", "-"], BROKEN, 2, "<stdin>:1:6: found the end of the line"),
    (["run", "-q", "-"], GOOD, 0, ""),
    (["run", "-q", "-"], WRONG, 1, "FAILS"),
    (["run", "-e", "warp", "-"], "queue q engine auto\n  nop\n", 2, 'no engine is called "warp"'),
    (["run", "-"], "queue q engine pio mode worker\n  nop\n", 1, "engine pio"),
    (["explain", "-"], "mem a size 8\nmem b size 8\nqueue q engine cpu\n  copy b <- a\n", 0,
     "b[0:8] <- a[0:8]"),
    (["explain", "-"], BROKEN, 2, "<stdin>:1:6:"),
    (["info", "more"], "", 2, "'more'"),
    (["info"], "", 0, "engine cpu"),
]


def call(dray, arguments, text):
    return subprocess.run([dray] + arguments, input=text, timeout=60, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def check_json(dray):
    """What is wrong with the output for programs; empty if nothing is."""
    info = json.loads(call(dray, ["info", "--json"], "").stdout)
    run = json.loads(call(dray, ["run", "--json", "-"], GOOD).stdout)
    failed = json.loads(call(dray, ["run", "--json", "-"], WRONG).stdout)
    names = [e["name"] for e in info["engines"]]
    if not {"cpu", "null", "pio"} <= set(names):
        return f"engines: {names}"
    if not all(e["available"] or e["why"] for e in info["engines"]):
        return "an engine is missing without a reason"
    if not run["ok"] or failed["ok"]:
        return "ok is wrong"
    return ""


def main():
    dray, failures = sys.argv[1], 0
    for arguments, text, status, wanted in CASES:
        done = call(dray, arguments, text)
        said = done.stdout + done.stderr
        if done.returncode != status or " ".join(wanted.split()) not in " ".join(said.split()):
            failures += 1
            print(f"dray {arguments}: exit status {done.returncode}, expected {status} and "
                  f"{wanted!r}\n{said}")
        if "\x1b" in said:
            failures += 1
            print(f"dray {arguments}: a control character in the output")
    wrong = check_json(dray)
    if wrong:
        failures += 1
        print(wrong)
    print(f"{len(CASES) + 1} cases, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
