# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The models of torch_job.py, and how its ranks train and run them."""
import os
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

RANK, SIZE = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
DEVICE = (torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count()) if torch.cuda.is_available()
          else torch.device("cpu"))


def wait():
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


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
    return DistributedDataParallel(model, device_ids=[DEVICE.index] if DEVICE.type == "cuda" else None, bucket_cap_mb=1)


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
    return {"largest difference": float((by_graph - by_call).abs().max()), "largest weight": float(by_call.abs().max()),
            "sum of weights": float(by_call.double().sum())}


class SplitBlock(nn.Module):
    """A transformer's block whose heads and hidden units are dealt to the ranks; each half ends with an AllReduce."""

    def __init__(self, width, heads, ranks):
        super().__init__()
        self.heads, self.of_head, self.ranks = heads // ranks, width // heads, ranks
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.qkv = nn.Linear(width, 3 * width // ranks, bias=False)
        self.out = nn.Linear(width // ranks, width, bias=False)
        self.up = nn.Linear(width, 4 * width // ranks, bias=False)
        self.down = nn.Linear(4 * width // ranks, width, bias=False)

    def load(self, whole, rank):
        """Takes this rank's part of the weights of a block for one rank."""
        with torch.no_grad():
            own = torch.cat([part.chunk(self.ranks)[rank] for part in whole.qkv.weight.chunk(3)])
            self.qkv.weight.copy_(own)
            self.up.weight.copy_(whole.up.weight.chunk(self.ranks)[rank])
            self.out.weight.copy_(whole.out.weight.chunk(self.ranks, 1)[rank])
            self.down.weight.copy_(whole.down.weight.chunk(self.ranks, 1)[rank])

    def total(self, x):
        if self.ranks > 1:
            dist.all_reduce(x)
        return x

    def forward(self, x):
        q, k, v = (t.unflatten(-1, (self.heads, self.of_head)).transpose(1, 2) for t in self.qkv(self.norms[0](x)).chunk(3, -1))
        scores = (q @ k.transpose(-1, -2) * self.of_head ** -0.5).softmax(-1)
        x = x + self.total(self.out((scores @ v).transpose(1, 2).flatten(2)))
        return x + self.total(self.down(nn.functional.gelu(self.up(self.norms[1](x)))))


def tensor_parallel(dtype, steps=8, blocks=3, width=256, heads=8):
    """A small transformer dealt to the ranks, against the whole one on each: how far its outputs are away, call by call
    and as a graph, and their sum."""
    torch.manual_seed(11)
    whole = [SplitBlock(width, heads, 1).to(DEVICE, dtype) for _ in range(blocks)]
    parts = [SplitBlock(width, heads, SIZE).to(DEVICE, dtype) for _ in range(blocks)]
    for part, all_of_it in zip(parts, whole):
        part.load(all_of_it, RANK)
    x = torch.zeros(2, 32, width, device=DEVICE, dtype=dtype)
    g = torch.Generator().manual_seed(3)
    furthest = differs = total = 0.0
    with torch.no_grad():
        by_call, wanted = nn.Sequential(*parts), nn.Sequential(*whole)
        graph = out = None
        for i in range(steps):
            x.copy_(torch.randn(2, 32, width, generator=g))
            got, right = by_call(x), wanted(x)
            furthest = max(furthest, float((got - right).abs().max() / right.abs().max()))
            total += float(got.double().sum())
            if DEVICE.type != "cuda":
                continue
            if graph is None:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    out = by_call(x)
            graph.replay()
            differs = max(differs, float((out - got).abs().max()))
    return {"furthest": furthest, "graph differs": differs, "sum": total}


def step_times(steps=60):
    """Milliseconds of a data-parallel step by bucket, the median."""
    times = {}
    for bucket in (1, 8, 25):
        torch.manual_seed(7)
        model = nn.Sequential(*[nn.Linear(2048, 2048) for _ in range(8)]).to(DEVICE)
        model = DistributedDataParallel(model, device_ids=[DEVICE.index] if DEVICE.type == "cuda" else None, bucket_cap_mb=bucket)
        x = torch.randn(16, 2048, device=DEVICE)
        taken = []
        for _ in range(steps):
            wait()
            start = time.perf_counter()
            model(x).square().mean().backward()
            wait()
            taken.append((time.perf_counter() - start) * 1e3)
        times[f"{bucket} MiB"] = sorted(taken[10:])[len(taken[10:]) // 2]
    return times
