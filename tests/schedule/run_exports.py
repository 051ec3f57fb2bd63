# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Executes exported schedules symbolically, knowing nothing of how Blink writes them.

    run_exports.py EXPORT_SAMPLES      runs what the program EXPORT_SAMPLES writes, and damaged copies of it

A value is the set of contributions in it, so that a lost, doubled or misplaced one shows. Thread blocks run in random
order, one small action at a time, with FIFOs that hold one chunk; where nothing can go on, that is a deadlock. Two
calls follow each other on each rank without a barrier between the ranks, with other inputs.
"""
import json
import random
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree


class Wrong(Exception):
    """The export does not do what it should."""


def need(condition, what):
    if not condition:
        raise Wrong(what)


def combined(values):
    """All contributions of the values; each may occur once."""
    whole = set()
    for v in values:
        need(v is not None, "read of what was never written")
        need(not whole & v, "a contribution is doubled")
        whole |= v
    return frozenset(whole)


class Memory:
    """Buffers of all ranks, cell by cell, for a collective whose larger buffer has `larger` cells."""

    def __init__(self, kind, ranks, root, larger, in_place):
        self.kind, self.ranks, self.root, self.in_place = kind, ranks, root, in_place
        shard = larger // ranks
        self.size = {"i": shard if kind == "allgather" else larger, "o": shard if kind == "reducescatter" else larger}
        self.cells = {}

    def key(self, rank, buffer, at):
        if self.in_place and buffer != "s":
            if self.kind == "allgather" and buffer == "i":
                return rank, "o", rank * self.size["i"] + at
            if self.kind == "reducescatter" and buffer == "o":
                return rank, "i", rank * self.size["o"] + at
            if self.kind in ("allreduce", "broadcast", "reduce"):
                return rank, "i", at
        return rank, buffer, at

    def check(self, rank, buffer, at):
        need(buffer == "s" or 0 <= at < self.size[buffer], f"rank {rank}: {buffer}[{at}] is outside the buffer")
        alone = self.kind in ("broadcast", "reduce") and rank != self.root
        need(not (alone and buffer == ("i" if self.kind == "broadcast" else "o")), f"rank {rank} has no buffer {buffer}")

    def read(self, rank, buffer, at):
        self.check(rank, buffer, at)
        return self.cells.get(self.key(rank, buffer, at))

    def write(self, rank, buffer, at, value):
        self.check(rank, buffer, at)
        need(self.in_place or buffer != "i", f"rank {rank} writes into its input")
        self.cells[self.key(rank, buffer, at)] = value

    def begin(self, rank, call):
        """Forgets all that the rank had and gives it the input of a call."""
        for key in [k for k in self.cells if k[0] == rank]:
            del self.cells[key]
        if self.kind != "broadcast" or rank == self.root:
            for at in range(self.size["i"]):
                self.cells[self.key(rank, "i", at)] = frozenset({(rank, at, call)})

    def check_result(self, rank, call):
        everyone = range(self.ranks)
        if self.kind == "reduce" and rank != self.root:
            return
        for at in range(self.size["o"]):
            if self.kind in ("allreduce", "reduce"):
                expected = {(r, at, call) for r in everyone}
            elif self.kind == "broadcast":
                expected = {(self.root, at, call)}
            elif self.kind == "allgather":
                expected = {(at // self.size["i"], at % self.size["i"], call)}
            else:
                expected = {(r, rank * self.size["o"] + at, call) for r in everyone}
            found = self.cells.get(self.key(rank, "o", at))
            need(found == expected, f"rank {rank}, call {call}: o[{at}] is {found}, expected {expected}")


def run(memory, blocks_of, calls, seed):
    """Runs all ranks; blocks_of(rank, call) gives coroutines that yield True after an action, False where they wait."""
    order = random.Random(seed)
    alive = {}
    call_of = {}

    def start(rank, call):
        memory.begin(rank, call)
        call_of[rank] = call
        alive[rank] = list(blocks_of(rank, call))

    for rank in range(memory.ranks):
        start(rank, 0)
    while alive:
        moved = False
        every = [(rank, block) for rank, blocks in alive.items() for block in blocks]
        order.shuffle(every)
        for rank, block in every:
            try:
                for _ in range(order.randint(1, 4)):
                    if not next(block):
                        break
                    moved = True
            except StopIteration:
                moved = True
                alive[rank].remove(block)
            if not alive[rank]:
                memory.check_result(rank, call_of[rank])
                if call_of[rank] + 1 < calls:
                    start(rank, call_of[rank] + 1)
                else:
                    del alive[rank]
        need(moved, "deadlock")


def check_msccl(text, kind, ranks, root, seeds=range(3)):
    """Runs an algorithm file of MSCCL in place and out of place."""
    algo = ElementTree.fromstring(text)
    need(algo.tag == "algo" and algo.get("coll") == kind.replace("_", ""), "the collective is another")
    need(int(algo.get("ngpus")) == ranks == len(algo), "the number of GPUs is wrong")
    need(algo.get("inplace") == algo.get("outofplace") == "1", "it should serve both ways")
    need(int(algo.get("minBytes")) < int(algo.get("maxBytes")), "no message has its size")
    slices, chunks = 2, int(algo.get("nchunksperloop"))
    blocks, ends = {}, {}
    for gpu in algo:
        rank = int(gpu.get("id"))
        sizes = {b: int(gpu.get(b + "_chunks")) for b in "ios"}
        for number, tb in enumerate(gpu):
            send, receive, channel = (int(tb.get(a)) for a in ("send", "recv", "chan"))
            need(int(tb.get("id")) == number and 0 <= channel < int(algo.get("nchannels")) <= 32, "a block is misnumbered")
            for peer, direction in ((send, "to"), (receive, "from")):
                if peer >= 0:
                    need((rank, direction, peer, channel) not in ends, "two blocks share a connection")
                    ends[rank, direction, peer, channel] = True
            steps = [{k: (v if k in ("type", "srcbuf", "dstbuf") else int(v)) for k, v in s.items()} for s in tb]
            need(len(steps) <= 64, "a block has too many steps")
            for number_of_step, s in enumerate(steps):
                need(s["s"] == number_of_step and 1 <= s["cnt"] < 72, "a step is misnumbered or has too many chunks")
                for side in ("src", "dst"):
                    need(0 <= s[side + "off"] <= sizes[s[side + "buf"]] - s["cnt"], "a step is outside its buffer")
                if s["depid"] >= 0:
                    need(gpu[s["depid"]][s["deps"]].get("hasdep") == "1", "a step that is awaited does not say so")
            blocks[rank, number] = (send, receive, channel, steps)
    for rank, direction, peer, channel in ends:
        need((peer, "from" if direction == "to" else "to", rank, channel) in ends, "a connection has one end")

    def block(memory, fifos, flags, rank, number, call):
        send, receive, channel, steps = blocks[rank, number]
        into, out_of = fifos.setdefault((rank, send, channel), []), fifos.setdefault((receive, rank, channel), [])
        for slice_ in range(slices):
            for s in steps:
                while s["depid"] >= 0 and flags.get((rank, s["depid"]), (-1,)) < (call, slice_, s["deps"]):
                    yield False
                for c in range(s["cnt"]):
                    source, target = (s["srcbuf"], (s["srcoff"] + c) * slices + slice_), (
                        s["dstbuf"], (s["dstoff"] + c) * slices + slice_)
                    kind_of_step, value = s["type"], None
                    need(kind_of_step in ("s", "r", "rcs", "rrs", "rrc", "rrcs", "cpy"), "unknown step " + kind_of_step)
                    if kind_of_step[0] == "r":
                        while not out_of:
                            yield False
                        value = out_of.pop(0)
                    if kind_of_step in ("s", "cpy"):
                        value = combined([memory.read(rank, *source)])
                    if kind_of_step.startswith("rr"):
                        value = combined([value, memory.read(rank, *source)])
                    if kind_of_step in ("r", "cpy", "rcs", "rrc", "rrcs"):
                        memory.write(rank, *target, value)
                    if kind_of_step[-1] == "s":
                        while into:
                            yield False
                        into.append(value)
                    yield True
                if s["hasdep"]:
                    flags[rank, number] = (call, slice_, s["s"])

    for in_place in (False, True):
        for seed in seeds:
            memory, fifos, flags = Memory(kind.replace("_", ""), ranks, root, chunks * slices, in_place), {}, {}
            run(memory, lambda rank, call: [block(memory, fifos, flags, rank, n, call)
                                            for r, n in blocks if r == rank], 2, seed)
            need(not any(fifos.values()), "something was sent that nobody took")


CELLS, UNIT = 3, 2  # cells of a chunk, and of what passes at once: they divide neither way


def check_mscclpp(text, kind, ranks, root, in_place, seeds=range(3)):
    """Runs an execution plan of MSCCL++."""
    plan = json.loads(text)
    kind = kind.replace("_", "")
    need(plan["collective"] == kind and plan["inplace"] == in_place and plan["protocol"] == "Simple", "another plan")
    need(plan["min_message_size"] < plan["max_message_size"] < 1 << 32, "no message has its size")
    need([g["id"] for g in plan["gpus"]] == list(range(ranks)), "GPUs are misnumbered")
    channels = [[p for c in g["channels"] for p in c["connected_to"]] for g in plan["gpus"]]

    def other_end(rank, channel):
        """The n-th channel of a rank to a peer is joined with the n-th of the peer to the rank."""
        peer = channels[rank][channel]
        nth = channels[rank][:channel].count(peer)
        ends = [c for c, p in enumerate(channels[peer]) if p == rank]
        need(nth < len(ends), "a channel has one end")
        return peer, ends[nth]

    def check_limits(gpu):
        for number, tb in enumerate(gpu["threadblocks"]):
            steps = [s for op in tb["ops"] for s in [op, *op.get("ops", [])]]
            need(tb["id"] == number and len(steps) <= 64, "a block is misnumbered or too long")
            need(all(len(c["channel_ids"]) <= 16 for c in tb["channels"]), "a block has too many channels")
            need(all(len(b["remote_buffer_ids"]) <= 16 for b in tb["remote_buffer_refs"]), "too many remote buffers")
            for s in steps:
                need(len(s.get("channel_ids", [])) <= 8, "an operation has too many channels")
                need(max(len(s.get("src_buff", [])), len(s.get("dst_buff", []))) <= 9, "too many buffers")

    def place(gpu, tb, b, offset):
        """(rank, buffer, first cell, cells) of the part of a buffer from `offset` on that passes at once."""
        rank, buffer = gpu["id"], b.get("type")
        if "buffer_id" in b:
            ids = [i for r in tb["remote_buffer_refs"] for i in r["remote_buffer_ids"]]
            remote = gpu["remote_buffers"][ids[b["buffer_id"]]]
            rank, buffer = remote["rank"], remote["type"]
        chunks = {"i": "input_chunks", "o": "output_chunks", "s": "scratch_chunks"}[buffer]
        need(0 <= b["index"] <= plan["gpus"][rank][chunks] - b["size"], "an operation is outside its buffer")
        last = b["size"] * CELLS
        return rank, buffer, b["index"] * CELLS + offset[0], max(0, min(last - offset[0], offset[1]))

    def block(memory, inbound, gpu, tb):
        ids = [i for c in tb["channels"] for i in c["channel_ids"]]
        waited, written = [False], set()

        def one(op, offset):
            name = op["name"]
            if name == "nop":
                waited[0] = False
                written.clear()
            elif name in ("signal", "rlxsignal"):
                need(not written, "a signal before all threads have written")
                for c in op["channel_ids"]:
                    end = other_end(gpu["id"], ids[c])
                    inbound[end] = inbound.get(end, 0) + 1
            elif name == "sem_release":
                need(not written, "a release before all threads have written")
                for i in op["semaphore_ids"]:
                    need(i < len(gpu["semaphores"]) <= 16, "no such semaphore")
                    inbound[gpu["id"], "semaphore", i] = inbound.get((gpu["id"], "semaphore", i), 0) + 1
            elif name == "sem_acquire":
                for i in op["semaphore_ids"]:
                    while inbound.get((gpu["id"], "semaphore", i), 0) == 0:
                        yield False
                    inbound[gpu["id"], "semaphore", i] -= 1
                waited[0] = True
            elif name in ("wait", "rlxwait"):
                for c in op["channel_ids"]:
                    while inbound.get((gpu["id"], ids[c]), 0) == 0:
                        yield False
                    inbound[gpu["id"], ids[c]] -= 1
                waited[0] = True
            else:
                need(name in ("put", "copy", "rre", "rres"), "unknown operation " + name)
                need(not waited[0], "data are used before all threads have waited")
                sources = [place(gpu, tb, b, offset) for b in op["src_buff"]]
                targets = [place(gpu, tb, b, offset) for b in op["dst_buff"]]
                need(len({p[3] for p in sources + targets}) == 1, "sizes differ")
                pairs = zip(sources, targets) if name in ("put", "copy") else ((sources, t) for t in targets)
                work = [(s if isinstance(s, list) else [s], t) for s, t in pairs]
                for cell in range(sources[0][3]):
                    keys = [(p[0], p[1], p[2] + cell) for s, _ in work for p in s]
                    need(not written & set(keys), "data are read before all threads have written them")
                    values = [combined([memory.read(p[0], p[1], p[2] + cell) for p in s]) for s, _ in work]
                    for (_, t), value in zip(work, values):
                        memory.write(t[0], t[1], t[2] + cell, value)
                    yield True
                written.update((t[0], t[1], t[2] + c) for _, t in work for c in range(t[3]))
            yield True

        for op in tb["ops"]:
            if op["name"] == "pipeline":
                need(op["iter_context"]["unit_size"] > 0, "a pipeline of nothing")
                for first in range(0, op["iter_context"]["num_chunks"] * CELLS, UNIT):
                    for inner in op["ops"]:
                        yield from one(inner, (first, UNIT))
            else:
                yield from one(op, (0, 1 << 30))

    for gpu in plan["gpus"]:
        check_limits(gpu)
    larger = plan["gpus"][0]["output_chunks" if kind == "allgather" else "input_chunks"]
    for seed in seeds:
        memory, inbound = Memory(kind, ranks, root, larger * CELLS, in_place), {}
        run(memory, lambda rank, call: [block(memory, inbound, plan["gpus"][rank], tb)
                                        for tb in plan["gpus"][rank]["threadblocks"]], 2, seed)
        need(not any(inbound.values()), "a signal that nobody waited for")


def check(path, kind, ranks, root, in_place, seeds=range(3)):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".xml"):
        check_msccl(text, kind, ranks, root, seeds)
    else:
        check_mscclpp(text, kind, ranks, root, in_place, seeds)
    return text


def damaged(text):
    """Copies that each lack or change one thing without which the result is wrong or nothing ends."""
    if text.startswith("<"):
        copies = []
        for old, new in (('type="rrc"', 'type="r"'), ('type="rrs"', 'type="rcs"'), ('type="rcs"', 'type="r"'),
                         ('srcoff="0"', 'srcoff="1"'), ('hasdep="1"', 'hasdep="0"'), ('recv="1"', 'recv="0"')):
            copies.append(text.replace(old, new, 1))
        copies.append(text.replace('type="s"', 'type="r"', 1))
        yield from (c for c in copies if c != text)
    else:
        for name in ("signal", "wait", "rlxsignal", "nop", "rre", "put", "rres", "sem_acquire",
                     "sem_release"):
            plan = json.loads(text)
            for tb in (tb for g in plan["gpus"] for tb in g["threadblocks"]):
                for steps in [op["ops"] for op in tb["ops"] if "ops" in op] + [tb["ops"]]:
                    steps[:] = [s for s in steps if s["name"] != name]
            if plan != json.loads(text):
                yield json.dumps(plan)


def main():
    with tempfile.TemporaryDirectory() as folder:
        listing = subprocess.run([sys.argv[1], folder], check=True, capture_output=True, text=True).stdout
        runs = refused = 0
        for line in listing.splitlines():
            path, kind, ranks, root, in_place = line.split()
            arguments = kind, int(ranks), int(root), in_place == "1"
            try:
                text = check(path, *arguments)
            except Wrong as wrong:
                print(f"{line}: {wrong}")
                return 1
            runs += 1
            for number, bad in enumerate(damaged(text) if runs % 5 == 0 else []):
                broken = path.replace(".", "_broken.")
                with open(broken, "w", encoding="utf-8") as file:
                    file.write(bad)
                try:
                    check(broken, *arguments)
                except (Wrong, KeyError, IndexError):
                    refused += 1
                    continue
                print(f"{line}: damaged copy {number} went unnoticed")
                return 1
    print(f"{runs} exports are right, {refused} damaged ones are not")
    return 0 if runs > 0 and refused > runs else 1


if __name__ == "__main__":
    sys.exit(main())
