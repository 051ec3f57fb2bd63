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
executable('separate', 'consumer.cpp', dependencies: dependency('blink-separate', fallback: 'blink'))
TXT
meson setup build
# Nothing of Blink's own is built here unless it is asked for.
targets=$(meson introspect --targets build | python3 -c 'import json, sys
print(*sorted(t["name"] for t in json.load(sys.stdin) if t["build_by_default"]))')
[ "$targets" = "consumer separate" ] || { echo "targets of the subproject: $targets"; exit 1; }
meson compile -C build
runs build/consumer
runs build/separate
