#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# `meson install`, then the flags that pkg-config tells.
. "$(dirname "$0")/common.sh"
tool pkg-config
install_blink
export PKG_CONFIG_PATH=$here/prefix/share/pkgconfig
[ "$(pkg-config --modversion blink)" = "$version" ]
# shellcheck disable=SC2046
"$compiler" -std=c++20 consumer.cpp $(pkg-config --cflags --libs blink) -o consumer
runs ./consumer
