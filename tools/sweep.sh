#!/bin/sh
# sweep.sh KERNEL [SCENARIO]: runs the sweep, or one scenario of it, on the reference machine, and prints its table and
# what failed. Exit status 1 if it did not pass.
set -eu
cd "$(dirname "$0")/.."
output=$(mktemp)
trap 'rm -f "$output"' EXIT
trap 'exit 130' INT TERM
status=0
# shellcheck disable=SC2046 # the file is words
timeout 300 qemu-system-x86_64 $(grep -v '^#' tools/reference-machine) -display none -no-reboot -monitor none \
    -serial "file:$output" -serial null -device isa-debug-exit,iobase=0xf4,iosize=4 \
    -kernel "$1" -append "mode=test test=sweep${2:+.$2}" >/dev/null || status=$?
grep -E 'boundaries|^    |PANIC|FAILED|unknown' "$output" || :
tail -n 1 "$output"
[ "$status" -eq 33 ]
