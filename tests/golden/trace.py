#!/usr/bin/env python3
"""`dray sim --trace`: what is in the file, against the format, the report and itself.

usage: trace.py DRAY FOLDER"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from decimal import Decimal

PROGRAMS = ["02-gather", "22-reverse", "28-crc", "30-fence", "33-ping-pong", "36-link",
            "39-range-fault", "44-many-transactions", "45-three-modes"]
MACHINES = [["desktop"], ["server"], ["embedded"],
            ["desktop", "--set", "controller.overlap=4", "--set", "system.cores=1"]]
# Two channels, the same bytes, nothing that orders them.
HAZARDOUS = """mem a size 4096
mem b size 4096
mem c size 4096
queue p engine auto
  copy c <- a
queue q engine auto
  copy c <- b
"""
REQUIRED = {
    "M": {"pid", "tid", "name", "args"},
    "X": {"pid", "tid", "name", "cat", "ts", "dur"},
    "i": {"pid", "tid", "name", "cat", "ts", "s"},
    "C": {"pid", "tid", "name", "cat", "ts", "args"},
    "b": {"pid", "tid", "name", "cat", "ts", "id", "args"},
    "e": {"pid", "tid", "name", "cat", "ts", "id"},
}


def run(dray, *arguments):
    done = subprocess.run([dray, "sim", *arguments], timeout=120, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def picoseconds(time):
    whole = time.scaleb(6)
    assert whole == whole.to_integral_value(), f"{time} is no whole number of picoseconds"
    return int(whole)


def check_fields(events):
    for event in events:
        missing = REQUIRED[event["ph"]] - event.keys()
        assert not missing, f"{missing} is missing in {event}"
        for name in ("ts", "dur"):
            if name in event:
                assert picoseconds(event[name]) >= 0


def track_names(events):
    names = {}
    for event in events:
        if event["ph"] == "M" and event["name"] == "thread_name":
            assert event["tid"] not in names, f"two names: {event}"
            names[event["tid"]] = event["args"]["name"]
    return names


def check_order(events):
    """On each track one span follows the other, in the file too."""
    ends = collections.Counter()
    for event in events:
        if event["ph"] != "X":
            continue
        begin = picoseconds(event["ts"])
        assert begin >= ends[event["tid"]], f"overlaps the one before it: {event}"
        ends[event["tid"]] = begin + picoseconds(event["dur"])


def check_transactions(events, report):
    begun = {e["id"]: e for e in events if e["ph"] == "b"}
    ended = {e["id"]: e for e in events if e["ph"] == "e"}
    assert len(begun) == len(report["transfers"])
    for number, transfer in enumerate(report["transfers"]):
        event = begun[number]
        assert event["name"] == f"channel {transfer['channel']}"
        for name in ("opcode", "status", "bytes", "descriptors", "operation"):
            assert event["args"][name] == transfer[name], f"{name}: {event} {transfer}"
        assert picoseconds(ended[number]["ts"]) == transfer["done_ps"]
        if transfer["descriptors"]:
            assert picoseconds(event["ts"]) == transfer["submitted_ps"]


def check_sums(events, names, report):
    """The controller and the bus told of each byte and picosecond that the report has."""
    moved = 0
    bus = collections.Counter()
    for event in (e for e in events if e["ph"] == "X"):
        part = names[event["tid"]].split(" (")[0]
        if part.startswith("controller.") and event["name"] != "fetch":
            moved += event.get("args", {}).get("bytes", 0)
        if part == "bus":
            bus[event["name"]] += picoseconds(event["dur"])
    wanted = sum(t["bytes"] for t in report["transfers"])
    assert moved == wanted, f"{moved} bytes in spans, {wanted} in the report"
    for master in report["bus"]:
        busy = bus[master["master"]]
        assert busy == master["busy_ps"], f"{master} was busy for {busy} ps"


def check_instants(events, names):
    kinds = collections.Counter(e["name"] for e in events if e["ph"] == "i")
    for name in ("map", "doorbell", "register write", "raised", "handled"):
        assert kinds[name], f"no {name!r}"
    assert {e["tid"] for e in events} - {0} == set(names)


def trace(dray, path, *arguments):
    status, out, err = run(dray, "--trace", str(path), *arguments)
    assert status in (0, 1) and out, f"exit status {status}: {err}"
    return json.loads(out)["machine"], json.loads(path.read_text(), parse_float=Decimal)["traceEvents"]


def check_program(dray, folder, program, machine):
    first, second = folder / "1.json", folder / "2.json"
    arguments = ["--machine", *machine, "--json", str(program)]
    report, events = trace(dray, first, *arguments)
    trace(dray, second, *arguments)
    assert first.read_bytes() == second.read_bytes(), "the same run, other bytes"
    without = json.loads(run(dray, *arguments)[1])["machine"]
    assert report == without, "the trace changes what it looks at"
    names = track_names(events)
    check_fields(events)
    check_order(events)
    check_transactions(events, report)
    check_sums(events, names, report)
    check_instants(events, names)
    for part in ("bus", "core0", "controller.0", "interrupt"):
        assert part in names.values(), f"no track {part}"


def check_hazards(dray, folder, _program, _machine):
    program = folder / "hazard.dray"
    program.write_text(HAZARDOUS)
    report, events = trace(dray, folder / "h.json", "--json", str(program))
    wanted = collections.Counter()
    for hazard in report["hazards"]:
        wanted[hazard["kind"]] += hazard["count"]
    told = collections.Counter(e["name"] for e in events if e.get("cat") == "hazard")
    assert wanted and told == wanted, f"{told} in the trace, {wanted} in the report"


def check_errors(dray, folder, program, _machine):
    cases = [(["/nonexistent/t.json", program], 1, "/nonexistent/t.json: No such file"),
             ([folder, program], 1, "Is a directory"),
             ([folder / "t", program, program], 2, "one program"),
             ([folder / "t", "--sweep", "controller.reads=1:2:2", program], 2, "no --sweep")]
    if os.access("/dev/full", os.W_OK):
        cases.append((["/dev/full", program], 1, "/dev/full is not whole: No space left"))
    for arguments, wanted, says in cases:
        status, _, err = run(dray, "--trace", *map(str, arguments))
        assert status == wanted and says in err, f"{arguments}: exit status {status}\n{err}"


def main():
    dray, programs = sys.argv[1], pathlib.Path(sys.argv[2])
    small = programs / f"{PROGRAMS[0]}.dray"
    checks = [(check_program, programs / f"{p}.dray", m) for m in MACHINES for p in PROGRAMS]
    checks += [(check_hazards, small, []), (check_errors, small, [])]
    failures = 0
    for check, program, machine in checks:
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(dray, pathlib.Path(folder), program, machine)
            except (AssertionError, KeyError, ValueError) as wrong:
                failures += 1
                print(f"{check.__name__}, {program.name}, {machine}: {wrong!r}")
    print(f"{len(checks)} checks, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
