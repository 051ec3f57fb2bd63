# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What one rank does in torch_runs.py: trains, and calls torch.distributed's collectives on GPU memory.

    torch_job.py BACKEND [at-once]

RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT are torchrun's. Ranks may share a GPU. What a rank does it is told on
its standard input, and answers on its standard output; see torch_ranks.py. at-once: the first communicator is made at the
start, and later ones by ncclCommSplit. A rank that takes too long tells where it stands, for a log, and ends.
"""
import faulthandler
import json
import os
import sys
import time
import traceback

import torch
import torch.distributed as dist

from torch_training import (DEVICE, RANK, SIZE, captured_step, convolutions, data_parallel, shards_are_whole, step_times,
                            tensor_parallel, train, transformer, wait)

WRONG = []


def expect(name, got, wanted):
    """Notes the name of what gave something wrong."""
    if not torch.equal(got.cpu().double(), wanted.double()):
        WRONG.append(name)


def of(rank, n, dtype):
    return ((torch.arange(n) * 7 + rank * 3) % 11).to(dtype)


def collectives():
    """Names of those that gave something wrong."""
    WRONG.clear()
    second = dist.new_group(list(range(SIZE)))
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.int64, torch.uint8,
                  torch.int8):
        for n in (1, 1000, 300007):
            for group in (None, second):
                name = f" of {n} {dtype}"
                own = of(RANK, n, dtype).to(DEVICE)
                everyone = torch.stack([of(r, n, dtype) for r in range(SIZE)])
                for op, result in ((dist.ReduceOp.SUM, everyone.long().sum(0)), (dist.ReduceOp.MAX, everyone.amax(0)),
                                   (dist.ReduceOp.MIN, everyone.amin(0)), (dist.ReduceOp.PRODUCT, everyone.long().prod(0))):
                    got = own.clone()
                    dist.all_reduce(got, op, group=group)
                    expect(f"all_reduce {op}" + name, got, result.to(dtype))
                for root in range(SIZE):
                    got = own.clone()
                    dist.broadcast(got, root, group=group)
                    expect("broadcast" + name, got, everyone[root])
                    got = own.clone()
                    dist.reduce(got, root, group=group)
                    if RANK == root:
                        expect("reduce" + name, got, everyone.long().sum(0).to(dtype))
                got = torch.zeros(SIZE * n, dtype=dtype, device=DEVICE)
                dist.all_gather_into_tensor(got, own, group=group)
                expect("all_gather_into_tensor" + name, got, everyone.reshape(-1))
                parts = [torch.zeros_like(own) for _ in range(SIZE)]
                dist.all_gather(parts, own, group=group)
                expect("all_gather" + name, torch.stack(parts), everyone)
                got = torch.zeros_like(own)
                dist.reduce_scatter_tensor(got, torch.cat([own + r for r in range(SIZE)]), group=group)
                expect("reduce_scatter_tensor" + name, got, (everyone.long() + RANK).sum(0).to(dtype))
        pending = [dist.all_reduce(torch.full((5000 + i,), 1, dtype=dtype, device=DEVICE), async_op=True) for i in range(20)]
        for work in pending:
            work.wait()
    flags = torch.tensor([RANK == 0, True, False], device=DEVICE)
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    expect("all_reduce of bool", flags, torch.tensor([True, True, False]))
    dist.barrier()
    return {"wrong": WRONG[:]}


def exchanges():
    """All that sends and receives, between calls that reduce; names of those that gave something wrong."""
    WRONG.clear()
    for dtype in (torch.float32, torch.bfloat16, torch.int64, torch.uint8):
        for n in (1, 1000, 300007):
            name = f" of {n} {dtype}"
            own = of(RANK, n, dtype).to(DEVICE)
            everyone = torch.stack([of(r, n, dtype) for r in range(SIZE)])
            for_all = torch.cat([own + r for r in range(SIZE)])
            got = torch.zeros_like(for_all)
            dist.all_to_all_single(got, for_all)
            expect("all_to_all_single" + name, got, torch.cat([everyone[r] + RANK for r in range(SIZE)]))
            got = [torch.zeros_like(own) for _ in range(SIZE)]
            dist.all_to_all(got, list(for_all.chunk(SIZE)))
            expect("all_to_all" + name, torch.stack(got), everyone + RANK)
            total = own.clone()
            dist.all_reduce(total)
            expect("all_reduce" + name, total, everyone.long().sum(0).to(dtype))
            for root in range(SIZE):
                got = [torch.zeros_like(own) for _ in range(SIZE)] if RANK == root else None
                dist.gather(own, got, root)
                if RANK == root:
                    expect("gather" + name, torch.stack(got), everyone)
                got = torch.zeros_like(own)
                dist.scatter(got, list(for_all.chunk(SIZE)) if RANK == root else None, root)
                expect("scatter" + name, got, everyone[root] + RANK)
            got = torch.zeros_like(own)
            ring = [dist.P2POp(dist.isend, own, (RANK + 1) % SIZE), dist.P2POp(dist.irecv, got, (RANK - 1) % SIZE)]
            for work in dist.batch_isend_irecv(ring):
                work.wait()
            expect("batch_isend_irecv" + name, got, everyone[(RANK - 1) % SIZE])
            got = own.clone()
            if RANK == 0:
                dist.send(own, SIZE - 1)
            elif RANK == SIZE - 1:
                dist.recv(got, 0)
                expect("recv" + name, got, everyone[0])
    return {"wrong": WRONG[:]}


def communicators(times=100, seconds=15):
    """Made, used once and destroyed, until there are enough or rank 0 has no time left."""
    start, before = time.monotonic(), 0
    for i in range(times):
        if i == 10: # what the first ones allocate for ever is there
            before = torch.cuda.mem_get_info()[0]
        group = dist.new_group(list(range(SIZE)))
        said = torch.tensor([RANK + 1, RANK == 0 and time.monotonic() - start > seconds], dtype=torch.float32, device=DEVICE)
        dist.all_reduce(said, group=group)
        total, late = said.tolist()
        dist.destroy_process_group(group)
        if total != SIZE * (SIZE + 1) // 2:
            return {"wrong": i}
        if late:
            break
    return {"made": i + 1, "lost MiB": (before - torch.cuda.mem_get_info()[0]) >> 20 if i > 10 else 0}


def lost_rank():
    """The last rank dies; what the others are told, and after how many seconds."""
    dist.all_reduce(torch.ones(4, device=DEVICE))
    wait()
    if RANK + 1 == SIZE:
        os._exit(0)
    start = time.monotonic()
    try:
        for _ in range(1000):
            dist.all_reduce(torch.ones(1 << 20, device=DEVICE))
            wait()
            time.sleep(0.01)
        return {"told": ""}
    except RuntimeError as e: # DistBackendError is one
        return {"told": " ".join(str(e).split()), "seconds": time.monotonic() - start}


def hello():
    """The first call, which makes the first communicator."""
    total = torch.full((5,), RANK + 1.0, device=DEVICE)
    dist.all_reduce(total)
    return {"sum": total.tolist()}


PARTS = {
    "first call": hello,
    "collectives": collectives,
    "exchanges": exchanges,
    "convolutions float32": lambda: {"losses": train(convolutions, torch.float32, data_parallel)},
    "convolutions bfloat16": lambda: {"losses": train(convolutions, torch.bfloat16, data_parallel)},
    "transformer float32": lambda: {"losses": train(transformer, torch.float32, data_parallel)},
    "transformer bfloat16": lambda: {"losses": train(transformer, torch.bfloat16, data_parallel)},
    "shards": shards_are_whole,
    "captured step": captured_step,
    "tensor parallel float32": lambda: tensor_parallel(torch.float32),
    "tensor parallel bfloat16": lambda: tensor_parallel(torch.bfloat16),
    "step times": step_times,
    "communicators": communicators,
    "split communicators": lambda: communicators(30),
    "lost rank": lost_rank,
}


def work(answers):
    """Does what it is told, until there is nothing more; whether the others may be gone."""
    for line in sys.stdin:
        told = json.loads(line)
        faulthandler.dump_traceback_later(told["limit"], exit=True)
        answer = PARTS[told["part"]]()
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(answer), file=answers, flush=True)
        if told["part"] == "lost rank":
            return True
    return False


def main():
    # Libraries print on the standard output as they please.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if DEVICE.type == "cuda":
        torch.cuda.set_device(DEVICE)
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        dist.init_process_group(sys.argv[1], device_id=DEVICE if "at-once" in sys.argv[2:] else None)
        print("{}", file=answers, flush=True)
        alone = work(answers)
    except Exception as e: # pylint: disable=broad-exception-caught
        traceback.print_exc()
        print(json.dumps({"error": " ".join(f"{type(e).__name__}: {e}".split())[:300]}), file=answers, flush=True)
        sys.stderr.flush()
        os._exit(1) # the others may wait for this rank for ever, and it for them
    if alone:
        os._exit(0) # there is nobody left to say goodbye to
    wait()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
