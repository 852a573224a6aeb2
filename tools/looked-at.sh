#!/bin/sh
# looked-at.sh [--write|--test]: a model in models/ names the functions it stands for (" * src/file.c: name name"). This
# fails, one line a function, if the text of one is not the one that somebody looked at when the model was last compared
# with it: models/looked-at has a digest of each, without comments and white space. --write notes them as they are
# now. --test shows that a change of a function is noticed, and one of a comment is not.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."

# names: model, file and function, of all.
names() {
    awk '/^ \* src\/[^ ]*: / { file = $2; sub(/:$/, "", file); for (i = 3; i <= NF; i++) print FILENAME, file, $i }' models/*.pml
}

# text TREE FILE FUNCTION: from its head to its closing brace, or in assembly from its label's macro to the next one.
text() {
    case $2 in
    *.S) awk -v name="$3" '/^ *function |^ *\.section/ { on = $2 == name } on' "$1/$2" ;;
    *) awk -v name="$3" '
        !on && $0 ~ "^[a-z_].*[ *]" name "\\(" { head = ""; on = 1 }
        on { head = head $0 "\n" }
        on == 1 && /;$/ && head !~ /\{/ { on = 0 }
        on && /^}/ { printf "%s", head; exit }' "$1/$2" ;;
    esac | tr '\n' '\001' | sed 's:/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/::g' | tr -d '\001 \t'
}

# digests TREE
digests() {
    names | while read -r model file function; do
        found=$(text "$1" "$file" "$function")
        [ -n "$found" ] || { echo "$model $file $function none"; continue; }
        echo "$model $file $function $(printf %s "$found" | sha256sum | cut -c -16)"
    done
}

# compare TREE
compare() {
    digests "$1" | awk '
        NR == FNR { looked[$1 " " $2 " " $3] = $4; next }
        { key = $1 " " $2 " " $3 }
        $4 == "none" { print $1 " stands for " $3 "(), which " $2 " does not have"; bad = 1; next }
        !(key in looked) { print $1 " stands for " $3 "() of " $2 ", and nobody has noted that they agree: make models-looked-at"; bad = 1; next }
        looked[key] != $4 { print $3 "() of " $2 " has changed: read " $1 " again, then make models-looked-at"; bad = 1 }
        END { exit bad }' models/looked-at -
}

# expect STATUS FILE SED-SCRIPT: what compare says of a copy with this change.
expect() {
    cp -r src "$tree"
    sed "$3" "$2" >"$tree/$2"
    ! cmp -s "$2" "$tree/$2" || { echo "looked-at.sh: '$3' changes nothing"; exit 1; }
    compare "$tree" >"$tree/said" && status=0 || status=1
    [ "$status" -eq "$1" ] || { cat "$tree/said"; echo "looked-at.sh: '$3' of $2: $status, not $1"; exit 1; }
    [ "$status" -eq 0 ] || grep -q "of $2 has changed: read models/.*pml again\|$2 does not have" "$tree/said"
    rm -rf "$tree/src"
}

case ${1:-} in
--write) digests . >models/looked-at.new && mv models/looked-at.new models/looked-at ;;
--test)
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    expect 1 src/thread/sched.c '/^static inline void park(/,/^}/s/current->token = false;/current->token = true;/'
    expect 1 src/executor/executor.c '/bool executor_poll_batch/,/^}/s/task->next; /task->next->next; /'
    expect 1 src/thread/waiting.h '/void wait_queue_insert/,/^}/s/</<=/'
    expect 1 src/kernel/x86_64/arch.S 's/^    sti$/    sti\n    nop/'
    expect 1 src/thread/mutex.c 's/^static void inherit(/static void bequeath(/'
    expect 0 src/executor/executor.c 's/read first: a poll may queue the task again/so/'
    expect 0 src/thread/sched.c '/^void thread_park(void)/,/^}/s/^    ASSERT/\n        ASSERT/'
    expect 0 src/thread/sched.c 's/cpu->switches/&/;/^seldom void sched_tick_start/,/^}/s/true/false/'
    ;;
*) compare . ;;
esac
