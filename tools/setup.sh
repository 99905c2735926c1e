#!/usr/bin/env bash
# Installs the Debian packages that are missing, and does nothing when none is.
#   tools/setup.sh [GROUP...]      groups of tools/packages.txt; `build` when none is named
set -eu

list=$(dirname "$0")/packages.txt
groups=" ${*:-build} "

wanted() {
    while read -r name group _; do
        case $name in '' | '#'*) continue ;; esac
        case $groups in *" $group "*) echo "$name" ;; esac
    done <"$list"
}

is_missing() {
    ! dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

if ! command -v apt-get >/dev/null; then
    echo "setup: no apt-get here. What Dray needs, by its names in Debian:" $(wanted)
    exit 0
fi

missing=()
for name in $(wanted); do
    if is_missing "$name"; then missing+=("$name"); fi
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup: missing: ${missing[*]}"
        echo "setup: as root, run: apt-get update && apt-get install ${missing[*]}"
        exit 1
    fi
    as_root=(sudo)
fi

echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq -y --no-install-recommends "${missing[@]}"
