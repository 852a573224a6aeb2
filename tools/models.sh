#!/bin/sh
# models.sh [TEXT|--write]: checks the models of models/ by spin, all their states, and that spin finds each planted bug; then
# that tools/looked-at.sh notices a changed function. TEXT: only lines that have it. --write: puts the tables into docs/models.md. Assertions count for every property;
# processes are weakly fair. Counterexamples, as text, are left in build/models/. The last line is 'N passed, N failed'.
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
out=$PWD/build/models
jobs=${MODELS_JOBS:-$(nproc)}
limit=300     # seconds, of a run
memory=1500   # MiB, of a run
wanted=${1:-}
write=
trap 'exit 130' INT TERM

# model | what is defined | property | the planted bug, in words; none: it must hold
list() {
    sed 's/ *| */|/g; /^#/d; /^$/d' models/list
}

# defined NAMES: as options.
defined() {
    for name in $1; do
        printf '%s ' "-D$name"
    done
}

# build MODEL DEFINES OPTIMISATION: a verifier in the working directory.
build() {
    # shellcheck disable=SC2086,SC2046 # words
    spin -a $(defined "$2") "../../../models/$1.pml" >spin.log 2>&1 &&
        gcc "$3" -w -DNFAIR=3 -DMEMLIM="$memory" -o pan pan.c >>spin.log 2>&1
}

# readable MODEL DEFINES: the counterexample, a step a line: process, function, what it did.
readable() {
    # shellcheck disable=SC2086,SC2046 # words
    spin -k ./*.trail -p $(defined "$2") "../../../models/$1.pml" 2>/dev/null | awk '
        function load(file, text, n, name) {
            loaded[file] = 1
            while ((getline text < file) > 0) {
                n++
                if (match(text, /^(inline|active proctype) [a-z0-9_]+/)) {
                    name = substr(text, 1, RLENGTH)
                    sub(/.* /, "", name)
                }
                inside[file, n] = name
            }
        }
        function flush() {
            if (number != "" && did != "") printf "%4d  %-10s %-30s %s\n", ++steps, who, where, did
            number = ""
        }
        /START OF CYCLE/ { flush(); print "from here on, the same again and again:"; next }
        /^ *[0-9]+:\tproc +[0-9]+ .*\[.*\]$/ {
            if ($1 != number) { flush(); number = $1; where = did = "" }
            match($0, /\([a-zA-Z_0-9]+:1\)/)
            who = substr($0, RSTART + 1, RLENGTH - 4)
            match($0, /[^ ]*\.pml:[0-9]+/)
            split(substr($0, RSTART, RLENGTH), at, ":")
            if (!(at[1] in loaded)) load(at[1])
            name = inside[at[1], at[2]]
            if (index(" " where " ", " " name " ") == 0) where = where (where == "" ? "" : " ") name
            sub(/^[^[]*\[/, "")
            sub(/\]$/, "")
            if ($0 !~ /^(sub-sequence|IF|DO|\.\(goto\)|goto :.*|\(1\)|else|break|\(.*==_pid.*)$/)
                did = did (did == "" ? "" : "; ") $0
        }
        END { flush() }
        END { print steps " steps" }'
}

# check MODEL DEFINES PROPERTY: a line of the table, true properties.
check() {
    timeout "$limit" ./pan -a -f -m200000 -N "$3" >run.log 2>&1
    sed -n 's/.*depth reached \([0-9]*\), errors: \([0-9]*\)/\1 \2/p' run.log >figures
    read -r depth errors <figures || { depth=- errors=-; }
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' run.log)
    explored=$(sed -n 's/^ *\([0-9.e+]*\) transitions.*/\1/p' run.log)
    result='holds'
    [ "$errors" = 0 ] || result='FAILS'
    [ "$errors" != 0 ] || ! grep -q 'max search depth too small\|Search not completed\|out of memory' run.log || result='NOT FINISHED'
    [ -n "$states" ] || result="BROKEN"
    [ "$result" != FAILS ] || { readable "$1" "$2"; } >"$out/$1-$3.txt"
    printf '%s | %s | %s | %s | %s | %s | %s\n' "$1" "$2" "$3" "${states:--}" "${explored:--}" "$depth" "$result"
}

