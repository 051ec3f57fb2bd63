# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Sourced by the scripts of this folder, which get Blink's source folder and version as arguments.
# shellcheck shell=bash
set -euo pipefail
source_root=$1
version=$2
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cp "$source_root/tests/consumers/consumer.cpp" "$here/"
cd "$here"
# What the outer build asks of its compiler must not reach the projects here.
unset CXXFLAGS CPPFLAGS LDFLAGS MESON_BUILD_ROOT MESON_SOURCE_ROOT MESON_SUBDIR
compiler=${CXX:-g++}

# tool NAME: the test is skipped, by name, where the tool is missing.
tool() { command -v "$1" >/dev/null || { echo "$1 is missing: skipped"; exit 77; }; }

# `meson install` of the headers alone, into ./prefix.
install_blink() {
    tool meson
    meson setup blink-build "$source_root" --prefix "$here/prefix" -Dcuda=disabled -Dtests=false -Dexamples=false \
        -Dbenchmarks=false -Dpreload=false >install.log || { cat install.log; exit 1; }
    meson install -C blink-build >>install.log || { cat install.log; exit 1; }
}

# runs PROGRAM: it works, and is of the version that was installed.
runs() { "$1" | tee run.log; grep -qF "blink $version ($version):" run.log; }
