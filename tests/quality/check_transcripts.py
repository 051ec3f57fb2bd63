#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the `$ blink-plan ...` lines of the documents' console blocks, and compares what they print.

    check_transcripts.py SOURCE_ROOT BLINK_PLAN             exit status 1 where a document shows something else
    check_transcripts.py --update SOURCE_ROOT BLINK_PLAN    writes what is printed now into the documents

Lines that tell the time of planning are left out of the documents.
"""
import pathlib
import re
import shlex
import subprocess
import sys

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def printed(program, command):
    """What the program prints for a line `$ blink-plan ...`, without the time of planning."""
    run = subprocess.run([program, *shlex.split(command)[2:]], capture_output=True, text=True)
    lines = [line.rstrip() for line in (run.stdout + run.stderr).splitlines() if "planned in" not in line]
    return "\n".join(lines).strip("\n") + "\n"


def main():
    update = sys.argv[1] == "--update"
    root, program = pathlib.Path(sys.argv[-2]), sys.argv[-1]
    transcripts, changed = 0, 0
    for document in sorted([root / "README.md", *(root / "docs").rglob("*.md")]):
        text = document.read_text()
        for block in BLOCK.findall(text):
            command, _, shown = block.partition("\n")
            if not command.startswith("$ blink-plan "):
                continue
            transcripts += 1
            now = printed(program, command)
            if now != shown:
                changed += 1
                print(f"{document.relative_to(root)}: `{command}` prints now:\n{now}")
                text = text.replace(block, f"{command}\n{now}")
        if update:
            document.write_text(text)
    if transcripts == 0:
        print("no document holds a transcript: the check looks for the wrong thing")
    return 0 if transcripts and (update or not changed) else 1


if __name__ == "__main__":
    sys.exit(main())
