# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs PyTorch programs under libblink.so and compares them with the same programs without it.

    torch_runs.py [--limit SECONDS] LIBBLINK ALONE_NCCL [FOLDER FOR LOGS]

Two ranks. With two GPUs the peer is NCCL, and so is what lies beneath Blink. On one GPU the ranks share it, which NCCL
refuses: ALONE_NCCL stands in for it, and the peer is gloo. Sums of two numbers have the same bits in any order, so losses
have to be the peer's to the last bit. Each of the two runs ends after --limit. Status 77 where there is no PyTorch or no GPU.
"""
import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

JOB = pathlib.Path(__file__).with_name("torch_job.py")
TRAINED = ("convolutions float32", "convolutions bfloat16", "transformer float32", "transformer bfloat16")
SPLIT = {"tensor parallel float32": 1e-5, "tensor parallel bfloat16": 0.05}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(name, folder, backend, parts, extra, limit):
    """What rank 0 wrote, and how the ranks ended."""
    file, port = folder / f"{name}.json", free_port()
    file.unlink(missing_ok=True)
    ranks = []
    for rank in range(2):
        env = {**os.environ, **extra, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2",
               "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
        with open(folder / f"{name}.rank{rank}.log", "w", encoding="utf-8") as log:
            ranks.append(subprocess.Popen([sys.executable, JOB, backend, file, str(limit), *parts], env=env, stdout=log,
                                          stderr=log))
    end, statuses = time.monotonic() + limit + 10, []
    for process in ranks:
        try:
            statuses.append(process.wait(max(1, end - time.monotonic())))
        except subprocess.TimeoutExpired:
            process.kill()
            statuses.append("too slow")
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}, statuses


class Verdicts:
    def __init__(self):
        self.failed = 0

    def tell(self, name, right, text=""):
        self.failed += not right
        print(f"{'ok  ' if right else 'FAIL'}  {name}{': ' if text else ''}{text}", flush=True)


def furthest(a, b):
    return max((abs(x - y) / max(abs(y), 1e-6) for x, y in zip(a, b)), default=0.0)


def tell_names(say, name, part):
    wrong = part.get("wrong", ["did not end"])
    say.tell(name, not wrong, ", ".join(wrong[:4]))


def compare(say, blink, peer, who):
    for part in TRAINED:
        mine, theirs = blink.get(part, {}).get("losses", []), peer.get(part, {}).get("losses", [])
        say.tell(f"50 steps of {part}, to the bit as {who}'s", len(mine) == 50 and mine == theirs and sum(mine[-5:]) < sum(mine[:5]),
                 f"loss {mine[0]:.4f} to {mine[-1]:.4f}, furthest from {who}'s by {furthest(mine, theirs):.2g} of it"
                 if mine and theirs else "did not end")
    shards, theirs = blink.get("shards", {}), peer.get("shards", {}).get("sharded")
    far = furthest(shards.get("sharded", []), shards.get("whole", []))
    say.tell("20 steps with sharded weights", bool(shards) and far < 1e-3 and theirs in (None, shards["sharded"]),
             f"furthest from whole ones by {far:.2g} of the loss")
    step = blink.get("captured step", {"largest difference": 1.0, "largest weight": 0.0})
    theirs = peer.get("captured step", {}).get("sum of weights")
    say.tell("30 replays of a captured training step",
             step["largest difference"] <= 1e-6 * step["largest weight"] and theirs in (None, step["sum of weights"]),
             f"weights differ from those of single calls by {step['largest difference']:.2g} at most")
    for part, most in SPLIT.items():
        mine, theirs = blink.get(part), peer.get(part, {}).get("sum")
        say.tell(f"{part} inference",
                 mine is not None and mine["furthest"] < most and mine["graph differs"] == 0 and theirs in (None, mine["sum"]),
                 f"{mine['furthest']:.2g} from the whole model, graph {mine['graph differs']:.2g} from calls, sum {mine['sum']:.6f}"
                 f", {who}'s {theirs}" if mine else "did not end")


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=float, default=300)
    parser.add_argument("libblink", type=pathlib.Path)
    parser.add_argument("alone", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path, nargs="?")
    return parser.parse_args()


def main():
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: skipped")
        return 77
    gpus = torch.cuda.device_count()
    if gpus == 0:
        print("no GPU is visible: skipped")
        return 77
    given = options()
    folder = given.folder or pathlib.Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    under = {"LD_PRELOAD": str(given.libblink.resolve()), "BLINK_DEBUG": "info", "TORCH_NCCL_ASYNC_ERROR_HANDLING": "0"}
    peer_backend, who = "nccl", "NCCL"
    parts = [*TRAINED, "shards", "captured step", *SPLIT, "exchanges", "step times", "communicators"]
    if gpus < 2:
        under["BLINK_NCCL_LIBRARY"] = str(given.alone.resolve())
        peer_backend, who = "gloo", "gloo"
        parts.remove("exchanges") # NCCL's, and there is none
    say = Verdicts()
    blink, ends = run("blink", folder, "nccl", ["collectives", *parts, "lost rank"], under, given.limit)
    say.tell("the ranks end well", ends == [0, 0], str(ends))
    log = (folder / "blink.rank0.log").read_text(encoding="utf-8", errors="replace")
    for kind in ("allreduce", "broadcast", "reduce", "allgather", "reduce_scatter", *(["alltoall"] if gpus > 1 else [])):
        served = [line for line in log.splitlines() if line.startswith(f"blink: {kind} up to")]
        say.tell(f"{kind} is Blink's", bool(served) and all("goes to Blink" in line for line in served),
                 next((line for line in served if "goes to Blink" not in line), ""))
    peer_parts = [*TRAINED, "step times"] if who == "gloo" else parts
    peer, _ = run("peer", folder, peer_backend, peer_parts, {}, given.limit)
    tell_names(say, "every collective of torch.distributed that reduces or copies", blink.get("collectives", {}))
    if "exchanges" in parts:
        tell_names(say, "all that sends and receives", blink.get("exchanges", {}))
    compare(say, blink, peer, who)
    made = blink.get("communicators", {})
    say.tell("100 communicators, or as many as 25 s allow", made.get("made", 0) >= 20 and made["lost MiB"] < 64,
             f"{made}, {who} {peer.get('communicators')}")
    split, _ = run("split", folder, "nccl", ["split communicators"], under, given.limit) if gpus > 1 else ({}, [])
    if gpus > 1:
        made = split.get("split communicators", {}).get("made", 0)
        log = (folder / "split.rank0.log").read_text(encoding="utf-8", errors="replace")
        say.tell("30 communicators that were split off", made == 30 and log.count("processes goes to Blink") >= 30, f"{made}")
    told = blink.get("lost rank", {})
    say.tell("a rank that dies", "rank 1" in told.get("told", "") and told["seconds"] < 20, str(told))
    for bucket, milliseconds in blink.get("step times", {}).items():
        if bucket != "took" and bucket in peer.get("step times", {}):
            print(f"      step with buckets of {bucket}: {milliseconds:.3f} ms, {who} {peer['step times'][bucket]:.3f} ms")
    print("      seconds: " + ", ".join(f"{part} {r['took']:.1f} ({peer.get(part, {}).get('took', 0):.1f})" for part, r in blink.items()))
    return 1 if say.failed else 0


if __name__ == "__main__":
    sys.exit(main())