# find MODEL DEFINES PROPERTY TEXT: a line of the table, planted bugs. Shallow searches first, for a short one.
find_bug() {
    result='NOT FOUND'
    for depth in 45 60 80 120 200 500 200000; do
        rm -f ./*.trail
        timeout "$limit" ./pan -a -f -m$depth -N "$3" >run.log 2>&1
        [ -z "$(ls ./*.trail 2>/dev/null)" ] || break
    done
    if [ -n "$(ls ./*.trail 2>/dev/null)" ]; then
        readable "$1" "$2" >"$out/$1-${2##*PLANT_}.txt"
        result="counterexample in $(sed -n '$s/ steps//p' "$out/$1-${2##*PLANT_}.txt") steps"
    fi
    printf '%s | %s | %s | %s | %s\n' "$1" "$2" "$3" "$4" "$result"
}

# run MODEL DEFINES: all that is to be shown of the model so defined.
run() {
    dir=$out/$1$(printf %s "$2" | tr -c 'A-Za-z0-9_' -)
    rm -rf "$dir" && mkdir -p "$dir" && cd "$dir" || exit 1
    case $2 in
    *PLANT*) build "$1" "$2" -O0 ;;
    *) build "$1" "$2" -O1 ;;
    esac || { cat spin.log >&2; }
    awk -F'|' -v model="$1" -v defines="$2" '$1 == model && $2 == defines' "$out/list" |
        while IFS='|' read -r model defines property text; do
            if [ -z "$text" ]; then
                check "$model" "$defines" "$property"
            else
                find_bug "$model" "$defines" "$property" "$text"
            fi
        done >result
}

if [ "$wanted" = --run ]; then
    run "$2" "$3"
    exit 0
fi

if [ "$wanted" = --write ]; then
    wanted='' write=yes
fi
rm -rf "$out" && mkdir -p "$out" || exit 1
list | grep -F -e "$wanted" >"$out/list"
awk -F'|' '!seen[$1 "|" $2]++ { print $1; print $2 }' "$out/list" | tr '\n' '\0' |
    xargs -0 -P "$jobs" -n 2 tools/models.sh --run
cat "$out"/*/result >"$out/results"

# In the order of the list; as the table of docs/models.md.
awk -F'|' 'NR == FNR { split($0, f, / \| /); line[f[1] "|" f[2] "|" f[3]] = $0; next } { print line[$1 "|" $2 "|" $3] }' \
    "$out/results" "$out/list" >"$out/ordered"
{
    echo '| model | property | states | transitions | depth | result |'
    echo '|---|---|---|---|---|---|'
    awk -F' [|] ' 'NF == 7 { printf "| %s%s | `%s` | %s | %s | %s | %s |\n", $1, $2 == "" ? "" : ", " $2, $3, $4, $5, $6, $7 }' "$out/ordered"
    echo
    echo '| model | planted bug | property that fails | result |'
    echo '|---|---|---|---|'
    awk -F' [|] ' 'NF == 5 { sub(/.*PLANT_/, "", $2); printf "| %s | `%s`: %s | `%s` | %s |\n", $1, $2, $4, $3, $5 }' "$out/ordered"
} >"$out/table.md"
cat "$out/table.md"

total=$(wc -l <"$out/list")
passed=$(grep -c -e ' | holds$' -e ' | counterexample in [0-9]* steps$' "$out/ordered")
failed=$((total - passed))
if [ -z "$wanted" ]; then
    if tools/looked-at.sh --test; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    if [ "$write" ]; then
        awk -v table="$out/table.md" '/^<!-- end -->$/ { on = 0 } !on
            /^<!-- models -->$/ { on = 1; while ((getline line < table) > 0) print line }' docs/models.md >"$out/models.md"
        cp "$out/models.md" docs/models.md
    fi
    awk '/^<!-- models -->$/ { on = 1; next } /^<!-- end -->$/ { on = 0 } on' docs/models.md >"$out/documented"
    if cmp -s "$out/documented" "$out/table.md"; then
        passed=$((passed + 1))
    else
        echo 'docs/models.md says otherwise: make models-table'
        failed=$((failed + 1))
    fi
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$total" -gt 0 ]
