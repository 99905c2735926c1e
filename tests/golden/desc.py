#!/usr/bin/env python3
"""`dray desc`: desc.py DRAY. Text to bytes to text, and each way to be refused."""

import subprocess
import sys

DRAY = sys.argv[1]
ZERO8 = "00" * 8
COPY = "copy src_key=0x100001 dst_key=0x200002 length=4096 flags=crc"
COPY_HEX = "0201080000000000" + ZERO8 + "0100100002002000" + ZERO8 * 2 + "0010000000000000" + ZERO8 * 2


def dray(arguments, stdin):
    done = subprocess.run([DRAY, "desc", *arguments], input=stdin, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def expect(what, got, want):
    if got != want:
        sys.exit(f"{what}:\n got  {got}\n want {want}")


# Comments and blank lines are skipped; the bytes come back as the line that gave them.
text = f"# two\n\n  {COPY}   # with its sum\nnop\n".encode()
expect("hexadecimal", dray([], text), (0, f"{COPY_HEX}\n01010000{'00' * 60}\n".encode(), ""))
status, raw, _ = dray(["--raw", "-"], text)
expect("raw", (status, raw[:64].hex(), len(raw)), (0, COPY_HEX, 128))
expect("back", dray(["-d"], raw), (0, f"{COPY}\nnop\n".encode(), ""))

# What an engine would refuse is told.
status, out, _ = dray(["--disassemble"], bytes(64))
expect("version", (status, out.decode()[:4], out.decode()[132:142]), (0, "raw ", "  # versio"))

# Errors name the place.
expect("unknown", dray([], b"nop\ncopy src=1\n")[::2],
       (2, "-:2:6: found src, expected src_key, src_offset, dst_key, dst_offset, length, seed, user_data, flags\n"))
expect("zero byte", dray([], b"nop\0\n")[0], 2)
expect("cut off", dray(["-d"], b"\1\1\0")[::2], (2, "-: ends inside a descriptor, 3 of 64 bytes\n"))
expect("no file", dray(["does-not-exist"], b"")[0], 1)
expect("options", [dray(a, b"")[0] for a in (["--raw", "-d"], ["a", "b"], ["--what"], ["--help"])], [2, 2, 2, 0])
