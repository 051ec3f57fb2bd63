#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Names every C++ and CUDA file that clang-format 14 would change. Exit status 77 (skipped) without clang-format 14.

    check_format.py SOURCE_ROOT
"""
import pathlib
import re
import shutil
import subprocess
import sys

FOLDERS = ["include", "preload", "tests", "examples", "benchmarks"]
SUFFIXES = {".hpp", ".cuh", ".cpp", ".cu"}


def clang_format():
    """Path of a clang-format of version 14: others lay out some constructs differently."""
    for name in ["clang-format-14", "clang-format"]:
        if path := shutil.which(name):
            version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
            if re.search(r"version 14\.", version):
                return path
    return None


def main():
    tool = clang_format()
    if tool is None:
        print("clang-format 14 is missing: skipped")
        return 77
    root = pathlib.Path(sys.argv[1])
    files = sorted(p for folder in FOLDERS for p in (root / folder).rglob("*") if p.suffix in SUFFIXES)
    return subprocess.run([tool, "--dry-run", "--Werror", *files]).returncode


if __name__ == "__main__":
    sys.exit(main())
