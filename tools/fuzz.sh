#!/bin/sh
# fuzz.sh run|replay|keep: the fuzz targets of tests/fuzz/targets, or only those that TARGETS names.
#   run     each for TIME seconds (60), as many at once as there are processors; a table; fails if anything was found,
#           and leaves the input in tests/fuzz/crashes
#   replay  every input of tests/fuzz/corpus and tests/fuzz/crashes once, by gcc and without libFuzzer;
#           ends with 'fuzz: N passed, N failed'
#   keep    adds to tests/fuzz/corpus what the last run found, and reduces it to what covers as much
set -u
cd "$(dirname "$0")/.." || exit 1
time=${TIME:-60}
export LSAN_OPTIONS="suppressions=$PWD/tools/lsan-suppressions:print_suppressions=0"
export UBSAN_OPTIONS=print_stacktrace=1
targets=${TARGETS:-$(awk '!/^(#|$)/ { print $1 }' tests/fuzz/targets)}

# field TARGET N: a field of its line; 3 is all the rest.
field() {
    awk -v target="$1" -v n="$2" '$1 == target { if (n == 2) print $2; else { $1 = $2 = ""; print } }' tests/fuzz/targets
}

# build FOLDER: the targets' programs.
build() {
    for target in $targets; do echo "$1/fuzz-$target"; done | xargs make -s -j"$(nproc)"
}

# folders TARGET: those of the repository with its inputs, as far as there are any.
folders() {
    for folder in "tests/fuzz/corpus/$1" "tests/fuzz/crashes/$1"; do [ ! -d "$folder" ] || echo "$folder"; done
}

# fuzz_one TARGET: runs it, and leaves all about it in its folder.
fuzz_one() {
    work=build/fuzz/work/$1
    rm -rf "$work"
    mkdir -p "$work/corpus"
    dictionary=
    [ ! -f "tests/fuzz/dict/$1" ] || dictionary=-dict=tests/fuzz/dict/$1
    build/fuzz/fuzz-"$1" -max_total_time="$time" -max_len="$(field "$1" 2)" -timeout=10 -print_final_stats=1 $dictionary \
        -artifact_prefix="$work/" "$work/corpus" $(folders "$1") >"$work/log" 2>&1
    echo $? >"$work/status"
}

# cover TARGET: percent of the lines of its sources that its inputs reach.
cover() {
    work=build/fuzz/work/$1
    LLVM_PROFILE_FILE="$work/%p.profraw" build/fuzz-cov/fuzz-"$1" $(folders "$1") "$work/corpus" >/dev/null 2>&1
    llvm-profdata merge -o "$work/profile" "$work"/*.profraw &&
        llvm-cov report build/fuzz-cov/fuzz-"$1" -instr-profile="$work/profile" $(field "$1" 3) 2>/dev/null |
        awk '$1 == "TOTAL" { print $10 }'
}

# stat TARGET NAME: a figure that libFuzzer ends with.
stat() {
    sed -n "s/^stat::$2: *//p" "build/fuzz/work/$1/log"
}

# row TARGET: its line of the table, and what it found. Fails if that is anything.
row() {
    work=build/fuzz/work/$1
    found=$(find "$work" -maxdepth 1 \( -name 'crash-*' -o -name 'timeout-*' -o -name 'oom-*' -o -name 'leak-*' \))
    printf '%-12s %12s %8s %6s %8s %6s %8s\n' "$1" "$(stat "$1" number_of_executed_units)" \
        "$(stat "$1" average_exec_per_sec)" "$(grep -a -o 'cov: [0-9]*' "$work/log" | tail -n 1 | cut -c6-)" \
        "$(cover "$1")" "$(stat "$1" new_units_added)" "$(printf '%s' "$found" | grep -c .)"
    [ -n "$found" ] || [ "$(cat "$work/status")" -ne 0 ] || return 0
    grep -a -m 3 'broken: \|panic: \|runtime error: \|ERROR: ' "$work/log"
    for input in $found; do
        saved=tests/fuzz/crashes/$1/$(basename "$input" | cut -c1-16)
        mkdir -p "tests/fuzz/crashes/$1"
        cp "$input" "$saved"
        echo "  saved; replay it by: build/fuzz/fuzz-$1 $saved"
        echo "  once mended, say in tests/fuzz/crashes/list what it was, and commit both"
    done
    return 1
}

run() {
    build build/fuzz && build build/fuzz-cov || exit 1
    printf '%s\n' $targets | xargs -P "$(nproc)" -n 1 "$0" one
    failed=0
    printf '%-12s %12s %8s %6s %8s %6s %8s\n' target executions exec/s edges lines new crashes
    for target in $targets; do row "$target" || failed=1; done
    exit $failed
}

replay() {
    build build/fuzz-replay || { echo 'fuzz: 0 passed, 1 failed'; exit 1; }
    printf '%s\n' $targets | xargs -P "$(nproc)" -I'{}' sh -c \
        'build/fuzz-replay/fuzz-{} tests/fuzz/corpus/{} tests/fuzz/crashes/{} 2>&1 | sed "s/^/{}: /"' |
        awk -v wanted="$(printf '%s\n' $targets | wc -l)" '
            / passed, / { passed += $2; failed += $4; programs++; if ($2 + $4 == 0) { print $1 " no inputs"; failed++ } }
            $4 != "passed," && !/ passed, / || / [1-9][0-9]* failed$/ { print }
            END {
                failed += wanted - programs
                print "fuzz: " passed + 0 " passed, " failed + 0 " failed"
                exit failed > 0
            }'
}

# Greedy set cover over edges, without how often each is passed: few and small inputs.
keep() {
    build build/fuzz || exit 1
    for target in $targets; do
        merged=build/fuzz/work/$target/merged
        rm -rf "$merged"
        mkdir -p "$merged" "tests/fuzz/corpus/$target"
        build/fuzz/fuzz-"$target" -set_cover_merge=1 -use_counters=0 -max_len="$(field "$target" 2)" "$merged" \
            "tests/fuzz/corpus/$target" "build/fuzz/work/$target/corpus" >"build/fuzz/work/$target/merge-log" 2>&1 || exit 1
        rm -rf "tests/fuzz/corpus/$target"
        mkdir -p "tests/fuzz/corpus/$target"
        for input in "$merged"/*; do cp "$input" "tests/fuzz/corpus/$target/$(basename "$input" | cut -c1-12)"; done
    done
    echo "$(find tests/fuzz/corpus -type f | wc -l) inputs, $(find tests/fuzz/corpus -type f -printf '%s\n' |
        awk '{ sum += $1 } END { print sum }') bytes"
}

case ${1:-} in
run) run ;;
replay) replay ;;
keep) keep ;;
one) fuzz_one "$2" ;;
*) echo "fuzz.sh: run, replay or keep" >&2; exit 2 ;;
esac
