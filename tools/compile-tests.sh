#!/bin/sh
# compile-tests.sh: compiles each of tests/compile with the kernel's flags, by gcc and by clang, and throws the result
# away. One that begins with "Compiles" must compile; any other must not, and for the reason its first comment gives:
#   gcc: TEXT     clang: TEXT     is in what that compiler says
# Shows what went wrong; the last line is 'N passed, N failed'.
set -u
cd "$(dirname "$0")/.." || exit 1
said=$(mktemp)
trap 'rm -f "$said"' EXIT
passed=0
failed=0

fail() {
    cat "$said"
    echo "$1 by $2: $3"
    failed=$((failed + 1))
}

# try SOURCE COMPILER FLAGS...
try() {
    source=$1 compiler=$2
    shift 2
    reason=$(sed -n "1,/\*\//s/^ \* $compiler: //p" "$source")
    "$compiler" "$@" -c -o /dev/null "$source" >"$said" 2>&1
    status=$?
    if head -n 1 "$source" | grep -q '^/\* Compiles'; then
        [ $status -eq 0 ] || { fail "$source" "$compiler" "does not compile"; return; }
    else
        [ $status -ne 0 ] || { fail "$source" "$compiler" "compiles"; return; }
        [ -n "$reason" ] || { fail "$source" "$compiler" "gives no reason"; return; }
        grep -qF -- "$reason" "$said" || { fail "$source" "$compiler" "is refused, but not for '$reason'"; return; }
    fi
    passed=$((passed + 1))
}

for compiler in gcc clang; do
    flags=$(make -s CC=$compiler OPT=2 print-flags) || exit 1
    for source in tests/compile/*.c; do
        try "$source" $compiler $flags
    done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
