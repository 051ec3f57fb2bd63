#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# run.sh SECONDS [READER...]: builds each fuzz target with clang++, libFuzzer and the sanitizers in build-fuzz/, and lets
# it search for so many seconds, beginning with its corpus. What it finds is left in build-fuzz/ as crash-... and so on;
# put a small one into corpus/READER, so that the tests replay it. CXX names another compiler.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
seconds=${1:?usage: run.sh SECONDS [READER...]}
shift
readers=("$@")
[ ${#readers[@]} -gt 0 ] || readers=(topology_json smi nccl_xml plan_json schedule_json)
CXX=${CXX:-clang++}
mkdir -p build-fuzz
status=0
for reader in "${readers[@]}"; do
    "$CXX" -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Iinclude \
        -isystem "${EIGEN:-/usr/include/eigen3}" "tests/fuzz/fuzz_$reader.cpp" -o "build-fuzz/$reader"
    mkdir -p "build-fuzz/found_$reader"
    "build-fuzz/$reader" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
        -artifact_prefix=build-fuzz/ "build-fuzz/found_$reader" "tests/fuzz/corpus/$reader" 2> "build-fuzz/$reader.log" ||
        status=1
    echo "$reader: $(grep -o 'stat::number_of_executed_units: .*' "build-fuzz/$reader.log" || tail -n 3 "build-fuzz/$reader.log")"
done
exit $status
