#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# `meson install`, then CMake's find_package.
. "$(dirname "$0")/common.sh"
tool cmake
install_blink
cat >CMakeLists.txt <<'TXT'
cmake_minimum_required(VERSION 3.20)
project(consumer LANGUAGES CXX)
find_package(blink 0.1 REQUIRED)
add_executable(consumer consumer.cpp)
target_link_libraries(consumer PRIVATE blink::blink)
add_executable(separate consumer.cpp)
target_link_libraries(separate PRIVATE blink::separate)
TXT
cmake -G Ninja -S . -B build -DCMAKE_PREFIX_PATH="$here/prefix" -DCMAKE_CXX_COMPILER="$compiler"
cmake --build build
runs build/consumer
runs build/separate
