"""Memory of a process that writes, reads, or holds 10,000 partitions open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import logflume
from bench import peers
from bench.entrants import TOPIC
from bench.harness import Amount, Contest, Contestant, Job
from bench.programs import start
from bench.programs.memory import COUNT, VALUE

KINDS = ("Lmdb", "Rocks", "Sqlite", "FramedFile")
OWN, MAPPED = "RssAnon", "VmRSS"
ABOUT = "what it holds more than a bare interpreter, imports included; `with mapped files`: pages of the page cache too"


def measured(
    name: str, role: str, job_name: str, where: Path | None = None, what: str = OWN
) -> Contestant:
    """MB that a process gained over its bare start."""

    @contextmanager
    def open_(fresh: Path) -> Iterator[Job]:
        place = where or fresh
        if job_name == "producer":
            with logflume.open(place / "log") as log:
                log.create_topic(TOPIC)

        def job() -> Amount:
            out, _ = start("memory", job_name, place).communicate()
            found = json.loads(out)
            return Amount((found[what] - found["before"][what]) / 1024)

        yield job

    return Contestant(name, role, 1, open_)  # type: ignore[arg-type] # a Role


def run(
    contest: Contest,
    path: str,
    name: str,
    job: str,
    how: str,
    about: str,
    where: Path | None,
) -> None:
    """logflume's own memory, and that with mapped files; with `how`, the peers' own."""
    kinds = KINDS if how else ()
    contest.run(
        path,
        [
            measured(name, "logflume", job, where),
            measured(f"{name}, with mapped files", "logflume", job, where, MAPPED),
            *(measured(getattr(peers, k).name, "peer", f"{how}-{k}", where) for k in kinds),
        ],
        about=f"{about}: {ABOUT}",
        unit="MB",
        rounds=5 if contest.scale.name == "full" else 2,
        warmup=False,
        cpu="unseen",
    )


def test_writing(contest: Contest) -> None:
    about = f"a process that wrote {COUNT:,} records of 100 bytes one by one"
    run(contest, "Memory of a producer", "producer.send", "producer", "write", about, None)


def test_reading(contest: Contest, where: Path) -> None:
    with logflume.open(where / "log") as log:
        log.create_topic(TOPIC)
        log.partition(TOPIC, 0).append_many([VALUE] * COUNT)
    for kind in KINDS:
        store = getattr(peers, kind)(where)
        store.put_many([VALUE] * COUNT)
        store.close()
    about = f"a process that read {COUNT:,} records of 100 bytes one by one"
    run(contest, "Memory of a consumer", "for record in consumer", "consumer", "read", about, where)


def test_many_partitions(contest: Contest, where: Path) -> None:
    many = 10_000 if contest.scale.name == "full" else 500
    with logflume.open(where / "log") as log:
        log.create_topic("many", partitions=many)
    about = f"a process that has {many:,} empty partitions open"
    run(
        contest, "Memory of open partitions", f"{many:,} partitions", "partitions", "", about, where
    )
