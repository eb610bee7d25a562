"""A run in numbers, for docs/benchmarks/broker-soak.md and bench/results/soak-broker.json."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.soak.actors import Sample
from bench.soak.judge import Verdict

__all__ = ["Run", "render", "write"]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks" / "broker-soak.md"
DATA = ROOT / "bench" / "results" / "soak-broker.json"


@dataclass
class Run:
    """What was done to whom."""

    seconds: float
    seed: int
    day: str
    broker_kills: int = 0
    broker_stops: int = 0
    client_kills: int = 0
    client_pauses: int = 0
    start_ms_median: float = 0.0
    start_ms_max: float = 0.0
    steady_s: float = 0.0
    """Length of the last stretch, in which the broker lived on."""
    own_mb_first: float = 0.0
    own_mb_last: float = 0.0
    own_mb_max: float = 0.0
    descriptors_first: int = 0
    descriptors_last: int = 0
    threads_max: int = 0

    def take(self, start_ms: list[float], steady: list[Sample], all_samples: list[Sample]) -> None:
        """Fill in what was measured. `steady`: of the last stretch, its beginning left out."""
        self.start_ms_median = statistics.median(start_ms)
        self.start_ms_max = max(start_ms)
        self.own_mb_max = max(s.own_mb for s in all_samples)
        self.threads_max = max(s.threads for s in all_samples)
        if steady:
            tenth = max(len(steady) // 10, 1)
            self.steady_s = steady[-1].at - steady[0].at
            self.own_mb_first = statistics.median(s.own_mb for s in steady[:tenth])
            self.own_mb_last = statistics.median(s.own_mb for s in steady[-tenth:])
            self.descriptors_first = int(statistics.median(s.descriptors for s in steady[:tenth]))
            self.descriptors_last = int(statistics.median(s.descriptors for s in steady[-tenth:]))


def render(run: Run, verdict: Verdict) -> str:
    """The page."""
    wrong = len(verdict.wrong)
    return f"""\
# The broker's soak

<!-- Written by `make soak-broker SECONDS=... ARGS=--write`. -->

{run.seconds:,.0f} seconds on {run.day}, seed {run.seed}. Writers (librdkafka with and without idempotence, lz4, zstd,
acks=1; a program that has the directory open beside the broker) and readers (groups of both protocols) are killed and
started again at random, writers also stopped for some seconds (SIGSTOP); the broker is killed with kill -9, or stopped.
At the end the whole directory is held against every acknowledgement and what the readers saw.

| | |
|---|---|
| Records written | {verdict.records:,} |
| Acknowledgements checked: the record lies where its writer was told | {verdict.acknowledged:,} |
| Records that readers saw and that were compared | {verdict.read:,} |
| Broker killed, stopped in order | {run.broker_kills}, {run.broker_stops} |
| Clients killed, paused | {run.client_kills}, {run.client_pauses} |
| **Acknowledged and lost, out of order, doubled for an idempotent producer, read wrong** | **{wrong}** |
| Doubled for producers without idempotence, as Kafka's are | {verdict.repeated:,} |
| Start on the grown directory after a kill: median, longest | \
{run.start_ms_median:,.0f} ms, {run.start_ms_max:,.0f} ms |
| Own memory of the broker at the beginning and the end of the last {run.steady_s:,.0f} s | \
{run.own_mb_first:.1f} MB, {run.own_mb_last:.1f} MB |
| The most at any time | {run.own_mb_max:.1f} MB |
| Descriptors at the beginning and the end of that stretch | {run.descriptors_first}, {run.descriptors_last} |
| Threads, at most | {run.threads_max} |
"""


def write(run: Run, verdict: Verdict) -> None:
    """Keep them."""
    PAGE.write_text(render(run, verdict))
    kept = {**asdict(run), **asdict(verdict)}
    DATA.write_text(json.dumps(kept, indent=1) + "\n")
