#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Adds up the results of `meson test` over several build directories and prints them as one line.

    summary.py BUILD_DIRECTORY...

A directory without results, because something broke before any test could run, counts as one failure.
Failed and skipped tests are named first. Exit status 1 where anything failed, or where nothing passed.
"""
import argparse
import json
import pathlib
import sys

PASSED = {"OK", "EXPECTEDFAIL"}


def results(directory):
    """(name, result) of every test of the last `meson test` in a build directory."""
    logs = sorted(pathlib.Path(directory, "meson-logs").glob("testlog*.json"))
    return [(t["name"], t["result"]) for log in logs for t in map(json.loads, log.read_text().splitlines())]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="+")
    arguments = parser.parse_args()

    passed, skipped, failed = 0, 0, 0
    for directory in arguments.directories:
        tests = results(directory)
        if not tests:
            print(f"failed: {directory} has no test results")
            failed += 1
        for name, result in tests:
            if result in PASSED:
                passed += 1
            elif result == "SKIP":
                skipped += 1
                print(f"skipped: {directory}: {name}")
            else:
                failed += 1
                print(f"failed: {directory}: {name} ({result})")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
