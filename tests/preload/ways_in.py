#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A program that opens NCCL by itself meets Blink in the ways that the documents tell of, and never a crash.

    ways_in.py LIBBLINK LIBBLINK_AUDIT PROGRAM LIBNCCL HIDES_NCCL

LIBNCCL is any libnccl.so.2; HIDES_NCCL an audit library under which the loader finds none.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

blink, audit, program, nccl, hides = (os.path.abspath(a) for a in sys.argv[1:])
nccl_folder = str(pathlib.Path(nccl).parent)
failures = []


def run(name, expected, *arguments, status=0, **variables):
    """`expected`: texts that the output must have; one with a leading `!` it must not have."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BLINK_", "LD_"))}
    done = subprocess.run([program, *arguments], env=environment | variables, capture_output=True, text=True, timeout=60)
    text = done.stdout + done.stderr
    wrong = [e for e in expected if (e[1:] in text) if e[0] == "!"] + [e for e in expected if e[0] != "!" and e not in text]
    if wrong or done.returncode != status:
        failures.append(name)
        print(f"FAIL {name}: status {done.returncode}, expected {status}; {wrong}\n{text}")
    else:
        print(f"ok   {name}")


named = "ncclGetVersion of "
run("without Blink", [named + "libnccl.so.2"], nccl)
run("LD_PRELOAD alone does not reach such a program", [named + "libnccl.so.2"], nccl, LD_PRELOAD=blink)
run("LD_AUDIT beside LD_PRELOAD, by path", [named + "libblink.so", "pncclGetVersion of libblink.so"], nccl,
    LD_PRELOAD=blink, LD_AUDIT=audit)
run("LD_AUDIT beside LD_PRELOAD, by name", [named + "libblink.so"], LD_PRELOAD=blink, LD_AUDIT=audit,
    LD_LIBRARY_PATH=nccl_folder)
run("LD_AUDIT alone changes nothing", [named + "libnccl.so.2"], nccl, LD_AUDIT=audit)
run("Blink's path in the place of NCCL's", [named + "libblink.so", "!no NCCL beneath"], blink,
    LD_LIBRARY_PATH=nccl_folder)
run("the NCCL beneath by its path", [named + "libblink.so", "!no NCCL beneath"], blink, BLINK_NCCL_LIBRARY=nccl)
run("a wrong path for the NCCL beneath gives a message", ["BLINK_NCCL_LIBRARY=/nowhere/libnccl.so.2 is no NCCL"], blink,
    BLINK_NCCL_LIBRARY="/nowhere/libnccl.so.2", LD_LIBRARY_PATH=nccl_folder)
run("Blink is not its own NCCL", ["is Blink itself", "!no NCCL beneath"], blink, BLINK_NCCL_LIBRARY=blink,
    LD_LIBRARY_PATH=nccl_folder)
run("no NCCL anywhere", [named + "libblink.so: 2, version -1", "there is no NCCL beneath Blink",
                         "last error: ncclGetLastError: there is no NCCL"], blink, LD_AUDIT=hides)
run("no NCCL anywhere, nothing to be said", ["!blink: "], blink, LD_AUDIT=hides, BLINK_DEBUG="none")
with tempfile.TemporaryDirectory() as folder:
    os.symlink(blink, f"{folder}/libnccl.so.2")
    run("Blink under NCCL's name in front of it", [named + "libnccl.so.2", "!no NCCL beneath"],
        LD_LIBRARY_PATH=f"{folder}:{nccl_folder}")
print(f"{len(failures)} failed")
sys.exit(1 if failures else 0)
