#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""compare_times.py runs a program that prints times of its own, and finds from which size on NCCL was faster."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

TIMES = """#!/bin/sh
echo mode way bytes us host graph
case "$LD_PRELOAD" in *blink*) long=9 graph=$GRAPH ;; *) long=7 graph=5 ;; esac
for mode in one processes; do
    echo "$mode nccl 1024 $([ $long = 9 ] && echo 3 || echo 4) 1 2"
    for size in 4096 16384; do echo "$mode nccl $size $long 1 $graph"; done
    for size in 1024 4096 16384; do echo "$mode header $size 2 1 2"; done
done
"""


def written(graph, before):
    """What the tuning file says afterwards, where libblink.so takes 9 us beside NCCL's 7, and `graph` beside 5."""
    with tempfile.TemporaryDirectory() as folder:
        program, file = pathlib.Path(folder, "times"), pathlib.Path(folder, "tuning.json")
        program.write_text(TIMES, encoding="utf-8")
        program.chmod(0o755)
        if before is not None:
            file.write_text(json.dumps(before), encoding="utf-8")
        done = subprocess.run([sys.executable, sys.argv[1], "--write", file, "libblink.so", program], capture_output=True,
                              text=True, env=os.environ | {"GRAPH": graph}, check=True)
        assert done.stdout.count("\none ") == done.stdout.count("\nprocesses ") == 3, done.stdout
        return json.loads(file.read_text(encoding="utf-8"))


assert written("6", None) == {"nccl_from": {"allreduce": 4096}}
assert written("5", {"nccl_from": {"allreduce": 1, "reduce": 2}, "most_blocks": 3}) == {"nccl_from": {"reduce": 2}, "most_blocks": 3}
print("all right")
