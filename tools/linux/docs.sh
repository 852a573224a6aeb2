#!/bin/sh
# docs.sh: puts the tables of the last bench-linux and bench-external into docs/linux.md, each between its two marks, of
# which the first says the command that prints it.
set -eu
cd "$(dirname "$0")/../.."
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
inside=
while IFS= read -r line; do
    case $line in
    '<!-- begin tools/linux/docs.sh '*)
        command=${line#<!-- begin tools/linux/docs.sh }
        printf '%s\n' "$line"
        ${command% -->}
        inside=yes
        ;;
    '<!-- end -->')
        printf '%s\n' "$line"
        inside=
        ;;
    *) [ -n "$inside" ] || printf '%s\n' "$line" ;;
    esac
done <docs/linux.md >"$fresh"
cp "$fresh" docs/linux.md
