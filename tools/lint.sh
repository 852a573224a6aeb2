#!/bin/sh
# lint.sh: everything about the sources that a machine can judge without running them. Says what it checks; stops at
# the first tool that finds something.
set -eu
cd "$(dirname "$0")/.."
kernel=$(git ls-files 'src/*.c')
headers=$(git ls-files 'src/*.h')
host=$(git ls-files 'tests/*.c' 'tests/*.h' 'tools/*.c' 'tools/*.h')

echo "layers: which folder may include which"
tools/layers.sh

echo "system calls: the page is made of the table"
tools/syscalls.sh --check

echo "rows: every promise has its test, and every test named exists"
tools/rows.sh
tools/prove.sh --check

echo "quotes: the guide quotes its examples to the letter"
tools/quotes.sh

echo "looked-at: every model was compared with the functions that it stands for"
tools/looked-at.sh

echo "clang-format: layout"
clang-format --dry-run -Werror $kernel $headers $host

echo "cppcheck: defects"
cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --enable=warning,performance,portability \
    --suppressions-list=tools/cppcheck-suppressions -D__x86_64__ -D__GNUC__ -Isrc -Isrc/kernel/x86_64 -j "$(nproc)" src tools/bench tools/linux tools/native tools/stopwatch tools/symbols

echo "clang-tidy: defects"
printf '%s\n' $kernel | xargs -P "$(nproc)" -n 4 sh -c 'clang-tidy --quiet "$@" -- -std=c17 -Isrc -Isrc/kernel/x86_64 -ffreestanding \
    -mgeneral-regs-only -mcmodel=kernel -mno-red-zone 2>/dev/null' tidy

echo "lint: nothing found"
