#!/bin/sh
# rows.sh: checks docs/tests.md. Every row that a heading claims ("## title: A1 to A3, A7") is there once, under it,
# with a promise and with tests, TODO or "none: why"; every test named exists. One line an offence; exit 1 if any.
set -eu
cd "$(dirname "$0")/.."
table=docs/tests.md
names=$(mktemp)
trap 'rm -f "$names"' EXIT

# flat FILE...: without line breaks, since clang-format may put one anywhere.
flat() {
    cat "$@" | tr -s ' \n' '  '
}

# What can be named: suite/name, area.claim, make target.
{
    flat tests/host/*.c tests/qemu/*.c |
        grep -oE '\<Test\( *[a-z0-9_]+, *[a-z0-9_]+|\<ParameterizedTest\([^,]*, *[a-z0-9_]+, *[a-z0-9_]+' |
        sed -E 's|.*[ (]([a-z0-9_]+), *([a-z0-9_]+)$|\1/\2|'
    flat src/kernel/suites/*.c | grep -oE '\<TEST(_PANICS|_LONG)?(_NEEDS)?\( *[a-z0-9_]+, *"[a-z0-9_.]+"' | sed -E 's/.*"(.*)"/\1/'
    flat src/kernel/suites/*.c | grep -oE '\<SWEEP\( *[a-z0-9_]+' | sed -E 's/.*[( ]/sweep./'
    sed -nE 's/^([a-z-]+):.*/make \1/p' Makefile
} >"$names"

awk -v table="$table" '
    function offence(text) { print table ":" FNR ": " text; bad = 1 }

    # Splits "B03.7" into what counts up and what is before it.
    function number(row) { match(row, /[0-9]+$/); return substr(row, RSTART) + 0 }
    function stem(row) { match(row, /[0-9]+$/); return substr(row, 1, RSTART - 1) }

    function claim(ranges,    part, count, ends, i, n) {
        count = split(ranges, part, /, */)
        for (i = 1; i <= count; i++) {
            if (split(part[i], ends, " to ") == 1) ends[2] = ends[1]
            if (ends[1] !~ /^[A-Z][0-9.]*[0-9]$/ || stem(ends[1]) != stem(ends[2]) || number(ends[1]) > number(ends[2])) {
                offence("not a range of rows: " part[i])
                continue
            }
            for (n = number(ends[1]); n <= number(ends[2]); n++) {
                if (stem(ends[1]) n in claimed) offence("claimed twice: " stem(ends[1]) n)
                claimed[stem(ends[1]) n] = section
            }
        }
    }

    function check(row, promise, tests,    name, rest, plain) {
        plain = stem(row) number(row) # S1.4 of S1.04
        if (claimed[plain] != section) offence(row " is not claimed by its heading")
        if (plain in seen) offence(row " is here twice")
        seen[plain] = 1
        if (promise == "") offence(row " promises nothing")
        for (rest = tests; match(rest, /`[^`]*`/); rest = substr(rest, RSTART + RLENGTH)) {
            name = substr(rest, RSTART + 1, RLENGTH - 2)
            if (!(name in exists)) offence(row " names a test that does not exist: " name)
        }
        gsub(/`[^`]*`/, "@", tests)
        if (tests !~ /^(@(, @)*(, TODO: [^@]+)?|TODO|none: [^@]+)$/) offence(row " says neither tests nor TODO nor none: why")
        rows++
        todo += tests == "TODO"
        parts += tests ~ /^@.*TODO/
    }

    FNR == NR { exists[$0] = 1; next }
    /^## / {
        section++
        if (!match($0, /: /)) offence("a heading that claims no rows")
        else claim(substr($0, RSTART + 2))
    }
    /^\|/ && !/^\| row \|/ && !/^\|---/ {
        if (split($0, cell, / *\| */) != 5) offence("not a row of three cells")
        else check(cell[2], cell[3], cell[4])
    }
    END {
        for (row in claimed) if (!(row in seen)) { print table ": " row " is missing"; bad = 1 }
        printf "%d rows, %d without a test, %d in part\n", rows, todo, parts
        exit bad || rows == 0
    }' "$names" "$table"
