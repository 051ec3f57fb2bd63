# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A whole program that trains a small transformer for 50 steps and prints the losses of its first rank.

    torchrun --nproc-per-node N torch_program.py      a process a GPU, DistributedDataParallel
    torch_program.py                                  one process with all GPUs, DataParallel
"""
import json
import os

UNDER_TORCHRUN = "LOCAL_RANK" in os.environ
for name, alone in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0")):
    os.environ.setdefault(name, alone)

import torch
import torch.distributed as dist

from torch_training import DEVICE, RANK, data_parallel, train, transformer


def main():
    torch.cuda.set_device(DEVICE)
    if UNDER_TORCHRUN:
        dist.init_process_group("nccl")
        losses = train(transformer, torch.float32, data_parallel)
        dist.destroy_process_group()
    else:
        losses = train(transformer, torch.float32, torch.nn.DataParallel)
    if RANK == 0:
        print(json.dumps(losses), flush=True)


if __name__ == "__main__":
    main()
