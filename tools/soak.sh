#!/bin/sh
# soak.sh KERNEL PROGRAMS [MINUTES [SEED]]: soaks the kernel for so many minutes of virtual time, 10 if nothing is said, on
# the reference machine, but with 128 ns an instruction, so that an hour is an hour of a slow machine and minutes of the
# host. Prints a line a minute; the accounts, an object a minute and one for all, are in build/soak.json. Exit status 1
# if anything is out of balance.
set -eu
cd "$(dirname "$0")/.."
minutes=${3:-10}
seed=${4:-1}
status=0
# shellcheck disable=SC2046 # the file is words
timeout $((300 + 120 * minutes)) qemu-system-x86_64 $(grep -v '^#' tools/reference-machine) -icount shift=7 -display none \
    -no-reboot -monitor none -serial stdio -serial file:build/soak.json \
    -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$1" -initrd "$2" \
    -append "mode=soak minutes=$minutes seed=$seed" </dev/null || status=$?
[ "$status" -eq 33 ]
