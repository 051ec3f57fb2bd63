#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# A Meson project with Blink below subprojects/, under warnings that are its own business.
. "$(dirname "$0")/common.sh"
tool meson
mkdir subprojects
ln -s "$source_root" subprojects/blink
cat >meson.build <<'TXT'
project('consumer', 'cpp', default_options: ['cpp_std=c++20', 'warning_level=3', 'werror=true'])
executable('consumer', 'consumer.cpp', dependencies: dependency('blink', fallback: 'blink'))
TXT
meson setup build
# The headers and nothing else: no target of Blink's own is built here.
targets=$(meson introspect --targets build | python3 -c 'import json, sys; print(*(t["name"] for t in json.load(sys.stdin)))')
[ "$targets" = consumer ] || { echo "targets of the subproject: $targets"; exit 1; }
meson compile -C build
runs build/consumer
