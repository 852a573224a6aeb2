#!/bin/sh
# Boots the ISO in QEMU as a PC in real time, with the first serial port in this terminal.
# usage: tools/run.sh ISO [WORD...]     the words are the kernel's command line, for example mode=echo
# Ctrl-A x quits QEMU; Ctrl-C goes to the kernel. The second serial port's output goes to build/com2.log.
set -u

[ $# -ge 1 ] || { echo "usage: $0 ISO [WORD...]" >&2; exit 2; }
iso=$1
shift
[ -r "$iso" ] || { echo "$0: cannot read $iso (\`make iso\` builds it)" >&2; exit 1; }
command -v qemu-system-x86_64 >/dev/null || { echo "$0: no qemu-system-x86_64: run \`make deps\`" >&2; exit 1; }

# QEMU's option parser ends a value at a comma, and takes two for one.
double_commas() { printf '%s' "$1" | sed 's/,/,,/g'; }

words=$(double_commas "$*")
image=$(double_commas "$iso")
display=
[ -n "${DISPLAY:-}" ] || display='-display none'

mkdir -p build
# shellcheck disable=SC2086 # $display is two words or none
qemu-system-x86_64 -machine pc -m 128 -no-reboot $display -serial mon:stdio -serial file:build/com2.log \
    -device isa-debug-exit,iobase=0xf4,iosize=0x04 -drive "file=$image,format=raw,if=ide,media=cdrom,readonly=on" \
    ${words:+-fw_cfg "name=opt/duet/cmdline,string=$words"}
status=$?

# The kernel writes 0x10 to the exit port when it passed, and QEMU makes 33 of it.
[ $status -ne 33 ] || status=0
exit $status
