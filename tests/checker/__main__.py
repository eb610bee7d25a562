"""Runs histories and judges them: `python -m checker soak|run|check` (tests/README.md, "Checker")."""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import time
from collections import Counter
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import NamedTuple

from checker.analysis import KINDS, check
from checker.history import load, save
from checker.ledger import Fault
from checker.rounds import Round, crowd_round, room, small_round

SAVED = Path(__file__).resolve().parents[2] / "build" / "histories"


def report(faults: list[Fault]) -> None:
    """Each kind with its meaning, and the first of its findings."""
    for kind, count in Counter(fault.kind for fault in faults).most_common():
        print(f"{kind} ({count}): {KINDS[kind]}")
        for fault in [one for one in faults if one.kind == kind][:3]:
            print(f"    {fault.text}")


def keep(kind: str, played: Round) -> Path:
    """Saves a faulty history; it can be judged again with `check`."""
    SAVED.mkdir(parents=True, exist_ok=True)
    path = SAVED / f"{kind}-{played.seed}.jsonl"
    save(path, played.events, kind=kind, seed=played.seed)
    return path


def _check(args: argparse.Namespace) -> int:
    header, events = load(args.file)
    faults = check(events)
    print(f"{args.file}: {header}, {len(events)} events, {len(faults)} faults")
    report(faults)
    return 1 if faults else 0


def _run(args: argparse.Namespace) -> int:
    with room() as where:
        crowd, seed = args.crowd, args.seed
        played = crowd_round(seed, where, args.seconds) if crowd else small_round(seed, where)
    path = keep("crowd" if args.crowd else "small", played)
    print(f"{path}: {len(played.events)} events, {len(played.faults)} faults")
    report(played.faults)
    return 1 if played.faults else 0


class Told(NamedTuple):
    """What a worker tells of a history; its events only when something is wrong with it."""

    kind: str
    played: Round
    counts: Counter[str]
    memory_kib: int


_COUNTED = {
    "acked": "operations",
    "poll": "operations",
    "committed": "operations",
    "aborted": "operations",
}


def _told(kind: str, played: Round) -> Told:
    counts = Counter(_COUNTED.get(event.kind, event.kind) for event in played.events)
    counts = Counter({name: counts[name] for name in ("operations", "killed", "paused")})
    memory = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 10
    return Told(kind, played if played.faults else Round(played.seed, [], []), counts, memory)


def _work(number: int, seed: int, deadline: float, results: SimpleQueue[Told]) -> None:
    """A worker: one does crowds, the others short histories, until the time is over."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what it has begun is cleared away
    with room() as where:
        while time.monotonic() < deadline:
            if number == 0:
                kind, played = "crowd", crowd_round(seed, where, min(5.0, _left(deadline)))
            else:
                kind, played = "small", small_round(seed, where)
            results.put(_told(kind, played))
            seed += 1
    results.put(Told("done", Round(number, [], []), Counter(), 0))


def _left(deadline: float) -> float:
    """What is left of the time."""
    return max(0.2, deadline - time.monotonic())


def _soak(args: argparse.Namespace) -> int:
    """Short histories on all processors but one, crowds on that; stops at the first fault."""
    seed = args.seed if args.seed is not None else time.time_ns() % 1_000_000_000
    print(f"seed {seed}", flush=True)
    context = get_context("fork")
    results: SimpleQueue[Told] = context.SimpleQueue()
    began = time.monotonic()
    workers = [
        context.Process(
            target=_work, args=(n, seed + n * 1_000_000_000, began + args.seconds, results)
        )
        for n in range(max(2, os.cpu_count() or 2))
    ]
    for worker in workers:
        worker.start()
    counts: Counter[str] = Counter()
    told, status = began, 0
    memory: dict[str, int] = {}  # of the worker that told last, by kind of history
    try:
        while counts["done"] < len(workers):
            kind, played, more, used = results.get()
            counts[kind] += 1
            counts.update(more)
            memory[kind] = used
            if played.faults:
                path = keep(kind, played)
                print(f"\nfault in {kind} history, seed {played.seed}, kept in {path}")
                report(played.faults)
                status = 1
                break
            if time.monotonic() - told > 2:
                told = time.monotonic()
                print(_progress(counts, told - began, args.seconds, memory), end="", flush=True)
    finally:
        for worker in workers:
            worker.terminate() if status else worker.join(60)
    print(_progress(counts, time.monotonic() - began, args.seconds, memory))
    return status


def _progress(counts: Counter[str], passed: float, seconds: float, memory: dict[str, int]) -> str:
    return (
        f"\r{passed:.0f} of {seconds:.0f} s: {counts['small']:,} short histories, {counts['crowd']:,} of processes,"
        f" {counts['operations']:,} operations, {counts['killed']:,} kills, {counts['paused']:,} pauses,"
        f" {max(memory.values(), default=0) >> 10} MiB, no fault"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m checker", description=__doc__)
    commands = parser.add_subparsers(required=True)
    soak = commands.add_parser("soak", help="histories for a while, until one is wrong")
    soak.add_argument("seconds", type=float)
    soak.add_argument("--seed", type=int)
    soak.set_defaults(call=_soak)
    run = commands.add_parser("run", help="one history from its seed")
    run.add_argument("seed", type=int)
    run.add_argument("--crowd", action="store_true", help="of processes, with kills")
    run.add_argument("--seconds", type=float, default=5.0, help="of a crowd")
    run.set_defaults(call=_run)
    judge = commands.add_parser("check", help="judge a saved history")
    judge.add_argument("file", type=Path)
    judge.set_defaults(call=_check)
    args = parser.parse_args()
    return int(args.call(args))


if __name__ == "__main__":
    sys.exit(main())
