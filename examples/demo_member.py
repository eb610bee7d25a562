"""One member of a consumer group in a process of its own, for flights_demo.py.

Usage: demo_member.py WHERE TOPIC GROUP TOTAL

Reads batches, "processes" them by printing what came (`partition first_offset last_offset records`), commits,
and goes on until the group has committed everything, or somebody kills it.
"""

from __future__ import annotations

import sys
import time

import logflume


def main(where: str, topic: str, group: str, total: int) -> None:
    """Consume until the group's committed offsets cover all `total` records."""
    with (
        logflume.open(where) as log,
        log.consumer(
            topic,
            group=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            partition_assignment_strategy="cooperative-sticky",
            session_timeout_ms=6000,  # a cluster waits so long for one that was killed
        ) as consumer,
    ):
        places = [(topic, n) for n in range(len(log[topic]))]
        print("ready", flush=True)
        while True:
            batch = consumer.poll_batch(timeout=0.05, max_records=2000)
            if batch is None:
                if sum(consumer.committed(place) or 0 for place in places) >= total:
                    return
                continue
            partitions, offsets = batch.partitions, batch.offsets
            for partition in sorted(set(partitions.tolist())):
                mine = offsets[partitions == partition]
                print(partition, mine[0], mine[-1], len(mine), flush=True)
            consumer.commit(wait=False)
            time.sleep(0.005)  # what a real consumer does with 2,000 records


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
