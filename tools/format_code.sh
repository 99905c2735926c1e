#!/usr/bin/env bash
# Checks that every C file is laid out as .clang-format says; with --fix, lays it out.
set -eu

cd "$(dirname "$0")/.."
tool=$(command -v clang-format-14 || command -v clang-format)
if [ "${1:-}" = --fix ]; then
    how=(-i)
else
    how=(--dry-run -Werror)
fi
git ls-files -z '*.c' '*.h' '*.inc' | xargs -0 -r "$tool" "${how[@]}"
