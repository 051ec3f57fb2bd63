#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Packs what ./gpu-check runs, without symbols, for a machine with GPUs and nothing to build with:
#
#     scripts/pack_gpu_check.sh ARCHIVE.tar.xz [BUILD FOLDER, default build]
#     tar -xf ARCHIVE.tar.xz && ./gpu-check             # there
set -euo pipefail
archive=$(readlink -f "${1:?"the archive's name is missing"}")
cd "$(dirname "$(readlink -f "$0")")/.."
build=${2:-build}
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT

for path in "$build"/{tests/gpu,tests/preload,benchmarks/blink-perf,benchmarks/paper,examples,examples/blink-plan,preload}; do
    for program in "$path"/*; do
        case $program in */test_* | */*simulated* | */0[1-8]_* | *.cu | *.so.2 | */libnccl.so) continue ;; esac
        if [ -f "$program" ] && [ -x "$program" ]; then
            mkdir -p "$staged/build${path#"$build"}"
            strip -o "$staged/build${program#"$build"}" "$program"
        fi
    done
done
cp --parents gpu-check tests/preload/*.py benchmarks/*.py benchmarks/*/*.py "$staged"
tar -C "$staged" -c . | xz -T0 --lzma2=preset=6,dict=192MiB >"$archive" # the same kernels are in many programs
echo "$archive: $(stat -c %s "$archive") bytes"
