# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# What scripts/run, scripts/test, scripts/build-wolfssl and .ci/run share. To be sourced from the top of the checkout, with
# `set -euo pipefail`.
#
# Whether something is there is found out by looking for the thing itself (a command, a pkg-config module, a header), not
# by asking for a package: a library built by hand is as good, and nothing needs the network when nothing is missing.

missing=()
only=()

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# want_command COMMAND PACKAGE, want_module PKG_CONFIG_MODULE PACKAGE, want_file PATTERN PACKAGE
want_command() {
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}

want_module() {
    pkg-config --exists "$1" 2>/dev/null || missing+=("$2")
}

want_file() {
    compgen -G "$1" >/dev/null || missing+=("$2")
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Installs what the want_... calls before found missing; returns at once when that is nothing.
install_missing() {
    [ "${#missing[@]}" -gt 0 ] || return 0
    local packages
    mapfile -t packages < <(printf '%s\n' "${missing[@]}" | sort -u)
    missing=()
    command -v apt-get >/dev/null 2>&1 ||
        die "missing: ${packages[*]} (Debian's names); there is no apt-get here, so install them by hand"
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
        die "missing: ${packages[*]}; run 'apt-get install ${packages[*]}' as root, then start this again"
    fi
    say "Installing: ${packages[*]}"
    as_root apt-get -qq update || say "apt-get update failed; trying with the package lists that are there"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${packages[@]}" ||
        die "could not install ${packages[*]}; see apt-get's message above"
}

want_build_packages() {
    want_command cc gcc
    want_command make make
    want_command cmake cmake
    want_command pkg-config pkg-config
    want_file '/usr/include/stdio.h' libc6-dev
    want_module libuv libuv1-dev
    want_module inih libinih-dev
    want_module libargon2 libargon2-dev
    want_module sqlite3 libsqlite3-dev
    [ "$(uname -m)" != x86_64 ] || want_module libcrypto libssl-dev
}

# The distribution's own wolfSSL, and what makes up for some of its slowness.
want_packaged_wolfssl() {
    want_module wolfssl libwolfssl-dev
    want_module nettle nettle-dev
}

want_wolfssl_tools() {
    want_command dpkg-source dpkg-dev
    want_command autoreconf autoconf
    want_command automake automake
    want_command libtoolize libtool
}

# Which wolfSSL to build with, into SOTTO_WOLFSSL: the folder of one that was made by scripts/build-wolfssl, or "packaged".
# What the caller's environment says is kept. Where ours can't be made, the distribution's does, and it isn't tried again
# until somebody starts scripts/build-wolfssl: a start without network must not wait for one.
choose_wolfssl() {
    local kept=${SOTTO_WOLFSSL_CACHE:-build-wolfssl} built
    [ -z "${SOTTO_WOLFSSL:-}" ] || return 0
    if built=$(scripts/build-wolfssl --find); then
        rm -f "$kept/unavailable"
    elif [ -e "$kept/unavailable" ]; then
        built=packaged
    else
        mkdir -p "$kept"
        want_wolfssl_tools
        # install_missing ends the shell that it fails in.
        if ! { (install_missing) && built=$(scripts/build-wolfssl); }; then
            built=packaged
            : >"$kept/unavailable"
        fi
        missing=()
    fi
    if [ "$built" = packaged ]; then
        say "Using the distribution's wolfSSL: TLS is slower and takes more memory with it (scripts/build-wolfssl says why)"
    fi
    export SOTTO_WOLFSSL=$built
}

# build FOLDER TYPE [cmake option]...: configures when that was not done yet, with the wolfSSL that was chosen, and builds
# what has changed: everything, or what is in only=(TARGET...).
build() {
    local folder=$1 type=$2 wolfssl=${SOTTO_WOLFSSL:-}
    shift 2
    [ "$wolfssl" != packaged ] || wolfssl=
    cmake -S . -B "$folder" -DCMAKE_BUILD_TYPE="$type" -DSOTTO_WOLFSSL="$wolfssl" "$@" >"$folder.log" 2>&1 ||
        { cat "$folder.log" >&2; die "cmake could not configure $folder; its messages are above"; }
    rm -f "$folder.log"
    cmake --build "$folder" -j "${JOBS:-2}" ${only[@]+--target "${only[@]}"} || die "the build in $folder failed; the compiler's messages are above"
}
