#!/usr/bin/env python3
"""dray bench and dray calibrate, with sizes so small that only the shape of the answer counts.

usage: bench.py DRAY [--peers]      --peers: only the suites whose peers are modules, and none may lack
"""
import json
import os
import subprocess
import sys
import tempfile
import xml.dom.minidom

DRAY = sys.argv[1]
SUITES = {
    "copy": ["64MiB", "64MiB/limit", "256MiB", "256MiB/limit", "1GiB", "1GiB/limit", "hot-4KiB",
             "hot-64KiB", "hot-1MiB", "hot-1MiB-x2"],
    "sg": ["64B", "64B/limit", "256B", "256B/limit", "1KiB", "4KiB", "64KiB"],
    "queue": ["batch32", "latency", "latency/limit"],
    "strided": ["float-4096", "float-4096/memcpy", "float-8192", "float-8192/memcpy",
                "double-4096", "double-4096/memcpy", "double-8192", "double-8192/memcpy",
                "rect-256B"],
    "flag": ["signal-wait"],
    "offload": ["cpu-seconds"],
    "domain": ["lookup", "lookup/dependent", "lookup-1Mi", "lookup-1Mi/dependent", "map-unmap"],
    "sim": ["sg-16MiB", "sg-64MiB", "sg-64MiB/memory", "pingpong", "ring-1000"],
    "pio": ["4KiB", "64KiB", "1MiB"],
    "layout": ["array", "list", "transpose"],
    "contention": ["unlimited", "limit-1GiB/s", "limit-1GiB/s/alone"],
    "jitter": ["p50", "p90", "p99", "p99.9", "max"],
    "moderation": ["count-16", "time-2ms", "adaptive-16"],
    "pages": ["scattered", "2MiB-pages"],
}
PEERS = ["queue", "strided", "sim"]
FIELDS = {"case", "unit", "dray", "peer_name", "peer", "ratio"}


def run(*arguments):
    environment = dict(os.environ, DRAY_BENCH_QUICK="1")
    return subprocess.run([DRAY, *arguments], env=environment, capture_output=True, text=True,
                          timeout=100)


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def check_result(result):
    check(FIELDS <= set(result), f"fields of {result}")
    check(isinstance(result["dray"], float) and result["dray"] > 0, f"figure of {result}")
    if result["peer"] is None:
        check(result.get("peer_why") and result["ratio"] is None, f"reason of {result}")
    else:
        check(set(result) == FIELDS, f"more than the fields in {result}")
        lower = result["unit"] in ("ns", "s", "s/GB", "MiB", "notifications/completion")
        expected = result["peer"] / result["dray"] if lower else result["dray"] / result["peer"]
        check(abs(result["ratio"] / expected - 1) < 0.01, f"ratio of {result}")


def check_suites(names):
    answer = run("bench", "--json", *names)
    check(answer.returncode == 0, f"exit status of the suites: {answer.stderr}")
    objects = [json.loads(line) for line in answer.stdout.splitlines()]
    check([o["suite"] for o in objects] == list(names), "one line a suite, in order")
    for suite in objects:
        check([r["case"] for r in suite["results"]] == SUITES[suite["suite"]],
              f"cases of {suite['suite']}")
        for result in suite["results"]:
            check_result(result)
    return objects


def check_peers():
    for suite in check_suites(PEERS):
        for result in suite["results"]:
            check(result["peer"] is not None, f"peer of {result}")


def check_usage():
    for arguments in (["bench", "nonesuch"], ["bench", "copy", "--nonesuch"],
                      ["bench", "flag", "--case", "nonesuch"], ["calibrate", "extra"],
                      ["calibrate", "--report", "a.pdf"]):
        answer = run(*arguments)
        check(answer.returncode == 2 and answer.stderr, f"usage error of {arguments}")
    check(all(name in run("bench", "nonesuch").stderr for name in SUITES), "names of the suites")


def check_calibrate():
    with tempfile.TemporaryDirectory() as folder:
        profile = f"{folder}/new/profile.ini"
        report = f"{folder}/report.svg"
        answer = run("calibrate", "--json", "--output", profile, "--report", report)
        check(answer.returncode == 0, f"exit status of calibrate: {answer.stderr}")
        figures = json.loads(answer.stdout)
        check(figures["profile"] == profile and os.path.getsize(profile) > 0, "profile written")
        for name in ("setup_ns", "descriptor_ns", "bandwidth", "cpu_bandwidth", "wake_ns"):
            check(figures[name] > 0, f"{name} of {figures}")
        check(figures["others"] >= 0, f"others of {figures}")
        for name in ("stream_min", "batch_stream_min", "transpose_stream_min", "split_min"):
            check(figures[name] is None or figures[name] > 0, f"{name} of {figures}")
            check(f"\n{name} = " in open(profile).read(), f"{name} in the profile")
        xml.dom.minidom.parse(report)


if "--peers" in sys.argv:
    check_peers()
else:
    check_usage()
    check_suites(SUITES)
    check_calibrate()
