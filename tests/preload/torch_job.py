# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What one rank does in torch_runs.py: trains, and calls torch.distributed's collectives on GPU memory.

    torch_job.py BACKEND FILE.json PART...

RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT are torchrun's. Ranks may share a GPU. Rank 0 writes what came out.
"""
import json
import os
import sys
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

RANK, SIZE = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
DEVICE = torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())


class Residual(nn.Module):
    """Two convolutions beside a shortcut, as in a ResNet."""

    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
                                  nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                                  nn.BatchNorm2d(channels))

    def forward(self, x):
        return torch.relu(x + self.body(x))


def convolutions():
    model = nn.Sequential(nn.Conv2d(3, 64, 3, stride=2, padding=1), *[Residual(64) for _ in range(4)],
                          nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    return model, lambda g: torch.randn(8, 3, 32, 32, generator=g)


def transformer():
    layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Flatten(),
                          nn.Linear(16 * 128, 10))
    return model, lambda g: torch.randn(8, 16, 128, generator=g)


def batches(sample, steps):
    """Two in turn, which can be learnt by heart; the same on every run, different on every rank."""
    g = torch.Generator().manual_seed(1000 + RANK)
    both = [(sample(g).to(DEVICE), torch.randint(0, 10, (8,), generator=g).to(DEVICE)) for _ in range(2)]
    for i in range(steps):
        yield both[i % 2]


def train(make, dtype, wrap, steps=50):
    """This rank's loss in each step."""
    torch.manual_seed(7)
    model, sample = make()
    model = wrap(model.to(DEVICE, dtype))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005, momentum=0.9)
    losses = []
    for x, wanted in batches(sample, steps):
        loss = nn.functional.cross_entropy(model(x.to(dtype)).float(), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return [float(l) for l in losses]


def data_parallel(model):
    return DistributedDataParallel(model, device_ids=[DEVICE.index], bucket_cap_mb=1)


def sharded(model):
    from torch.distributed.fsdp import fully_shard
    for part in model:
        if any(True for _ in part.parameters()):
            fully_shard(part)
    return fully_shard(model)


def shards_are_whole():
    """Sharded weights train as whole ones do: the losses of both, on one rank's batches."""
    return {"sharded": train(transformer, torch.float32, sharded, 20),
            "whole": train(transformer, torch.float32, data_parallel, 20)}


def captured_step(steps=30):
    """A training step in a CUDA graph, with its AllReduce, against the same step call by call."""
    def weights_after(captured):
        torch.manual_seed(7)
        model = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 10)).to(DEVICE)
        x, wanted = torch.zeros(8, 256, device=DEVICE), torch.zeros(8, dtype=torch.long, device=DEVICE)
        parameters = list(model.parameters())

        def step():
            loss = nn.functional.cross_entropy(model(x), wanted)
            gradients = torch.autograd.grad(loss, parameters)
            flat = torch.cat([g.reshape(-1) for g in gradients])
            dist.all_reduce(flat)
            with torch.no_grad():
                for p, g in zip(parameters, flat.split([p.numel() for p in parameters])):
                    p -= 0.01 / SIZE * g.view_as(p)

        kept = [p.detach().clone() for p in parameters]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(aside)
        with torch.no_grad():
            for p, k in zip(parameters, kept):
                p.copy_(k)
        run = step
        if captured:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                step()
            run = graph.replay
        g = torch.Generator().manual_seed(5 + RANK)
        for i in range(steps):
            x.copy_(torch.randn(8, 256, generator=g))
            wanted.copy_(torch.randint(0, 10, (8,), generator=g))
            run()
            if i % 7 == 0:
                dist.all_reduce(torch.ones(33, device=DEVICE)) # a call that no graph holds
        return torch.cat([p.detach().reshape(-1) for p in parameters])

    by_graph, by_call = weights_after(True), weights_after(False)
    return {"largest difference": float((by_graph - by_call).abs().max()), "largest weight": float(by_call.abs().max())}


def collectives():
    """Names of those that gave something wrong."""
    wrong = []

    def expect(name, got, wanted):
        if not torch.equal(got.cpu().double(), wanted.double()):
            wrong.append(name)

    def of(rank, n, dtype):
        return ((torch.arange(n) * 7 + rank * 3) % 11).to(dtype)

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
    return {"wrong": wrong}


def step_times(steps=60):
    """Milliseconds of a data-parallel step by bucket, the median."""
    times = {}
    for bucket in (1, 8, 25):
        torch.manual_seed(7)
        model = nn.Sequential(*[nn.Linear(2048, 2048) for _ in range(8)]).to(DEVICE)
        model = DistributedDataParallel(model, device_ids=[DEVICE.index], bucket_cap_mb=bucket)
        x = torch.randn(16, 2048, device=DEVICE)
        taken = []
        for _ in range(steps):
            torch.cuda.synchronize()
            start = time.perf_counter()
            model(x).square().mean().backward()
            torch.cuda.synchronize()
            taken.append((time.perf_counter() - start) * 1e3)
        times[f"{bucket} MiB"] = sorted(taken[10:])[len(taken[10:]) // 2]
    return times


def communicators(times=1000):
    """Made, used once and destroyed."""
    for i in range(times):
        if i == 10: # what the first ones allocate for ever is there
            before = torch.cuda.mem_get_info()[0]
        group = dist.new_group(list(range(SIZE)))
        one = torch.full((10,), RANK + 1, device=DEVICE)
        dist.all_reduce(one, group=group)
        if int(one[0]) != SIZE * (SIZE + 1) // 2:
            return {"wrong": i}
        dist.destroy_process_group(group)
    return {"made": times, "lost MiB": (before - torch.cuda.mem_get_info()[0]) >> 20}


def lost_rank():
    """The last rank dies; what the others are told, and after how many seconds."""
    dist.all_reduce(torch.ones(4, device=DEVICE))
    torch.cuda.synchronize()
    if RANK + 1 == SIZE:
        os._exit(0)
    start = time.monotonic()
    try:
        for _ in range(1000):
            dist.all_reduce(torch.ones(1 << 20, device=DEVICE))
            torch.cuda.synchronize()
            time.sleep(0.01)
        return {"told": ""}
    except RuntimeError as e: # DistBackendError is one
        return {"told": str(e).splitlines()[0], "seconds": time.monotonic() - start}


PARTS = {
    "collectives": collectives,
    "convolutions float32": lambda: {"losses": train(convolutions, torch.float32, data_parallel)},
    "convolutions bfloat16": lambda: {"losses": train(convolutions, torch.bfloat16, data_parallel)},
    "transformer float32": lambda: {"losses": train(transformer, torch.float32, data_parallel)},
    "transformer bfloat16": lambda: {"losses": train(transformer, torch.bfloat16, data_parallel)},
    "shards": shards_are_whole,
    "captured step": captured_step,
    "step times": step_times,
    "communicators": communicators,
    "lost rank": lost_rank,
}


def main():
    backend, file, parts = sys.argv[1], sys.argv[2], sys.argv[3:]
    torch.cuda.set_device(DEVICE)
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    dist.init_process_group(backend)
    results = {}
    for part in parts:
        start = time.monotonic()
        results[part] = PARTS[part]()
        results[part]["took"] = time.monotonic() - start
        if RANK == 0:
            with open(file, "w", encoding="utf-8") as f:
                json.dump(results, f)
    if "lost rank" in parts:
        os._exit(0) # there is nobody left to say goodbye to
    torch.cuda.synchronize()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
