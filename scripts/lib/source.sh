# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Fetching a source package of the distribution, for scripts/build-wolfssl and scripts/build-bearssl: apt fetches and verifies
# it, from the archive that this machine uses already, with lists and settings in a temporary folder. To be sourced
# after common.sh, with
#   package, title  its name, and the name for people
#   without         a sentence: what is done where it can't be had
#   release         whose package is wanted; where that can't be had, the one of this machine's own release
#   cache, work     where sources are kept, and a temporary folder
#   log             of the build
# shellcheck disable=SC2154 # all these

# What `apt-get update` would ask for, without asking: "SITE SUITE" a line, of the machine's own configuration.
sites() {
    apt-get "${private[@]}" update --print-uris 2>/dev/null |
        sed -n "s|^'\([^']*\)/dists/\([^' ]*\)/InRelease'.*|\1 \2|p"
}

# deb_src SITE SUITE KEYRING...: a line of sources.list; the first keyring that is there must have signed.
deb_src() {
    local site=$1 suite=$2 signed='' keyring
    shift 2
    for keyring in "$@"; do
        [ -n "$signed" ] || [ ! -r "$keyring" ] || signed="[signed-by=$keyring] "
    done
    printf 'deb-src %s%s %s main\n' "$signed" "$site" "$suite"
}

# sources_of RELEASE: lines for that release, at each archive that this machine takes its own release from.
sources_of() {
    local wanted=$1 site suite keys=/usr/share/keyrings
    sites | while read -r site suite; do
        case $suite in
        "$codename" | stable | oldstable | testing | unstable | sid) suite=$wanted ;;
        "$codename-security" | stable-security | oldstable-security) suite=$wanted-security ;;
        *) continue ;;
        esac
        if [ "$wanted" = "$release" ]; then
            deb_src "$site" "$suite" "$keys/debian-archive-keyring.gpg" "$keys/debian-archive-keyring.pgp" \
                "$keys/debian-archive-$release-stable.gpg"
        else
            deb_src "$site" "$suite" "$keys/$distribution-archive-keyring.gpg" "$keys/$distribution-archive-keyring.pgp"
        fi
    done | sort -u
}

# fetch_release RELEASE: its package's files into $work/get
fetch_release() {
    rm -rf "$work/get" "$work/lists"
    mkdir -p "$work/get" "$work/lists/partial"
    # apt's own user fetches when root asks.
    [ "$(id -u)" -ne 0 ] || chown _apt "$work/get" "$work/lists/partial" 2>/dev/null || true
    sources_of "$1" >"$work/sources"
    if [ ! -s "$work/sources" ]; then
        say "apt's configuration names no archive of $distribution $codename"
        return 1
    fi
    private+=(-o "Dir::Etc::SourceList=$work/sources" -o Dir::Etc::SourceParts=/dev/null)
    apt-get "${private[@]}" -qq update >"$work/apt.log" 2>&1 || true
    (cd "$work/get" && apt-get "${private[@]}" -qq source --download-only "$package" >>"$work/apt.log" 2>&1) && return 0
    grep -E '^[EW]:' "$work/apt.log" | grep -v "some 'deb-src'" | sort -u | head -n 5 || true
    return 1
}

fetch_source() {
    local distribution codename wanted
    command -v apt-get >/dev/null ||
        die "there is no apt-get here to fetch $title's source with"
    distribution=$(sed -n 's/^ID=//p' /etc/os-release | tr -d '"')
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release | tr -d '"')
    for wanted in $(printf '%s\n' "$release" "$codename" | awk 'NF && !seen[$1]++'); do
        say "Fetching the source of $title: $wanted's package, by apt"
        local private=(
            -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
            -o Acquire::AllowInsecureRepositories=false -o APT::Get::AllowUnauthenticated=false
            -o Acquire::Languages=none -o Acquire::Retries=1 -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15
        )
        if fetch_release "$wanted"; then
            mkdir -p "$cache/source"
            mv -f "$work/get/$package"_* "$cache/source/"
            return 0
        fi
        # One that its index names and its pool has not is not rare: a mirror that lags, or keeps a part only.
        say "$wanted's package can't be had there (why stands above)"
    done
    die "$title's source could not be fetched. $without"
}

newest_dsc() {
    compgen -G "$cache/source/${package}_*.dsc" | sort -V | tail -n 1
}

# step WHAT COMMAND...: what it writes goes to the log, which is shown when it fails
step() {
    local what=$1
    shift
    if ! "$@" >>"$log" 2>&1; then
        tail -n 10 "$log"
        die "$title: $what failed; its last lines are above, all of them in $log"
    fi
}
