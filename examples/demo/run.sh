#!/usr/bin/env bash
# The demonstration: real files, pipes, memory and two engines, every byte verified, one table.
#   examples/demo/run.sh [BUILD]
set -eu
cd "$(dirname "$0")/../.."
exec python3 examples/demo/demo.py "${1:-build}/dray"
