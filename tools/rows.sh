#!/bin/sh
# rows.sh: checks docs/tests.md, docs/invariants.md, docs/threat-model.md and docs/reliability.md. Every row that a
# heading of the first claims ("## title: A1 to A3, A7") is there once, under it, with a promise and with tests, TODO or
# "none: why". The invariants are numbered from 1 on, and each says who asserts it and what notices it broken; each
# threat, and each promise of reliability, says what shows it. Every test, function and file named exists; a name with a
# * stands for one or more. One line an offence; exit 1 if any.
set -eu
cd "$(dirname "$0")/.."
table=docs/tests.md
invariants=docs/invariants.md
threats=docs/threat-model.md
reliability=docs/reliability.md
names=$(mktemp)
places=$(mktemp)
trap 'rm -f "$names" "$places"' EXIT

# flat FILE...: without line breaks, since clang-format may put one anywhere.
flat() {
    cat "$@" | tr -s ' \n' '  '
}

# What can be named: suite/name, report/name, area.claim, make target.
{
    flat tests/host/*.c tests/qemu/*.c |
        grep -oE '\<Test\( *[a-z0-9_]+, *[a-z0-9_]+|\<ParameterizedTest\([^,]*, *[a-z0-9_]+, *[a-z0-9_]+' |
        sed -E 's|.*[ (]([a-z0-9_]+), *([a-z0-9_]+)$|\1/\2|'
    sed -nE 's|^    \{"([a-z0-9_]+)", \1\},$|races/\1|p' tests/tsan/races.c
    flat src/kernel/suites/*.c | grep -oE '\<TEST(_PANICS|_LONG)?(_NEEDS)?\( *[a-z0-9_]+, *"[a-z0-9_.]+"' | sed -E 's/.*"(.*)"/\1/'
    flat src/kernel/suites/*.c | grep -oE '\<SWEEP\( *[a-z0-9_]+' | sed -E 's/.*[( ]/sweep./'
    sed -nE 's|^    def test_([a-z0-9_]+)\(.*|report/\1|p' tests/report/test_*.py
    sed -nE 's/^([a-z-]+):.*/make \1/p' Makefile
} >"$names"

# What can be said to assert: function(), or a file by its name or path.
{
    git ls-files src | xargs cat | grep -oE '\<[A-Za-z_][A-Za-z0-9_]*\(' | sort -u | sed 's/$/)/'
    git ls-files src tests tools | sed 'p; s|.*/||'
    git ls-files tests | sed 's|/[^/]*$||'
} | sort -u >"$places"

status=0
awk -v table="$table" '
    function offence(text) { print table ":" FNR ": " text; bad = 1 }

    # Splits "B03.7" into what counts up and what is before it.
    function number(row) { match(row, /[0-9]+$/); return substr(row, RSTART) + 0 }
    function stem(row) { match(row, /[0-9]+$/); return substr(row, 1, RSTART - 1) }

    function claim(ranges,    part, count, ends, i, n) {
        count = split(ranges, part, /, */)
        for (i = 1; i <= count; i++) {
            if (split(part[i], ends, " to ") == 1) ends[2] = ends[1]
            if (ends[1] !~ /^[A-Z]+[0-9.]*[0-9]$/ || stem(ends[1]) != stem(ends[2]) || number(ends[1]) > number(ends[2])) {
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
    }' "$names" "$table" || status=1

awk -v table="$invariants" '
    function offence(text) { print table ":" FNR ": " text; bad = 1 }

    # Whether one of `list` is what the name says, in which a * stands for anything.
    function known(list, name,    pattern, one) {
        if (name in list) return 1
        if (name !~ /[*]/) return 0
        pattern = name
        gsub(/[.]/, "[.]", pattern)
        gsub(/[*]/, "[a-z0-9_]*", pattern)
        for (one in list) if (one ~ "^" pattern "$") return 1
        return 0
    }

    function check(number, promise, asserts, tests,    name, rest) {
        if (number != ++rows) offence("number " number " where " rows " should be")
        if (promise == "" || asserts == "") offence(number " does not say what, or who says it")
        for (rest = asserts; match(rest, /`[^`]*`/); rest = substr(rest, RSTART + RLENGTH)) {
            name = substr(rest, RSTART + 1, RLENGTH - 2)
            if (name ~ /[(][)]$|[.][a-zA-Z]+$/ && !(name in place)) offence(number " is said by nothing that exists: " name)
        }
        if (tests !~ /`/) offence(number " names no test")
        for (rest = tests; match(rest, /`[^`]*`/); rest = substr(rest, RSTART + RLENGTH)) {
            name = substr(rest, RSTART + 1, RLENGTH - 2)
            if (!known(test, name) && !(name in place)) offence(number " names a test that does not exist: " name)
        }
    }

    FILENAME == ARGV[1] { test[$0] = 1; next }
    FILENAME == ARGV[2] { place[$0] = 1; next }
    /^\|/ && !/^\| # \|/ && !/^\|---/ {
        if (split($0, cell, / *\| */) != 6) offence("not a row of four cells")
        else check(cell[2] + 0, cell[3], cell[4], cell[5])
    }
    END {
        printf "%d invariants\n", rows
        exit bad || rows == 0
    }' "$names" "$places" "$invariants" || status=1

# shown TABLE HEAD CELL WHAT: of the tables whose first cell is HEAD, each row's cell names tests, which exist.
shown() {
    awk -v table="$1" -v head="$2" -v cell="$3" -v what="$4" '
        function offence(text) { print table ":" FNR ": " text; bad = 1 }

        # Whether there is such a test; a * stands for anything.
        function known(name,    pattern, one) {
            if (name in test) return 1
            if (name !~ /[*]/) return 0
            pattern = name
            gsub(/[.]/, "[.]", pattern)
            gsub(/[*]/, "[a-z0-9_]*", pattern)
            for (one in test) if (one ~ "^" pattern "$") return 1
            return 0
        }

        FNR == NR { test[$0] = 1; next }
        !/^\|/ { within = 0; next }
        index($0, "| " head) == 1 { within = 1; next }
        !within || /^\|---/ { next }
        {
            rows++
            if (split($0, cells, / *\| */) != 5) offence("not a row of three cells")
            if (cells[cell] !~ /`/) offence("names no test")
            for (i = 2; i <= 4; i++) if (cells[i] == "") offence("an empty cell")
            for (rest = cells[cell]; match(rest, /`[^`]*`/); rest = substr(rest, RSTART + RLENGTH))
                if (!known(name = substr(rest, RSTART + 1, RLENGTH - 2)))
                    offence("names a test that does not exist: " name)
        }
        END {
            printf "%d %s\n", rows, what
            exit bad || rows == 0
        }' "$names" "$1"
}

shown "$threats" "it can" 4 threats || status=1
shown "$reliability" "promise |" 3 promises || status=1
exit $status
