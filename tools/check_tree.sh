#!/usr/bin/env bash
# Fails when a file names a path or a host that only one machine has: a home directory, an address of a
# private network, a mirror or index of packages.
set -u

cd "$(dirname "$0")/.."
# /home/me is nobody's: tests use it.
pattern='(^|[^[:alnum:]_.-])/(home/(?!me\b)|work/|root/|Users/)[[:alnum:]]'
pattern+='|(^|[^0-9.])(10|192\.168|172\.(1[6-9]|2[0-9]|3[01]))(\.[0-9]{1,3}){2,3}([^0-9.]|$)'
pattern+='|(--index-url|--registry|Acquire::http::Proxy|GOPROXY|npm_config_registry)'
if git grep -nIP -e "$pattern" -- ':!tools/check_tree.sh'; then
    echo "check_tree: the lines above hold for one machine only"
    exit 1
fi
