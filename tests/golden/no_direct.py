#!/usr/bin/env python3
"""A direct file on a file system without O_DIRECT is refused with a sentence and exit status 1, and the
examples that have one are passed over.

usage: no_direct.py DRAY EXAMPLES.PY FOLDER     needs a mount namespace; 77 where there is none"""

import subprocess
import sys

PROGRAM = "file disk temp size 4KiB direct\n"


def on_ramfs(command, text=""):
    """ramfs has no O_DIRECT; nobody else sees this one, and it is gone with the command."""
    script = 'mount -t ramfs none /mnt && TMPDIR=/mnt exec "$@"'
    return subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", *command], input=text, text=True,
                          timeout=280, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def main():
    dray, examples, folder = sys.argv[1:]
    if on_ramfs(["true"]).returncode != 0:
        print("skipped: no ramfs can be mounted here")
        return 77
    done = on_ramfs([dray, "run", "-"], PROGRAM)
    if done.returncode != 1 or "<stdin>:1:6: disk direct: Operation not supported" not in done.stdout:
        print(f"exit status {done.returncode}\n{done.stdout}")
        return 1
    done = on_ramfs([sys.executable, examples, dray, folder, "pio"])
    if done.returncode != 0 or "47-direct.dray: skipped" not in done.stdout:
        print(done.stdout)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
