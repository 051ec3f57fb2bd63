# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs PyTorch programs under libblink.so and compares them with the same programs without it.

    torch_runs.py LIBBLINK ALONE_NCCL [FOLDER FOR LOGS]

Two ranks. With two GPUs the peer is NCCL. On one GPU the ranks share it, which NCCL refuses: ALONE_NCCL stands in for
it, and the peer is gloo. Status 77 where there is no PyTorch or no GPU.
"""
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

JOB = pathlib.Path(__file__).with_name("torch_job.py")
TRAINED = {"convolutions float32": 1e-4, "convolutions bfloat16": 0.05, "transformer float32": 1e-4,
           "transformer bfloat16": 0.05}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(name, folder, backend, parts, extra, limit=300):
    """What rank 0 wrote, and how the ranks ended."""
    file, port = folder / f"{name}.json", free_port()
    ranks = []
    for rank in range(2):
        env = {**os.environ, **extra, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2",
               "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        with open(folder / f"{name}.rank{rank}.log", "w", encoding="utf-8") as log:
            ranks.append(subprocess.Popen([sys.executable, JOB, backend, file, *parts], env=env, stdout=log, stderr=log))
    statuses = []
    for process in ranks:
        try:
            statuses.append(process.wait(limit))
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


def compare(say, blink, peer, who):
    wrong = blink.get("collectives", {}).get("wrong", ["did not end"])
    say.tell("every collective of torch.distributed that Blink owns", not wrong, ", ".join(wrong[:4]))
    for part, most in TRAINED.items():
        mine, theirs = blink.get(part, {}).get("losses", []), peer.get(part, {}).get("losses", [])
        far = furthest(mine, theirs)
        say.tell(f"50 steps of {part}", len(mine) == len(theirs) == 50 and far <= most and sum(mine[-5:]) < sum(mine[:5]),
                 f"loss {mine[0]:.4f} to {mine[-1]:.4f}, furthest from {who}'s by {far:.2g} of it" if mine else "did not end")
    shards = blink.get("shards", {})
    far = furthest(shards.get("sharded", []), shards.get("whole", []))
    say.tell("20 steps with sharded weights", bool(shards) and far < 1e-3, f"furthest from whole ones by {far:.2g} of the loss")
    step = blink.get("captured step", {"largest difference": 1.0, "largest weight": 0.0})
    say.tell("30 replays of a captured training step", step["largest difference"] <= 1e-6 * step["largest weight"],
             f"weights differ from those of single calls by {step['largest difference']:.2g} at most")


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
    libblink, alone = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:3])
    folder = pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    under = {"LD_PRELOAD": libblink, "BLINK_DEBUG": "info", "TORCH_NCCL_ASYNC_ERROR_HANDLING": "0"}
    peer_backend, who = "nccl", "NCCL"
    if gpus < 2:
        under["BLINK_NCCL_LIBRARY"] = alone
        peer_backend, who = "gloo", "gloo"
    say = Verdicts()
    blink, ends = run("blink", folder, "nccl", ["collectives", *TRAINED, "shards", "captured step", "step times"], under)
    say.tell("the ranks end well", ends == [0, 0], str(ends))
    served = "goes to Blink" in (folder / "blink.rank0.log").read_text(encoding="utf-8", errors="replace")
    say.tell("the calls are Blink's", served)
    peer, _ = run("peer", folder, peer_backend, [*TRAINED, "step times"], {})
    compare(say, blink, peer, who)
    for bucket, milliseconds in blink.get("step times", {}).items():
        if bucket != "took":
            print(f"      step with buckets of {bucket}: {milliseconds:.3f} ms, {who} {peer['step times'][bucket]:.3f} ms")
    many, ends = run("communicators", folder, "nccl", ["communicators"], under)
    made = many.get("communicators", {})
    say.tell("1,000 communicators", ends == [0, 0] and made.get("made") == 1000 and made["lost MiB"] < 64, str(made))
    lost, _ = run("lost", folder, "nccl", ["lost rank"], under, 60)
    told = lost.get("lost rank", {})
    say.tell("a rank that dies", bool(told.get("told")) and told["seconds"] < 20, str(told))
    return 1 if say.failed else 0


if __name__ == "__main__":
    sys.exit(main())
