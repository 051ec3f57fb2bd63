#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What libnccl exports, libblink.so exports too, and besides that only its table for the audit library.

    check_symbols.py LIBBLINK LIBNCCL
"""
import subprocess
import sys


def exported(library):
    listed = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].split("@")[0] for line in listed.splitlines()}


def main():
    blink, nccl = exported(sys.argv[1]), {s for s in exported(sys.argv[2]) if s.startswith(("nccl", "pnccl"))}
    missing = sorted(nccl - blink)
    foreign = sorted(s for s in blink if not s.startswith(("nccl", "pnccl")) and s != "blink_entry_points")
    print(f"libnccl exports {len(nccl)} names, libblink.so {len(blink)}")
    if missing:
        print("missing:", *missing)
    if foreign:
        print("not NCCL's:", *foreign)
    return 1 if missing or foreign or not nccl else 0


if __name__ == "__main__":
    sys.exit(main())
