"""A worker of a queue, as a process: takes, answers by a die, commits, and says what was accepted when it is durable.

python queue_worker.py DIRECTORY SEED       one line a commit: `done OFFSET OFFSET ...` (of partition * 1,000,000)
"""

from __future__ import annotations

import random
import sys

import logflume

STRIDE = 1_000_000


def main(directory: str, seed: str) -> None:
    rng = random.Random(int(seed))
    with (
        logflume.open(directory) as log,
        log.queue(
            "t", group="g", share_auto_offset_reset="earliest", acknowledgement="explicit"
        ) as queue,
    ):
        print("ready", flush=True)
        while True:
            accepted = []
            for record in queue.poll(timeout=0.5, max_records=rng.randint(1, 40)):
                # What was delivered often is accepted: nothing is to be given up.
                if record.delivery_count > 50 or rng.random() < 0.8:
                    queue.accept(record)
                    accepted.append(record.partition * STRIDE + record.offset)
                else:
                    queue.release(record)
            queue.commit()
            if accepted:
                print("done", *accepted, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
