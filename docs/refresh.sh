#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Draws the pictures of README.md and docs/ anew, and prints anew what their console blocks show.
#
#     docs/refresh.sh [BLINK_PLAN]      the program; else that of ./check or ./demo is taken
#     docs/refresh.sh --check [...]     changes nothing; exit status 1 where something would change
set -euo pipefail
check=false
if [ "${1:-}" = --check ]; then check=true && shift; fi
plan=${1:+$(realpath "$1")}
cd "$(dirname "$(readlink -f "$0")")/.."
for built in build build-release; do
    if [ -z "$plan" ] && [ -x "$built/examples/blink-plan/blink-plan" ]; then plan=$built/examples/blink-plan/blink-plan; fi
done
[ -n "$plan" ] || { echo "no blink-plan in build or build-release: run ./demo first"; exit 1; }

status=0
picture() {
    local name=docs/img/$1.svg drawn
    shift
    drawn=$(mktemp)
    "$plan" --format svg "$@" --output "$drawn"
    if $check; then
        cmp "$drawn" "$name" || status=1
        rm -f "$drawn"
    else
        mv "$drawn" "$name"
        chmod 644 "$name"
        echo "$name"
    fi
}

picture dgx1v --topology dgx1v
picture dgx1v_broadcast --topology dgx1v --collective broadcast --root 0
picture four_gpus_allreduce --topology dgx1v --ranks 0,1,2,3
picture four_gpus_broadcast --topology dgx1v --ranks 0,1,2,3 --collective broadcast --root 0

# docs/gallery.md: NAME_allreduce.svg and NAME_broadcast.svg.
gallery() { # NAME ROOT OPTIONS...
    local name=gallery/$1 root=$2
    shift 2
    picture "${name}_allreduce" "$@"
    picture "${name}_broadcast" "$@" --collective broadcast --root "$root"
}
mkdir -p docs/img/gallery
for machine in dgx1p dgx1v dgx2 dgx_a100 hgx_h200_2 mi250 pcie4 pcie8 dgx_a100x2; do
    gallery "$machine" 0 --topology "$machine"
done
gallery dgx1v_0_1_3 0 --topology dgx1v --ranks 0,1,3
gallery dgx1v_1_4_5_6_7 1 --topology dgx1v --ranks 1,4,5,6,7

if $check; then
    python3 tests/quality/check_transcripts.py . "$plan" || status=1
else
    python3 tests/quality/check_transcripts.py --update . "$plan"
fi
exit "$status"
