#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles a program that must not compile, and looks in the messages for what it promises.

    expect_error.py SOURCE COMPILER ARGUMENTS...

SOURCE holds one or more lines `// expect-error: REGEX`; each has to match. With -DWORKS the same source has to be
accepted, so that it fails for the promised reason alone.
"""
import pathlib
import re
import subprocess
import sys


def main():
    source, command = sys.argv[1], sys.argv[2:]
    patterns = re.findall(r"// expect-error: (.*)", pathlib.Path(source).read_text())
    if not patterns:
        return f"{source}: no `// expect-error: REGEX` in it"
    works = subprocess.run([*command, "-DWORKS", source], capture_output=True, text=True)
    if works.returncode != 0:
        return f"{source}: does not compile with -DWORKS either:\n{works.stderr}"
    broken = subprocess.run([*command, source], capture_output=True, text=True)
    if broken.returncode == 0:
        return f"{source}: compiles, but should not"
    for pattern in patterns:
        if not re.search(pattern, broken.stderr):
            return f"{source}: no message matches {pattern!r} in:\n{broken.stderr}"
    return 0


if __name__ == "__main__":
    sys.exit(main())
