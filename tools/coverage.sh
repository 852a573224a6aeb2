#!/bin/sh
# coverage.sh: what the host tests cover of the pure core, src/{lib,executor,thread,bridge,drivers}.
# HTML in coverage/html, a summary per directory in coverage/summary.txt and on the terminal. Fails when a test fails,
# or when a directory of coverage/floors is below its floor or has no figures at all.
set -eu
cd "$(dirname "$0")/.."
build=build/host-cov
info=coverage/duet.info

make -s $build/host-tests
find $build -name '*.gcda' -delete
$build/host-tests -j"$(nproc)" --color=never >$build/host-tests.log 2>&1 || { cat $build/host-tests.log; exit 1; }

# quietly COMMAND...: runs it, and shows what it says (Perl's warnings about lcov itself, mostly) only if it fails.
quietly() {
    "$@" >$build/lcov.log 2>&1 || { cat $build/lcov.log; exit 1; }
}
quietly lcov --config-file coverage/lcovrc --capture --directory $build --output-file $info.all
quietly lcov --config-file coverage/lcovrc --extract $info.all "$PWD/src/lib/*" "$PWD/src/executor/*" \
    "$PWD/src/thread/*" "$PWD/src/bridge/*" "$PWD/src/drivers/*" --output-file $info
rm -rf $info.all coverage/html
quietly genhtml --config-file coverage/lcovrc --prefix "$PWD" --output-directory coverage/html $info

# The tracefile names a source (SF) and ends it with its lines found and hit (LF, LH), branches found and hit (BRF, BRH).
awk -F: -v top="$PWD/src/" '
    FNR == NR {
        if ($0 !~ /^[[:space:]]*(#|$)/) { split($0, floor, " "); lines[floor[1]] = floor[2]; branches[floor[1]] = floor[3] }
        next
    }
    $1 == "SF" { directory = substr($2, length(top) + 1); sub(/\/.*/, "", directory); seen[directory] = 1 }
    $1 == "LF" || $1 == "LH" || $1 == "BRF" || $1 == "BRH" { sum[directory, $1] += $2; sum["all", $1] += $2 }
    function percent(directory, hit, found) {
        return sum[directory, found] ? 100 * sum[directory, hit] / sum[directory, found] : 100 * (sum[directory, "LF"] > 0)
    }
    function row(directory, verdict) {
        printf "%-10s lines %6.2f %% (%d of %d)   branches %6.2f %% (%d of %d)%s\n", directory,
            percent(directory, "LH", "LF"), sum[directory, "LH"], sum[directory, "LF"],
            percent(directory, "BRH", "BRF"), sum[directory, "BRH"], sum[directory, "BRF"], verdict
    }
    END {
        for (directory in lines) seen[directory] = 1
        count = 0
        for (directory in seen) names[++count] = directory
        for (i = 1; i <= count; i++)
            for (j = i + 1; j <= count; j++)
                if (names[j] < names[i]) { swap = names[i]; names[i] = names[j]; names[j] = swap }
        for (i = 1; i <= count; i++) {
            directory = names[i]
            verdict = ""
            if (!sum[directory, "LF"])
                verdict = "   NOT MEASURED"
            else if (percent(directory, "LH", "LF") < lines[directory] ||
                     percent(directory, "BRH", "BRF") < branches[directory])
                verdict = "   BELOW the floor of " lines[directory] " and " branches[directory] " %"
            if (verdict) failed = 1
            row(directory, verdict)
        }
        row("all", "")
        exit failed
    }' coverage/floors $info >coverage/summary.txt && status=0 || status=$?
cat coverage/summary.txt
exit $status
