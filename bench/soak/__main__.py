"""`python -m bench.soak SECONDS [--seed N] [--rate N] [--write]`: see the package."""

from __future__ import annotations

import argparse
import random
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

from bench.soak.actors import Actor, BrokerProcess, Sample
from bench.soak.figures import Run, render, write
from bench.soak.judge import Verdict, judge
from bench.soak.writing import KINDS

ROOT = Path(__file__).resolve().parents[2]
TOPIC = "soak"
PARTITIONS = 4
KILLING_SHARE = 0.7  # of the time the broker is killed; then it is left alone, for its memory
SETTLING_SHARE = 0.2  # of the rest, before memory counts
TICK_S = 0.25
SAMPLE_S = 0.25  # what is held for less than a second counts, too
MEMORY_MB = 100  # the broker's own; more than that is told at once


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Soak:
    """One run in a directory of its own."""

    def __init__(self, where: Path, seconds: float, seed: int, rate: float) -> None:
        self.random = random.Random(seed)
        self.run = Run(seconds, seed, time.strftime("%Y-%m-%d"))
        self.directory = where / "data"
        self.notes = where / "notes"
        self.notes.mkdir()
        self.broker = BrokerProcess(self.directory, _free_port(), where / "broker.log")
        self.samples: list[Sample] = []
        self.writers = [self._writer(kind, n % PARTITIONS, rate) for n, kind in enumerate(KINDS)]
        self.readers = [
            Actor(
                "bench.soak.reading",
                f"reader-{protocol}-{n}",
                self.notes,
                [protocol, self.broker.bootstrap, TOPIC, f"soak-{protocol}", "{notes}"],
            )
            for protocol in ("classic", "consumer")
            for n in range(2)
        ]
        self.paused: dict[Actor, float] = {}

    def _writer(self, kind: str, partition: int, rate: float) -> Actor:
        where = str(self.directory) if kind == "embedded" else self.broker.bootstrap
        words = [kind, where, TOPIC, str(partition), "{name}", str(rate), "{notes}"]
        return Actor("bench.soak.writing", f"writer-{kind}", self.notes, words)

    def start(self) -> None:
        import logflume

        with logflume.open(self.directory) as log:
            # Small segments, so that rolling and their indexes take part.
            log.create_topic(TOPIC, partitions=PARTITIONS, config={"segment.bytes": 8 << 20})
        self.broker.start()
        for actor in (*self.writers, *self.readers):
            actor.start()

    def go(self) -> None:
        """Until the time is over."""
        started = time.monotonic()
        end = started + self.run.seconds
        next_broker = started + self.random.uniform(3, 15)
        next_client = started + 2.0
        last_sample = 0.0
        while (now := time.monotonic()) < end:
            if not self.broker.running:
                raise RuntimeError("the broker ended by itself")
            if now > next_broker and now - started < KILLING_SHARE * self.run.seconds:
                self._strike_broker()
                next_broker = time.monotonic() + self.random.uniform(3, 30)
            if now > next_client:
                self._strike_client(now)
                next_client = now + self.random.uniform(1, 6)
            for actor, until in list(self.paused.items()):
                if now > until:
                    actor.pause(on=False)
                    del self.paused[actor]
            for actor in (*self.writers, *self.readers):
                if not actor.running:
                    raise RuntimeError(f"{actor.name} ended by itself: see errors.txt")
            if now - last_sample >= SAMPLE_S:
                last_sample = now
                self.samples.append(self.broker.sample(now - started))
                if self.samples[-1].own_mb > MEMORY_MB:
                    where = "; ".join(self.broker.areas())
                    print(
                        f"{self.samples[-1].own_mb:.0f} MB at {now - started:.0f} s: {where}",
                        flush=True,
                    )
            time.sleep(TICK_S)

    def _strike_broker(self) -> None:
        if self.random.random() < 0.2:
            self.run.broker_stops += 1
            if self.broker.stop() != 0:
                raise RuntimeError("the broker stopped with an error")
        else:
            self.run.broker_kills += 1
            self.broker.kill()
        time.sleep(self.random.uniform(0, 1))
        self.broker.start()

    def _strike_client(self, now: float) -> None:
        actor = self.random.choice([*self.writers, *self.readers])
        if actor in self.paused:
            return
        if actor in self.writers and self.random.random() < 0.3:
            self.run.client_pauses += 1
            actor.pause(on=True)
            self.paused[actor] = now + self.random.uniform(0.5, 4)
        else:
            self.run.client_kills += 1
            actor.kill()
            actor.start()

    def end(self) -> Verdict:
        """Stop everybody, and judge."""
        for actor in (*self.writers, *self.readers):
            actor.kill()
        if self.broker.stop() != 0:
            raise RuntimeError("the broker stopped with an error")
        from_s = self.run.seconds * (KILLING_SHARE + (1 - KILLING_SHARE) * SETTLING_SHARE)
        steady = [sample for sample in self.samples if sample.at > from_s]
        self.run.take(self.broker.start_ms, steady, self.samples)
        return judge(self.directory, self.notes, TOPIC)

    def kill(self) -> None:
        """Nothing of it goes on."""
        for actor in (*self.writers, *self.readers):
            actor.kill()
        if self.broker.running:
            self.broker.kill()


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.soak")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--rate", type=float, default=300, help="records a second of each writer")
    parser.add_argument("--write", action="store_true", help="keep the figures in docs and results")
    given = parser.parse_args()
    parent = ROOT / "build" / "soak"
    parent.mkdir(parents=True, exist_ok=True)
    where = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
    print(f"{given.seconds:.0f} s, seed {given.seed}, in {where}", flush=True)
    soak = Soak(where, given.seconds, given.seed, given.rate)
    try:
        soak.start()
        soak.go()
        verdict = soak.end()
    finally:
        soak.kill()
    print(render(soak.run, verdict))
    for line in verdict.wrong[:50]:
        print(line)
    if verdict.wrong:
        print(f"{len(verdict.wrong)} things are wrong; everything is kept in {where}")
        return 1
    shutil.rmtree(where)
    if given.write:
        write(soak.run, verdict)
    return 0


if __name__ == "__main__":
    sys.exit(main())
