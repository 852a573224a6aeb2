#!/bin/sh
# layers.sh: which folder may include which. One line an offence; exit 1 if there is any.
#   user -> drivers, lib; kernel -> drivers -> bridge -> executor, thread -> lib; executor and thread never each other
set -eu
cd "$(dirname "$0")/.."
awk '
    BEGIN {
        allowed["lib"] = " lib "
        allowed["executor"] = " lib executor "
        allowed["thread"] = " lib thread "
        allowed["bridge"] = " lib executor thread bridge "
        allowed["drivers"] = " lib executor thread bridge drivers "
        allowed["user"] = " lib thread drivers user "
        allowed["kernel"] = " lib executor thread bridge drivers kernel "
    }
    /^[[:space:]]*#[[:space:]]*include[[:space:]]*"/ {
        split(FILENAME, path, "/")
        split($0, quoted, "\"")
        split(quoted[2], target, "/")
        if (index(allowed[path[2]], " " target[1] " ") == 0) {
            print FILENAME ":" FNR ": src/" path[2] " may not include " quoted[2]
            bad = 1
        }
    }
    /^[[:space:]]*#[[:space:]]*include[[:space:]]*</ {
        split(FILENAME, path, "/")
        if ($0 !~ /<(machine\/[a-z]+|stdbool|stddef|stdint|stdarg|stdatomic|limits|linux\/input-event-codes)\.h>/) {
            print FILENAME ":" FNR ": not a freestanding header: " $0
            bad = 1
        }
    }
    /__asm__|(^|[^a-z_])asm[[:space:]]*(\(|volatile)/ && FILENAME !~ /kernel\/x86_64\/(cpu|machine\/[a-z]+)\.h$/ {
        print FILENAME ":" FNR ": inline assembly belongs in kernel/x86_64/cpu.h and machine/"
        bad = 1
    }
    /#[[:space:]]*if.*(TEST|HOST)/ { print FILENAME ":" FNR ": no test hooks in src"; bad = 1 }
    END { exit bad }
' $(find src -name '*.c' -o -name '*.h' | sort)
