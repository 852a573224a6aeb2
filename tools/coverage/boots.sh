#!/bin/sh
# boots.sh BUILD RUNS: boots the kernel of a folder as tools/coverage/boots says, two machines at a time, and leaves what
# each sends of its counts in RUNS. How each ended, and when, goes to RUNS.log.
set -eu
cd "$(dirname "$0")/../.."
export BUILD="$1" RUNS="$2"
# shellcheck disable=SC2016 # the inner shell expands
grep -v '^#' tools/coverage/boots | nl -w 1 -s '|' | tr '\n' '\0' | xargs -0 -P 2 -I LINE sh -c '
    number=${1%%|*} rest=${1#*|}
    begin=$(date +%s) status=0
    # shellcheck disable=SC2046,SC2086 # words
    timeout 1200 qemu-system-x86_64 $(grep -v "^#" tools/reference-machine) ${rest%%|*} -display none -no-reboot \
        -monitor none -serial null -serial null -debugcon file:$RUNS/boot-$number \
        -device isa-debug-exit,iobase=0xf4,iosize=4 \
        -kernel $BUILD/duet.elf -initrd $BUILD/programs.tar -append "${rest#*|}" >/dev/null 2>&1 || status=$?
    echo "$(($(date +%s) - begin)) s, status $status:${rest#*|}"' boot LINE >"$RUNS.log"
