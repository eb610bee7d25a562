"""Jobs for several processes: each job is done, even if a worker is killed in the middle.

    work_queue.py --dir data --jobs 400 --workers 3 --kill

A worker takes jobs from the topic `jobs`, does them, stores what came out in the topic `done`, and commits. It commits
after the work, so that a job whose worker was killed is taken again by another: done at least once. What must not be
done twice checks `done`, or whatever it writes to, by the job's own number.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

import logflume

GROUP = "workers"


def work(directory: str) -> None:
    """One worker: until the group has committed all jobs."""
    with (
        logflume.open(directory) as log,
        log.producer(acks=1) as producer,
        log.consumer(
            "jobs", group=GROUP, auto_offset_reset="earliest", enable_auto_commit=False
        ) as consumer,
    ):
        places = [("jobs", number) for number in range(len(log["jobs"]))]
        ends = consumer.end_offsets(places)
        while any((consumer.committed(place) or 0) < ends[place] for place in ends):
            for record in consumer.poll(timeout=0.05, max_records=10):
                time.sleep(0.002)  # the work
                producer.send("done", str(os.getpid()).encode(), key=record.value)
            producer.flush()  # the results first, then the commit
            consumer.commit(wait=False)


def start_worker(directory: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, "--dir", directory, "--work"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--dir", default="work-queue-data", help="a directory, or kafka://host:9092"
    )
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--kill", action="store_true", help="kill one worker in the middle")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.dir)
        return 0

    with logflume.open(args.dir) as log:
        for topic in ("jobs", "done"):
            if topic not in log:
                log.create_topic(topic, partitions=6)
        before = sum(partition.end_offset for partition in log["done"])
        with log.producer(partitioner="round_robin") as producer:
            jobs = [b"job-%d" % number for number in range(args.jobs)]
            for job in jobs:
                producer.send("jobs", job)

        workers = [start_worker(args.dir) for _ in range(args.workers)]
        if args.kill:
            while sum(p.end_offset for p in log["done"]) < before + args.jobs // 3:
                time.sleep(0.005)
            workers[0].kill()
        codes = [worker.wait() for worker in workers]

        done = [r for p in log["done"] for r in p.read_batch(p.start_offset, 1 << 24, 1 << 30)]
        missing = set(jobs) - {record.key for record in done}
        by = {record.value for record in done}
        print(f"{args.jobs} jobs by {len(by)} workers, {len(missing)} not done, ", end="")
        print(f"{len(done) - before - args.jobs} done again; exit codes {codes}")
        return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
