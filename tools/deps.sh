#!/bin/sh
# deps.sh GROUP...: installs the packages of deps.txt that the groups need and this machine lacks.
# Says what it does, and does nothing (silently) when nothing is missing.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
wanted=$(awk -v groups="$*" '
    BEGIN { n = split(groups, want, " ") }
    /^[[:space:]]*(#|$)/ { next }
    { m = split($1, have, ","); for (i = 1; i <= n; i++) for (j = 1; j <= m; j++) if (want[i] == have[j]) { print $2; next } }
' "$top/deps.txt")
missing=
for package in $wanted; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
    installed) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "duet: missing:$missing; install them as root, or install sudo" >&2; exit 1; }
    as_root=sudo
fi
echo "duet: installing with apt-get:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "duet: could not install:$missing" >&2
    exit 1
fi
