# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Milliseconds of a data-parallel step of PyTorch on two GPUs, by the size of its buckets, with and without libblink.so.

    torch_times.py [--repeat N] [--limit SECONDS] [--tuning FILE]... LIBBLINK [FOLDER FOR LOGS]

Of N runs of each, in turns, all medians. --tuning: once more with BLINK_TUNING_FILE=FILE, such as {"most_blocks": 32}, which
leaves more of the GPUs to what is computed at the same time. Status 77 where there is no PyTorch, or fewer GPUs than two.
"""
import argparse
import pathlib
import statistics
import sys
import tempfile

from torch_ranks import Ranks
from torch_runs import job


def main():
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: skipped")
        return 77
    if torch.cuda.device_count() < 2:
        print("two GPUs are needed: skipped")
        return 77
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--limit", type=float, default=60)
    parser.add_argument("--tuning", type=pathlib.Path, action="append", default=[])
    parser.add_argument("libblink", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path, nargs="?")
    given = parser.parse_args()
    folder = given.folder or pathlib.Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    ways = {"NCCL": {}, "libblink.so": {"LD_PRELOAD": str(given.libblink.resolve()), "BLINK_DEBUG": "info"}}
    for file in given.tuning:
        ways[file.stem] = {**ways["libblink.so"], "BLINK_TUNING_FILE": str(file.resolve())}
    taken = {way: [] for way in ways}
    for i in range(given.repeat):
        for way, variables in ways.items():
            ranks = Ranks(f"{way}-{i}", folder, job("nccl"), variables)
            ranks.log().unlink(missing_ok=True)
            out = ranks.do("step times", given.limit)
            ranks.end()
            log = ranks.log_text()
            if "error" in out or (variables and "allreduce up to" not in log) or "goes to NCCL" in log:
                print(f"{way}: {out.get('error', 'calls went elsewhere')}; see {folder}")
                return 1
            taken[way].append(out)
    print(f"{'buckets':10}" + "".join(f"{way:>34}" for way in ways))
    for bucket in taken["NCCL"][0]:
        if bucket != "took":
            print(f"{bucket:10}" + "".join(
                f"{statistics.median(r[bucket] for r in runs):14.3f} ms ({min(r[bucket] for r in runs):.3f} to "
                f"{max(r[bucket] for r in runs):.3f})" for runs in taken.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
