"""Count the words of files: a stream processor that may be killed at any moment and counts each line once.

    word_count.py --dir data FILE ...     put the lines into a topic, count, print the most frequent words
    word_count.py --dir data              count what is left of an earlier run

The state lives in the topic `counts`, which has as many partitions as `lines`. A record there holds how much the counts
of some lines add up to, and the offset of the next line: both in one record, so that neither is stored without the
other. Whoever gets a partition reads its counts first and goes on at that offset. Run it in several terminals at
once: the group `counters` shares the partitions among them.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import logflume

LINES, COUNTS, PARTITIONS = "lines", "counts", 4


class WordCount:
    """Reads `lines` as a member of a group; `counts` has the words of the partitions that it has now."""

    def __init__(self, log: logflume.Log) -> None:
        self.log = log
        self.counts: dict[int, Counter[str]] = {}
        self.producer = log.producer(acks=1)
        self.consumer = log.consumer(group="counters", enable_auto_commit=False)
        self.consumer.subscribe(LINES, on_assigned=self.load, on_revoked=self.drop)

    def load(self, places: list[logflume.TopicPartition]) -> None:
        for place in places:
            counts: Counter[str] = Counter()
            partition = self.log.partition(COUNTS, place.partition)
            start, offset = 0, partition.start_offset
            while len(batch := partition.read_batch(offset)):
                for value in batch.values.tolist():
                    step = json.loads(value)
                    start = step["next"]
                    counts.update(step["words"])
                offset = int(batch.offsets[-1]) + 1
            self.counts[place.partition] = counts
            self.consumer.seek(place, offset=start)

    def drop(self, places: list[logflume.TopicPartition]) -> None:
        for place in places:
            self.counts.pop(place.partition, None)

    def run(self) -> None:
        """Until nothing is left to count."""
        while records := self.consumer.poll(timeout=0.2):
            words: dict[int, Counter[str]] = {}
            following: dict[int, int] = {}
            for record in records:
                line = record.value.decode(errors="replace").lower()
                words.setdefault(record.partition, Counter()).update(line.split())
                following[record.partition] = record.offset + 1
            for number, counted in words.items():
                step = {"next": following[number], "words": counted}
                self.producer.send(COUNTS, json.dumps(step).encode(), partition=number)
                self.counts[number].update(counted)
            self.producer.flush()
        self.consumer.close()
        self.producer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--dir", default="word-count-data", help="a directory, or kafka://host:9092"
    )
    parser.add_argument("--top", type=int, default=10, help="how many words to print")
    parser.add_argument("files", nargs="*", type=Path)
    args = parser.parse_args()

    with logflume.open(args.dir) as log:
        for topic in (LINES, COUNTS):
            if topic not in log:
                log.create_topic(topic, partitions=PARTITIONS, config={"retention.ms": -1})
        with log.producer() as producer:
            for file in args.files:
                producer.send_many(LINES, file.read_bytes().splitlines())
        WordCount(log).run()
        total: Counter[str] = Counter()
        for partition in log[COUNTS]:
            offset = partition.start_offset
            while len(batch := partition.read_batch(offset)):
                for value in batch.values.tolist():
                    total.update(json.loads(value)["words"])
                offset = int(batch.offsets[-1]) + 1
        for word, count in total.most_common(args.top):
            print(f"{count:8,}  {word}")


if __name__ == "__main__":
    main()
