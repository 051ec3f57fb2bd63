# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Sourced by demo, check and .ci/run: what the machine needs, how to get it, and how a step tells of its progress.
# shellcheck shell=bash

# Enough for the examples, blink-plan and blink-perf, and what the tests and checks need on top.
blink_build_packages=(g++ meson ninja-build pkg-config libeigen3-dev libcli11-dev libbenchmark-dev)
blink_test_packages=(doctest-dev cmake clang-format-14)

blink_logs=$PWD/build-logs
mkdir -p "$blink_logs"

# The toolkit's usual place, for machines where nvcc is installed but not on PATH.
for blink_cuda in "${CUDA_HOME:-/usr/local/cuda}" /usr/local/cuda; do
    if ! command -v nvcc >/dev/null && [ -x "$blink_cuda/bin/nvcc" ]; then PATH=$PATH:$blink_cuda/bin; fi
done
export PATH

# step TEXT COMMAND...: runs the command with its output in a log. A terminal sees one line with the time and the last
# words of the log; a file sees a line before and a line after. On failure the end of the log is shown.
step() {
    local text=$1 log start=$SECONDS status=0 columns
    shift
    log=$blink_logs/$(tr -cs 'A-Za-z0-9\n' '-' <<<"$text").log
    if [ -t 1 ]; then
        columns=$(tput cols 2>/dev/null || echo 80)
        "$@" </dev/null >"$log" 2>&1 &
        local job=$! last
        while kill -0 "$job" 2>/dev/null; do
            last=$(tail -c 400 "$log" | tr '\r' '\n' | tail -n 1 | tr -cd '[:print:]')
            printf '\r\033[K%s' "$(printf '%s: %d s  %s' "$text" $((SECONDS - start)) "$last" | cut -c "1-$((columns - 1))")"
            sleep 0.5
        done
        wait "$job" || status=$?
        printf '\r\033[K'
    else
        printf '%s ...\n' "$text"
        "$@" </dev/null >"$log" 2>&1 || status=$?
    fi
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$log"
        printf '%s: failed with status %d after %d s; all of it is in %s\n' "$text" "$status" $((SECONDS - start)) "$log"
        return "$status"
    fi
    printf '%s: done (%d s)\n' "$text" $((SECONDS - start))
}

# need PACKAGE...: installs what is missing with apt, as root or with sudo. Without apt it names what has to be there.
need() {
    local package missing=() as_root=()
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "This is no Debian: nothing is installed. Needed are what Debian calls: $*"
        return 0
    fi
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Missing packages, and neither root nor sudo to install them: ${missing[*]}"
            return 1
        fi
        as_root=(sudo)
        sudo -v || { echo "sudo refused; missing packages: ${missing[*]}"; return 1; }
    fi
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}")
    local update=("${as_root[@]}" apt-get update)
    # A bare image has no package lists; old lists may name versions that are gone.
    if [ -z "$(find /var/lib/apt/lists -name '*Packages*' -print -quit 2>/dev/null)" ]; then
        step "Updating the package lists" "${update[@]}"
    fi
    step "Installing ${missing[*]}" "${install[@]}" || {
        step "Updating the package lists" "${update[@]}"
        step "Installing ${missing[*]}, once more" "${install[@]}"
    }
}

# configure DIRECTORY OPTION...: a build directory below the source folder, new or brought up to date.
configure() {
    local directory=$1
    shift
    if [ -f "$directory/meson-private/coredata.dat" ]; then
        meson setup --reconfigure "$directory" "$@"
    else
        rm -rf "$directory"
        meson setup "$directory" "$@"
    fi
}
