#!/bin/sh
# fetch.sh FOLDER INIT: Debian's two kernels beside Duet, in FOLDER/stock and FOLDER/rt: each with vmlinuz, an initramfs
# of INIT and the two modules of input that the package does not build in, and package.json, which says what it came
# from. Downloads by apt, unpacks, installs nothing. What is there already is kept
# unless apt knows a newer one; the initramfs is made anew.
set -eu
folder=$1
init=$(realpath "$2")

# kernel METAPACKAGE: the package of the kernel itself, which the metapackage depends on.
kernel() {
    apt-cache depends "$1" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1
}

# fetch NAME METAPACKAGE
fetch() {
    package=$(kernel "$2")
    [ -n "$package" ] || [ -f "$folder/$1/package.json" ] || {
        echo "bench-linux: apt knows no $2: run 'apt-get update' as root, on Debian 12" >&2
        exit 1
    }
    version=$(apt-cache policy ${package:+"$package"} | sed -n 's/^ *Candidate: //p')
    mkdir -p "$folder/$1"
    if [ -n "$package" ] && ! grep -qs "\"package\": \"$package\", \"version\": \"$version\"" "$folder/$1/package.json"; then
        echo "bench-linux: downloading $package $version" >&2
        rm -rf "$folder/$1/tree" "$folder/$1"/*.deb "$folder/$1/package.json"
        (cd "$folder/$1" && apt-get -q -o APT::Sandbox::User=root download "$package") >"$folder/$1/log" 2>&1 || {
            tail -n 3 "$folder/$1/log" >&2
            echo "bench-linux: could not download $package: is this machine offline?" >&2
            exit 1
        }
        dpkg-deb -x "$folder/$1"/*.deb "$folder/$1/tree"
        sha256=$(sha256sum "$folder/$1"/*.deb | cut -d ' ' -f 1)
        cp "$folder/$1/tree/boot/vmlinuz-"* "$folder/$1/vmlinuz"
        mkdir -p "$folder/$1/initramfs"
        for module in evdev psmouse; do
            find "$folder/$1/tree/lib/modules" -name "$module.ko" -exec cp '{}' "$folder/$1/initramfs/" ';'
            [ -f "$folder/$1/initramfs/$module.ko" ] || { echo "bench-linux: $package has no module $module" >&2; exit 1; }
        done
        rm -rf "$folder/$1/tree"
        printf '{"package": "%s", "version": "%s", "sha256": "%s"}\n' "$package" "$version" "$sha256" >"$folder/$1/package.json"
    fi
    cp "$init" "$folder/$1/initramfs/init"
    mkdir -p "$folder/$1/initramfs/dev"
    (cd "$folder/$1/initramfs" && find . -exec touch -d @0 '{}' + && find . | LC_ALL=C sort |
        cpio -o -H newc -R 0:0 --reproducible --quiet) >"$folder/$1/initramfs.cpio"
}

fetch stock linux-image-amd64
fetch rt linux-image-rt-amd64
