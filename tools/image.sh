#!/bin/sh
# image.sh KERNEL... [--programs PROGRAM...]: what a kernel file must and may not hold, and what a program must not. One
# line an offence; exit 1 if there is any.
#   No instruction uses vector, MMX or x87 state, which is saved only for threads that ask: but for what saves it, and
#   the tests that have it to lose. Both are known by name here, and are there.
#   No memory is both writable and executable, and no stack executable. What is at the kernel's own addresses is mapped
#   by section, so a section's flags are its segment's, and no page holds two sections that differ in them.
# .boot is left out of the first: it mixes hand-written code of two modes with data. Programs are left out of it whole:
# ring 3 has vector registers of its own.
set -u
export LC_ALL=C
status=0

may_use_vectors="vector_state_save vector_state_load \
vector_flow_spin vector_flow_spin_wide vector_flow_across_call vector_flow_store \
vector_flow_touch_sse vector_flow_touch_mxcsr vector_flow_touch_x87 vector_flow_touch_mmx vector_flow_touch_avx"

# instructions KERNEL: the offending ones in .text. A register, a mnemonic of x87 (f...), or a whole state's.
instructions() {
    objdump -d -w --no-show-raw-insn -j .text "$1" | awk -v names="$may_use_vectors" '
        BEGIN { split(names, name); for (i in name) allowed["<" name[i] ">:"] = name[i] }
        /^[0-9a-f]+ <.*>:$/ { function_name = $2; next }
        $1 !~ /^[0-9a-f]+:$/ { next }
        { count++; operation = 2 }
        { while ($operation ~ /^(lock|rep|repz|repnz|bnd|notrack|data16|addr32|cs|ds|es|ss|fs|gs|rex.*)$/) operation++ }
        { text = $0; sub(/[#<].*/, "", text) }
        text ~ /%([xyz]?mm|st|k)[0-9(]/ || text ~ /%st([^a-z]|$)/ ||
        $operation ~ /^(f|wait$|emms|v?ldmxcsr|v?stmxcsr|vzero|xsave|xrstor|tile|ldtilecfg|sttilecfg)/ {
            if (function_name in allowed) used[function_name] = 1
            else print function_name " " $0
        }
        END { for (i in allowed) if (!(i in used)) print "no vector instruction in " allowed[i] }
        END { if (!count) print "no instruction in .text" }'
}

# layout FILE OWN SECTIONS: what is wrong with the segments, and with the sections whose address matches OWN; SECTIONS
# are to be there, each with its flags.
layout() {
    readelf -lSW "$1" | awk -v own="$2" -v wanted="$3" '
        # The low half of a hexadecimal number: all the kernel is in one half of that.
        function low(hex,    i, value) {
            sub(/^0x/, "", hex)
            hex = substr("00000000" hex, length(hex) + 1)
            for (i = 1; i <= 8; i++)
                value = value * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
            return value
        }
        function page(address) { return int(address / 4096) }

        /^  \[ *[0-9]+\] / {
            sub(/^  \[ *[0-9]+\] /, "")
            if ($7 ~ /A/) {
                name[++sections] = $1; at[sections] = low($3); end[sections] = low($3) + low($5)
                flags[sections] = ($7 ~ /W/ ? "W" : "") ($7 ~ /X/ ? "X" : "")
                owned[sections] = $3 ~ own
            }
        }
        $1 == "LOAD" || $1 == "GNU_STACK" {
            permission = ""
            for (i = 7; i < NF; i++) permission = permission $i
            if (permission ~ /W/ && permission ~ /E/)
                print "the " $1 " segment at " $3 " is writable and executable"
            if ($1 == "GNU_STACK") {
                stacks++
                if (permission ~ /E/) print "the stack is executable"
                next
            }
            from[++segments] = low($3); to[segments] = low($3) + low($6)
            may[segments] = (permission ~ /W/ ? "W" : "") (permission ~ /E/ ? "X" : "")
            if (from[segments] % 4096) print "the segment at " $3 " does not begin on a page"
        }
        END {
            if (stacks != 1) print "nothing says that the stack is not executable"
            for (i = 1; i <= sections; i++) {
                if (flags[i] == "WX") print name[i] " is writable and executable"
                if (!owned[i]) continue
                segment = 0
                for (j = 1; j <= segments; j++)
                    if (at[i] >= from[j] && end[i] <= to[j]) segment = j
                if (!segment) print name[i] " is in no segment"
                else if (flags[i] != may[segment])
                    print name[i] " is [" flags[i] "], its segment [" may[segment] "]"
                if (i > 1 && flags[i] != flags[i - 1] && page(end[i - 1] - 1) >= page(at[i]))
                    print name[i - 1] " and " name[i] " share a page"
            }
            split(wanted, want, " ")
            for (j in want) {
                split(want[j], part, ":")
                found = 0
                for (i = 1; i <= sections; i++)
                    if (name[i] == part[1] && flags[i] == part[2]) found = 1
                if (!found) print part[1] " is not there, or not [" part[2] "]"
            }
        }'
}

kernel() {
    instructions "$1"
    layout "$1" '^ffffffff' '.text:X .rodata: .data:W .bss:W'
}

program() {
    layout "$1" . .text:X
}

[ $# -gt 0 ] || { echo "usage: $0 KERNEL... [--programs PROGRAM...]"; exit 2; }
kind=kernel
for file; do
    [ "$file" != --programs ] || { kind=program; continue; }
    [ -r "$file" ] || { echo "$file: cannot be read"; status=1; continue; }
    offences=$($kind "$file")
    [ -z "$offences" ] || { printf '%s\n' "$offences" | sed "s|^|$file: |"; status=1; }
done
exit $status
