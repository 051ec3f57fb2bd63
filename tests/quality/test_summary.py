#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The last line of ./check and .ci/run counts every kind of result, and a folder where nothing could run.

    test_summary.py SUMMARY_SCRIPT
"""
import json
import pathlib
import subprocess
import sys
import tempfile

CASES = [
    ({"a": ["OK", "OK"]}, "2 passed, 0 failed", 0),
    ({"a": ["OK", "SKIP"]}, "1 passed, 0 failed, 1 skipped", 0),
    ({"a": ["OK", "FAIL"], "b": ["TIMEOUT", "EXPECTEDFAIL"]}, "2 passed, 2 failed", 1),
    ({"a": ["UNEXPECTEDPASS", "ERROR", "INTERRUPT"]}, "0 passed, 3 failed", 1),
    ({"a": ["OK"], "b": None}, "1 passed, 1 failed", 1),
    ({"a": ["SKIP"]}, "0 passed, 0 failed, 1 skipped", 1),
]


def summary(script, folders):
    """Last line and exit status for folders with such results; None stands for a folder without a log."""
    with tempfile.TemporaryDirectory() as root:
        for name, results in folders.items():
            logs = pathlib.Path(root, name, "meson-logs")
            logs.mkdir(parents=True)
            if results is not None:
                lines = [json.dumps({"name": f"test {i}", "result": r}) for i, r in enumerate(results)]
                (logs / "testlog.json").write_text("\n".join(lines) + "\n")
        run = subprocess.run([sys.executable, script, *folders], cwd=root, capture_output=True, text=True)
    return run.stdout.splitlines()[-1], run.returncode


def main():
    script = str(pathlib.Path(sys.argv[1]).resolve())
    failures = 0
    for folders, line, status in CASES:
        found = summary(script, folders)
        if found != (line, status):
            print(f"{folders}: expected {(line, status)}, found {found}")
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
