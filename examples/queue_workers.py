"""Jobs for several processes that share one partition; what keeps failing ends in a topic of its own.

    queue_workers.py --dir data --jobs 300 --workers 3 --kill

Each worker takes jobs that no other has, and answers each by itself: a job that fails is delivered again, to anybody,
while the ones behind it go on. Every seventh job of this program fails always; at its third delivery it is stored in
`dead` and rejected. The jobs of a killed worker are delivered again at once: done at least once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import logflume

GROUP = "workers"
DELIVERIES_MAX = 3


def fails(job: bytes) -> bool:
    return int(job.rpartition(b"-")[2]) % 7 == 0


def work(directory: str) -> None:
    """One worker: until there was nothing to do for a while."""
    with (
        logflume.open(directory) as log,
        log.producer(acks=1) as producer,
        log.queue("jobs", group=GROUP, acknowledgement="explicit") as queue,
    ):
        while records := queue.poll(timeout=3.0, max_records=10):
            for record in records:
                time.sleep(0.002)  # the work
                if not fails(record.value):
                    producer.send("done", record.value)
                    queue.accept(record)
                elif record.delivery_count < DELIVERIES_MAX:
                    queue.release(record)
                else:
                    producer.send("dead", record.value)
                    queue.reject(record)
            producer.flush()  # the results first, then the answers
            queue.commit()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--dir", default="queue-workers-data", help="a directory")
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--kill", action="store_true", help="kill one worker in the middle")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.dir)
        return 0

    with logflume.open(args.dir) as log:
        for topic in ("jobs", "done", "dead"):
            log.create_topic(topic)
        # The group begins here, before its workers come.
        log.queue("jobs", group=GROUP, share_auto_offset_reset="earliest").close()
        jobs = {b"job-%d" % number for number in range(args.jobs)}
        log.partition("jobs", 0).append_many(sorted(jobs))

        command = [sys.executable, __file__, "--dir", args.dir, "--work"]
        workers = [subprocess.Popen(command) for _ in range(args.workers)]
        if args.kill:
            while log.partition("done", 0).end_offset < args.jobs // 3:
                time.sleep(0.005)
            workers[0].kill()
        codes = [worker.wait() for worker in workers]

        done, dead = (
            {record.value for record in log.partition(topic, 0).read_batch(0, 1 << 24, 1 << 30)}
            for topic in ("done", "dead")
        )
        print(f"{len(done)} jobs done, {len(dead)} given up, ", end="")
        print(f"{len(jobs - done - dead)} lost; exit codes {codes}")
        return 1 if jobs - done - dead else 0


if __name__ == "__main__":
    sys.exit(main())
