#!/bin/sh
# Boots the kernel in QEMU, stopped at its first instruction, and attaches gdb with its Duet commands.
# usage: tools/debug.sh KERNEL [WORD...]     the words are the kernel's command line
# The serial ports' output goes to build/com1.log and build/com2.log. QEMU ends with gdb.
set -u

[ $# -ge 1 ] || { echo "usage: $0 KERNEL [WORD...]" >&2; exit 2; }
kernel=$1
shift
[ -r "$kernel" ] || { echo "$0: cannot read $kernel (\`make kernel\` builds it)" >&2; exit 1; }
for program in qemu-system-x86_64 gdb; do
    command -v $program >/dev/null || { echo "$0: no $program: run \`make deps\`" >&2; exit 1; }
done

display=
[ -n "${DISPLAY:-}" ] || display='-display none'

mkdir -p build
# In a session of its own, so that gdb's Ctrl-C stops the kernel rather than QEMU.
# shellcheck disable=SC2086 # $display is two words or none
setsid qemu-system-x86_64 -S -s -machine pc -m 128 -no-reboot $display -monitor none -parallel none \
    -serial file:build/com1.log -serial file:build/com2.log -device isa-debug-exit,iobase=0xf4,iosize=0x04 \
    -kernel "$kernel" -append "$*" </dev/null &
qemu=$!
trap 'kill $qemu 2>/dev/null' EXIT
trap 'exit 1' HUP TERM
trap : INT

# shellcheck disable=SC2086 # options for gdb, such as -batch -ex continue
gdb -q -x "$(dirname "$0")/duet.gdb" -ex 'target remote localhost:1234' -ex 'hbreak panic_at' -ex 'hbreak assertion_failed' ${GDBFLAGS:-} "$kernel"
