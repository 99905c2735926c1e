#!/usr/bin/env python3
"""The main job of Dray on real input: writes a program over files of this computer, and runs it.

usage: demo.py DRAY [PROGRAM]       PROGRAM: where the program is written; a temporary file without

Pieces of many files and of scattered memory are gathered into one file, which goes through a pipe and is
scattered over memory again; a matrix is transposed with one descriptor; two queues on two engines
build one structure with fences and flags. The program says itself what every byte must be."""

import itertools
import os
import random
import stat
import subprocess
import sys
import tempfile

FOLDERS = ["/usr/share", "/usr/lib", "/etc"]
FILES = 192            # each takes two of the 1024 descriptors that a process may have
PIECE_MAX = 48 * 1024
NOTES = 64             # pieces of memory
SIDE = 4096            # floats


def candidates(folder):
    """Regular files of a page and more that this user may read, in an order that is always the same."""
    for path, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = os.path.join(path, name)
            try:
                status = os.lstat(file)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_size >= 4096 and \
                    os.access(file, os.R_OK):
                yield file, status.st_size


def choose():
    """Some of them, far apart, and a piece of each that begins and ends anywhere."""
    found = []
    for folder in FOLDERS:
        found += itertools.islice(candidates(folder), 2000)
    rng = random.Random(2)
    picked = sorted(rng.sample(found, min(FILES, len(found))))
    pieces = []
    for file, size in picked:
        length = rng.randint(1000, min(size, PIECE_MAX))
        pieces.append((file, rng.randint(0, size - length), length))
    return pieces


def quoted(name):
    """A file name as a string of the language: all but plain characters as \\xNN."""
    return "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\' else f"\\x{b:02x}"
                   for b in os.fsencode(name))


def program(pieces):
    files = [f'file f{i} open "{quoted(file)}"' for i, (file, _, _) in enumerate(pieces)]
    ranges = [f"f{i}[{offset}:{length}]" for i, (_, offset, length) in enumerate(pieces)]
    # A piece of memory behind every third file.
    notes = [f"notes[{i * 1000}:1000]" for i in range(NOTES)]
    gathered = []
    for i, piece in enumerate(ranges):
        gathered.append(piece)
        if i % 3 == 0 and notes:
            gathered.append(notes.pop(0))
    gathered += notes
    everything = ",\n    ".join(gathered)
    total = sum(length for _, _, length in pieces) + NOTES * 1000
    rows = -(-total // 1500)
    cell = SIDE * SIDE * 4
    return "\n".join(files) + f"""
mem  notes  pieces {NOTES} of 1000 random 2
file gathered temp
pipe wire size 1MiB
mem  packets pieces {rows} of 1500

mem  matrix size {cell} random 3
mem  columns size {cell}
mem  again  size {cell}

mem  payload size 16MiB random 4
mem  head    text "DRAY0001, payload first, header last"
mem  structure size {16 * 1024 * 1024 + 36}
flag payload_there
flag header_there

queue gather engine cpu depth 1024
  copy gathered <- {everything} as "gather {len(pieces)} files and {NOTES} buffers into a file"
  fence as "the file is complete"
  copy wire <- gathered[0:{total}] as "send the file through a pipe"

queue scatter engine cpu depth 8192
  copy packets[0:{total}] <- wire as "scatter what arrives over {rows} packets"

queue turn engine cpu
  transpose columns <- matrix rows {SIDE} columns {SIDE} of 4 as "transpose {SIDE} x {SIDE} floats"
  transpose again <- columns rows {SIDE} columns {SIDE} of 4 fence as "and back"

queue body engine cpu
  copy structure[36:] <- payload as "payload into its place"
  fence
  signal payload_there 1 as "tell the other queue"
  wait header_there == 1 timeout 10s as "wait for the header"
  crc32c structure as "checksum the whole"

queue header engine pio
  wait payload_there == 1 timeout 10s as "wait for the payload"
  copy structure[0:36] <- head as "header last"
  fence
  signal header_there 1 as "tell the other queue"

expect gathered == {everything} as "the file is the pieces, byte for byte"
expect packets[0:{total}] == {everything} as "the packets are the pieces, byte for byte"
expect size gathered == {total}
expect again == matrix as "transposed twice is what it was"
expect columns != matrix as "transposed once is not"
expect columns[{4 * SIDE}:4] == matrix[4:4] as "row 1, column 0 was row 0, column 1"
expect structure[0:36] == head
expect structure[36:] == payload
"""


def main():
    dray = sys.argv[1]
    text = program(choose())
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w") as out:
            out.write(text)
        return subprocess.run([dray, "run", sys.argv[2]]).returncode
    with tempfile.NamedTemporaryFile("w", prefix="demo-", suffix=".dray") as out:
        out.write(text)
        out.flush()
        return subprocess.run([dray, "run", out.name]).returncode


if __name__ == "__main__":
    sys.exit(main())
