#!/usr/bin/env python3
"""`dray run` tells its progress on a terminal, of a program that takes over a second, and nowhere else.

usage: progress.py DRAY"""

import json
import os
import pty
import re
import subprocess
import sys

# Its operation takes so long by itself; nothing here depends on how fast the machine is.
SLOW = "flag f\nqueue q engine cpu\n  wait f == 1 timeout 2500ms\nexpect status q.1 timeout\n"
SHORT = "mem a size 8\nqueue q engine cpu\n  fill a 1\n"
ERASE = "\r\x1b[K"
LINE = re.compile(re.escape(ERASE) + r"-: 0 of 1 operations, 0\.0 MB, \d+ s")


class Run:
    """One run, its standard error a terminal or a pipe."""

    def __init__(self, dray, program, options, terminal):
        self.master, slave = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen([dray, "run", *options, "-"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=slave, text=True)
        os.close(slave)
        self.process.stdin.write(program)
        self.process.stdin.close()

    def end(self):
        """What was printed on standard output, and on standard error."""
        said = b""
        try:
            while part := os.read(self.master, 4096):
                said += part
        except OSError:
            pass  # the last one has closed the terminal
        os.close(self.master)
        out = self.process.stdout.read()
        if self.process.wait(60) != 0:
            sys.exit(f"exit status {self.process.returncode}\n{out}{said}")
        return out, said.decode()


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def has_terminals():
    try:
        for fd in pty.openpty():
            os.close(fd)
    except OSError as error:
        print(f"skipped: no terminal can be made here: {error}")
        return False
    return True


def main():
    dray = sys.argv[1]
    if not has_terminals():
        return 77
    runs = [Run(dray, *how)
            for how in ((SLOW, [], True), (SLOW, [], False), (SLOW, ["--json"], True),
                        (SLOW, ["--quiet"], True), (SHORT, [], True))]
    told, piped, as_json, quiet, short = [run.end() for run in runs]
    check(LINE.search(told[1]), f"a line on the terminal: {told[1]!r}")
    check(told[1].endswith(ERASE), f"the line is gone at the end: {told[1]!r}")
    check("operations, " not in told[0] and "<stdin>: ok" in told[0], f"only the table: {told[0]!r}")
    check(piped[1] == "", f"no terminal: {piped[1]!r}")
    check(as_json[1] == "" and json.loads(as_json[0])["ok"], f"JSON: {as_json!r}")
    check(quiet == ("", ""), f"quiet: {quiet!r}")
    check(short[1] == "", f"a short program: {short[1]!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
