#!/bin/sh
# quotes.sh [write]: checks that docs/async.md quotes the examples to the letter. Each block of C follows a line
#   <!-- guide: FILE NAME -->
# and is what stands in FILE between the comments "guide: NAME" and "guide end"; and each such region is quoted. One
# line an offence; exit 1 if there is any. With `write`, the blocks are replaced by what the files say now.
set -eu
cd "$(dirname "$0")/.."
text=docs/async.md
quoted=$(mktemp)
trap 'rm -f "$quoted"' EXIT

awk -v text="$text" '
    function offence(line, words) { print text ":" line ": " words >"/dev/stderr"; bad = 1 }

    # Prints the region of the file, and notes it as quoted.
    function quote(file, name,    line, inside, lines, status) {
        while ((status = (getline line <file)) > 0) {
            if (line == "/* guide end */") inside = 0
            if (inside) { print line; lines++ }
            if (line == "/* guide: " name " */") inside = 1
        }
        close(file)
        if (status < 0) offence(FNR, "no such file: " file)
        else if (!lines) offence(FNR, file " has no region " name)
        seen[file " " name] = 1
    }

    skipping { if ($0 == "```") { skipping = 0; print } ; next }
    { print }
    /^<!-- guide: [^ ]+ [^ ]+ -->$/ { file = $3; name = $4; due = FNR + 1; next }
    $0 == "```c" {
        if (due != FNR) { offence(FNR, "a block of C that quotes nothing"); next }
        quote(file, name)
        skipping = 1
    }
    FNR == due && $0 != "```c" { offence(FNR, "no block of C follows") }
    END {
        if (skipping) offence(FNR, "a block of C does not end")
        while (("grep -no \"^/\\* guide: [^ ]* \\*/$\" tests/host/*.c src/kernel/suites/*.c" | getline line) > 0) {
            split(line, part, ":")
            name = line
            sub(/.*guide: /, "", name)
            sub(/ .*/, "", name)
            if (!(part[1] " " name in seen)) { print part[1] ":" part[2] ": not quoted: " name >"/dev/stderr"; bad = 1 }
        }
        exit bad
    }' "$text" >"$quoted"

if [ "${1:-check}" = write ]; then
    cat "$quoted" >"$text"
elif ! cmp -s "$quoted" "$text"; then
    diff -u "$text" "$quoted" | sed -n '1,40p'
    echo "$text: not what the examples say: tools/quotes.sh write"
    exit 1
fi
echo "$(grep -c '^<!-- guide: ' "$text") examples quoted"
