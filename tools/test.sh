#!/usr/bin/env bash
# Runs the tests of a build directory; the last line is "N passed, N failed, N skipped".
#   tools/test.sh BUILD [meson test arguments...]
set -u

build=$1
shift
status=0
meson test -C "$build" --no-rebuild --print-errorlogs "$@" || status=$?
python3 "$(dirname "$0")/tally.py" "$build/meson-logs/testlog.json" || status=1
exit "$status"
