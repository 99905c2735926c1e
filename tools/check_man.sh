#!/usr/bin/env bash
# Every man page renders without a warning, and every public function stands in one.
#   tools/check_man.sh BUILD
set -u

cd "$(dirname "$0")/.."
build=$1
bad=0

for page in "$build"/docs/man/*.[1-9]; do
    warnings=$(LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
    if [ -n "$warnings" ]; then
        echo "$page: $warnings"
        bad=1
    fi
done

functions=$(cat include/dray/*.h | tr '\n' ' ' | grep -oE 'DRAY_API [^;]*;' | grep -oE 'dray_[a-z0-9_]+\(' |
    tr -d '(' | sort -u)
for function in $functions; do
    if ! grep -qE "(^|[^a-z0-9_])\*?$function\*?\(" docs/man/*.3.scd; then
        echo "no man page section: $function"
        bad=1
    fi
done
echo "$(wc -w <<<"$functions") public functions, $(ls "$build"/docs/man/*.[1-9] | wc -l) pages"
exit $bad
