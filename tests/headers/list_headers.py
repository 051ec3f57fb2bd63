#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lists the headers below an include folder, or writes a source file that includes them all.

    list_headers.py INCLUDE_FOLDER SUFFIX... [--order forward|backward] [--source FILE] [--expect HEADER...]

With --expect the list is compared with the given one: the build was configured before headers came or went.
"""
import argparse
import pathlib
import sys


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("suffixes", nargs="+")
    parser.add_argument("--order", choices=["forward", "backward"], default="forward")
    parser.add_argument("--source", type=pathlib.Path)
    parser.add_argument("--expect", nargs="*")
    arguments = parser.parse_args()

    headers = sorted(str(path.relative_to(arguments.folder)) for path in arguments.folder.rglob("*")
                     if path.suffix in arguments.suffixes)
    if arguments.order == "backward":
        headers.reverse()
    if arguments.expect is not None:
        changed = sorted(set(headers) ^ set(arguments.expect))
        for header in changed:
            print(f"{header}: not in both the folder and the build; run `meson setup --reconfigure`")
        return 1 if changed else 0
    if arguments.source:
        arguments.source.write_text("".join(f"#include <{header}>\n" for header in headers))
    else:
        print("\n".join(headers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
