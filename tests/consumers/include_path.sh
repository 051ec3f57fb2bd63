#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# No installation, no build system: the compiler and two folders.
. "$(dirname "$0")/common.sh"
tool "$compiler"
"$compiler" -std=c++20 -Wall -Wextra -Werror -I"$source_root/include" -isystem /usr/include/eigen3 consumer.cpp -o consumer
runs ./consumer

# Planner, verifier and probe compiled on their own, which every other file of the program then only declares.
"$compiler" -std=c++20 -Wall -Wextra -Werror -I"$source_root/include" -isystem /usr/include/eigen3 \
    -DBLINK_SEPARATE_COMPILATION consumer.cpp "$source_root/include/blink/separate.cpp" -o separate
runs ./separate
