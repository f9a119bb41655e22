# shellcheck shell=bash
# lib.sh - what the project's shell scripts share: saying what they do, and installing what is missing from Debian's packages.
# The script that reads it has set `root` to the project's folder.
: "${root:?}"

say() { printf '==> %s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        die "root is needed to install packages: run as root, or install sudo"
    fi
}

# A package may be there for several architectures.
is_installed() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }

# The packages of the lists named (deploy/packages/NAME.txt) that are not installed. A second word in a line is a command: where it
# is there already, by whatever package, the line's package is not needed.
missing_packages() {
    local list name command
    for list in "$@"; do
        while read -r name command _; do
            case $name in '' | '#'*) continue ;; esac
            [ -z "$command" ] || ! command -v "$command" >/dev/null || continue
            is_installed "$name" || printf '%s\n' "$name"
        done <"$root/deploy/packages/$list.txt"
    done | sort -u
}

# Services must not start by being installed: what the tests and the quickstart run, they start themselves, with
# ports and folders of their own.
without_services() {
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
        made=yes
    fi
    local status=0
    "$@" || status=$?
    [ -z "$made" ] || as_root rm -f $policy
    return $status
}

install_packages() {
    local missing
    command -v dpkg-query >/dev/null 2>&1 || die "this script installs Debian packages; elsewhere install by hand what deploy/packages lists"
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing from Debian's packages: ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    without_services as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}
