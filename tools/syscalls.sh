#!/bin/sh
# syscalls.sh [--check]: writes docs/syscalls.md from src/lib/syscalls.def, or says whether it is as it would be written.
set -eu
cd "$(dirname "$0")/.."
page=docs/syscalls.md

write() {
    cat <<'END'
# System calls

Made by `tools/syscalls.sh` from `src/lib/syscalls.def`, as the kernel's dispatcher and the programs' `duet_*()` are.

A call is `syscall` with its number in `rax` and its arguments in `rdi`, `rsi`, `rdx` and `r10`. Its result comes in `rax`; of
the other registers `rbx`, `rbp`, `rsp` and `r12` to `r15` stay, and so do all of the vector unit and the flags. A
negative result is an error, the negative of its value.

| number | call | what it does |
|---|---|---|
END
    gcc -E -P -x c - <<'END' | sed -n 's/" *"//g; s/^CALL //; s/@/|/gp' | sed -E 's/"//g; s/ \* / */g; s/\( /(/g; s/ \)/)/g'
#define USER(type) type *
#define SYSCALL_ERROR(...)
#define SYSCALL0(n, name, text) CALL @ n @ name() @ text @
#define SYSCALL1(n, name, t1, a1, text) CALL @ n @ name(t1 a1) @ text @
#define SYSCALL2(n, name, t1, a1, t2, a2, text) CALL @ n @ name(t1 a1, t2 a2) @ text @
#define SYSCALL3(n, name, t1, a1, t2, a2, t3, a3, text) CALL @ n @ name(t1 a1, t2 a2, t3 a3) @ text @
#define SYSCALL4(n, name, t1, a1, t2, a2, t3, a3, t4, a4, text) CALL @ n @ name(t1 a1, t2 a2, t3 a3, t4 a4) @ text @
#include "src/lib/syscalls.def"
END
    printf '\n| error | value | means |\n|---|---|---|\n'
    gcc -E -P -x c - <<'END' | sed -n 's/@/|/gp' | sed 's/"//g'
#define SYSCALL_ERROR(name, value, text) @ name @ value @ text @
#define SYSCALL0(...)
#define SYSCALL1(...)
#define SYSCALL2(...)
#define SYSCALL3(...)
#define SYSCALL4(...)
#include "src/lib/syscalls.def"
END
}

if [ "${1:-}" = --check ]; then
    write | cmp -s - "$page" || { echo "$page is not what $0 makes of the table"; exit 1; }
else
    write >"$page"
fi
