#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# No installation, no build system: the compiler and two folders.
. "$(dirname "$0")/common.sh"
tool "$compiler"
"$compiler" -std=c++20 -Wall -Wextra -Werror -I"$source_root/include" -isystem /usr/include/eigen3 consumer.cpp -o consumer
runs ./consumer
