"""A transactional producer that speaks one version of each API, and says nothing that it was not told to."""

from __future__ import annotations

from typing import Any

from logflume._native.batches import encode_batch
from logflume.broker.api_keys import ApiKey
from support.wire import Wire

# Highest versions of a client of transactions of version 1, and of version 2.
V1 = {"init": 5, "add": 3, "offsets": 4, "end": 4, "commit": 4, "produce": 11}
V2 = {"init": 5, "end": 5, "commit": 5, "produce": 12}


class TxnClient:
    """Fields are public: a test may tell lies with them."""

    def __init__(self, wire: Wire, name: str = "x", versions: dict[str, int] = V1) -> None:
        self.wire = wire
        self.name = name
        self.versions = dict(versions)
        self.producer_id = self.epoch = -1
        self.sequences: dict[tuple[str, int], int] = {}

    def init(self, timeout_ms: int = 60_000, known: tuple[int, int] = (-1, -1)) -> int:
        """Kafka's error code; the id and epoch are taken over."""
        answer = self.wire.ask(
            ApiKey.INIT_PRODUCER_ID,
            self.versions["init"],
            transactional_id=self.name,
            transaction_timeout=timeout_ms,
            producer_id=known[0],
            producer_epoch=known[1],
        )
        if not answer.error_code:
            self._now(answer.producer_id, answer.producer_epoch)
        return int(answer.error_code)

    def _now(self, producer_id: int, epoch: int) -> None:
        if (producer_id, epoch) != (self.producer_id, self.epoch):
            self.sequences.clear()
        self.producer_id, self.epoch = producer_id, epoch

    def _who(self) -> dict[str, Any]:
        return {
            "transactional_id": self.name,
            "producer_id": self.producer_id,
            "producer_epoch": self.epoch,
        }

    def add(self, *places: tuple[str, int]) -> list[int]:
        """AddPartitionsToTxn: the code of each."""
        version = self.versions["add"]
        topics = [{"name": topic, "partitions": [number]} for topic, number in places]
        if version < 4:
            who = {f"v3_and_below_{name}": value for name, value in self._who().items()}
            fields = {**who, "v3_and_below_topics": topics}
            answer = self.wire.ask(ApiKey.ADD_PARTITIONS_TO_TXN, version, **fields)
            found = answer.results_by_topic_v3_and_below
        else:
            one = {**self._who(), "verify_only": False, "topics": topics}
            answer = self.wire.ask(ApiKey.ADD_PARTITIONS_TO_TXN, version, transactions=[one])
            assert answer.error_code == 0
            found = answer.results_by_transaction[0].topic_results
        return [int(p.partition_error_code) for t in found for p in t.results_by_partition]

    def add_offsets(self, group: str = "g") -> int:
        """AddOffsetsToTxn."""
        version = self.versions["offsets"]
        answer = self.wire.ask(ApiKey.ADD_OFFSETS_TO_TXN, version, **self._who(), group_id=group)
        return int(answer.error_code)

    def batch(self, topic: str, number: int, values: list[bytes]) -> bytes:
        """The next batch for a partition."""
        sequence = self.sequences.get((topic, number), 0)
        self.sequences[topic, number] = sequence + len(values)
        return encode_batch(
            [(value,) for value in values],
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=sequence,
            transactional=True,
        )

    def send(self, topic: str, number: int, *values: bytes, **lies: Any) -> int:
        """Produce, up to version 12 (topics by name)."""
        fields = {
            "transactional_id": self.name,
            "acks": -1,
            "timeout": 30_000,
            "topic_data": [
                {
                    "name": topic,
                    "partition_data": [
                        {"index": number, "records": self.batch(topic, number, list(values))}
                    ],
                }
            ],
        }
        answer = self.wire.ask(ApiKey.PRODUCE, self.versions["produce"], **(fields | lies))
        [partition] = answer.responses[0].partition_responses
        return int(partition.error_code)

    def commit_offsets(
        self, *offsets: int, group: str = "g", topic: str = "t", **lies: Any
    ) -> list[int]:
        """TxnOffsetCommit, for the partitions from 0 on."""
        partitions = [
            {
                "partition_index": number,
                "committed_offset": offset,
                "committed_leader_epoch": -1,
                "committed_metadata": "",
            }
            for number, offset in enumerate(offsets)
        ]
        fields = {
            **self._who(),
            "group_id": group,
            "generation_id": -1,
            "member_id": "",
            "group_instance_id": None,
            "topics": [{"name": topic, "partitions": partitions}],
        }
        answer = self.wire.ask(ApiKey.TXN_OFFSET_COMMIT, self.versions["commit"], **(fields | lies))
        return [int(p.error_code) for t in answer.topics for p in t.partitions]

    def end(self, *, commit: bool = True) -> int:
        """EndTxn; of version 2 it goes on with the epoch that it is told."""
        version = self.versions["end"]
        answer = self.wire.ask(ApiKey.END_TXN, version, **self._who(), committed=commit)
        if version >= 5 and not answer.error_code:
            self._now(answer.producer_id, answer.producer_epoch)
        return int(answer.error_code)
