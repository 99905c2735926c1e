#!/usr/bin/env bash
# What continuous integration runs, and what `make ci` runs here: under 20 minutes on two cores.
# Every stage runs, also after one has failed; each stage's output is kept in build-ci/logs.
# The last line is "N passed, N failed, N skipped": tests of all builds, and the stages themselves.
#
#   tools/ci.sh [STAGE...]   all stages, or the named ones (see the calls of `stage` below)
#   DRAY_FUZZ_SECONDS        for each fuzzing target; 60
set -uo pipefail

cd "$(dirname "$0")/.."
top=build-ci
logs=$top/logs
fuzz_seconds=${DRAY_FUZZ_SECONDS:-60}
only=" $* "
passed=0 failed=0 skipped=0
test_logs=()
table=()
mkdir -p "$logs"
rm -f "$top"/*/meson-logs/testlog.json

export ASAN_OPTIONS=allocator_may_return_null=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1

# stage NAME WHAT COMMAND...: exit status 77 means skipped, the last line says why.
stage() {
    local name=$1 what=$2 log=$logs/$1.log start=$SECONDS status word
    shift 2
    if [ "$only" != "  " ] && [[ $only != *" $name "* ]]; then return; fi
    printf '\n==== %s: %s\n' "$name" "$what"
    (
        set -e
        "$@"
    ) >"$log" 2>&1
    status=$?
    case $status in
    0) word=passed passed=$((passed + 1)) ;;
    77) word="skipped ($(tail -n 1 "$log"))" skipped=$((skipped + 1)) ;;
    *)
        word=FAILED failed=$((failed + 1))
        tail -n 100 "$log"
        ;;
    esac
    table+=("$(printf '%-10s %5d s  %s' "$name" $((SECONDS - start)) "$word")")
    printf '==== %s: %s, %d s\n' "$name" "$word" $((SECONDS - start))
}

# configure DIRECTORY COMPILER [MESON OPTIONS...]
configure() {
    local dir=$top/$1 cc=$2
    shift 2
    [ -f "$dir/build.ninja" ] || CC=$cc meson setup -Dpeers=disabled "$@" "$dir"
}

build() {
    configure "$@"
    ninja -C "$top/$1"
}

run_tests() {
    local dir=$top/$1
    shift
    "$@" meson test -C "$dir" --no-rebuild --print-errorlogs --timeout-multiplier 3
}

build_and_test() {
    local name=$1
    build "$@"
    run_tests "$name"
}

# ThreadSanitizer wants its shadow where the kernel's randomised layout may have put something else.
tsan_and_test() {
    build tsan gcc -Db_sanitize=thread
    if setarch -R true 2>/dev/null; then run_tests tsan setarch -R; else run_tests tsan; fi
}

fuzz_one() {
    local target=$1 name corpus seeds dictionary=()
    name=${target##*/fuzz_}
    corpus=$top/corpus/$name
    case $name in
    program) seeds=examples/programs ;;
    *) seeds=tests/fuzz/corpus/$name ;;
    esac
    mkdir -p "$corpus" "$top/crashes"
    for file in "$top/fuzz/tests/fuzz/$name.dict" "tests/fuzz/$name.dict"; do
        if [ -f "$file" ]; then dictionary=("-dict=$file"); fi
    done
    "$target" "-max_total_time=$fuzz_seconds" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
        "-artifact_prefix=$top/crashes/$name-" "${dictionary[@]}" "$corpus" "$seeds" \
        >"$logs/fuzz-$name.log" 2>&1 || {
        echo "fuzz_$name failed:"
        tail -n 60 "$logs/fuzz-$name.log"
        return 1
    }
    echo "fuzz_$name: $(grep -c . <(ls "$corpus")) inputs kept," \
        "$(sed -n 's/stat::number_of_executed_units: *//p' "$logs/fuzz-$name.log") runs"
}

# Two at a time: one for each core.
fuzz() {
    configure fuzz clang -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
    ninja -C "$top/fuzz" fuzzers
    local targets=() bad=0 i file
    for file in "$top"/fuzz/tests/fuzz/fuzz_*; do
        if [ -f "$file" ] && [ -x "$file" ]; then targets+=("$file"); fi
    done
    for ((i = 0; i < ${#targets[@]}; i += 2)); do
        local jobs=()
        for target in "${targets[@]:i:2}"; do
            fuzz_one "$target" &
            jobs+=($!)
        done
        for job in "${jobs[@]}"; do wait "$job" || bad=1; done
    done
    return $bad
}

# The programs in C and the demonstration, then each text program. A log of its own: the counts of the
# gcc stage stay.
examples() {
    meson test -C "$top/gcc" --no-rebuild --suite examples --logbase examples --verbose
    python3 tests/golden/examples.py "$top/gcc/dray" examples/programs auto
}

# What the benchmarks compare with, compiled and run once: sizes for a smoke test, every byte verified.
peers() {
    for library in libdpdk openblas; do
        pkg-config --exists "$library" || {
            echo "$library is not installed: tools/setup.sh bench"
            return 77
        }
    done
    configure peers gcc --werror -Dpeers=enabled
    ninja -C "$top/peers" dray bench/peer_dpdk.so bench/peer_openblas.so \
        bench/peer_systemc.so
    python3 tests/golden/bench.py "$top/peers/dray" --peers
}

stage format "clang-format agrees with every C file" tools/format_code.sh
stage tree "nothing in the tree is of one machine" tools/check_tree.sh
stage links "links and anchors in the documentation exist" python3 tools/check_links.py
stage gcc "gcc, warnings are errors, tests" build_and_test gcc gcc --werror
stage clang "clang, warnings are errors, tests" build_and_test clang clang --werror
stage asan "AddressSanitizer and UndefinedBehaviorSanitizer, tests" \
    build_and_test asan gcc -Db_sanitize=address,undefined
stage tsan "ThreadSanitizer, tests" tsan_and_test
stage examples "every example" examples
stage peers "what the benchmarks compare with" peers
stage man "every public function has a man page section, pages render without a warning" \
    tools/check_man.sh "$top/gcc"
stage install "installed headers and library alone, in C and C++, shared and static" \
    tools/check_install.sh "$top/gcc"
stage fuzz "each fuzzing target for $fuzz_seconds seconds" fuzz

printf '\n==== summary\n'
printf '%s\n' "${table[@]}"
printf 'total      %5d s\n' "$SECONDS"
for log in "$top"/*/meson-logs/testlog.json; do
    if [ -f "$log" ]; then test_logs+=("$log"); fi
done
python3 tools/tally.py "${test_logs[@]}" "$passed:$failed:$skipped"
