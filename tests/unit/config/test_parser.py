"""Parsing whole tables: names, nearest names, refusals, contradictions, changes."""

from __future__ import annotations

import pytest

from logflume.config import (
    TABLES,
    Config,
    ConsumerConfig,
    DirectoryConfig,
    ProducerConfig,
    TopicConfig,
    parse,
    update,
)
from logflume.config.names import INTERNAL_TOPICS
from logflume.errors import InvalidConfig, UnknownConfig


def test_names_with_dots_and_keywords_mean_the_same() -> None:
    dotted = parse(TopicConfig, {"retention.ms": "1d", "segment.bytes": 2048})
    keywords = parse(TopicConfig, {"retention_ms": 86_400_000, "segment_bytes": "2048"})
    assert dotted == keywords
    assert dotted.retention_ms == 86_400_000
    assert dotted.explicit() == {"retention.ms": 86_400_000, "segment.bytes": 2048}


def test_defaults_are_there_without_being_explicit() -> None:
    config = parse(ProducerConfig, {"linger_ms": None})
    assert (config.acks, config.linger_ms, config.batch_size) == (-1, 5, 65_536)
    assert (config.partitioner, config.compression_type) == ("murmur2", "none")
    assert config.explicit() == {}
    consumer = parse(ConsumerConfig, {})
    assert (consumer.auto_offset_reset, consumer.max_poll_records) == ("latest", 500)
    assert consumer.group_id is None


@pytest.mark.parametrize("table", TABLES)
def test_every_default_is_a_value_its_kind_takes(table: type[Config]) -> None:
    for item in table.options.values():
        if item.default is not None:
            assert item.kind.parse(item.kind.format(item.default)) == item.default


@pytest.mark.parametrize("table", TABLES)
def test_every_option_is_declared_in_full(table: type[Config]) -> None:
    assert list(table.options) == [item.name for item in table.options.values()]
    for item in table.options.values():
        assert item.doc.endswith(".")
        assert not (item.no_effect and item.refused)
        assert any(item.keyword in vars(b).get("__annotations__", {}) for b in table.__mro__)
        assert item.name not in table.foreign


def test_contract_spellings() -> None:
    producer = parse(
        ProducerConfig,
        {"acks": "all", "linger_ms": 5, "batch_size": 65536, "compression_type": "lz4"},
    )
    assert producer.strings() == {
        "acks": "all",
        "batch.size": "65536",
        "compression.type": "lz4",
        "linger.ms": "5",
    }
    consumer = parse(
        ConsumerConfig,
        {
            "group": "g",
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "isolation_level": "read_uncommitted",
        },
    )
    assert consumer.group_id == "g"
    assert consumer.get("group") == "g"
    assert consumer.get("group.id") == "g"


@pytest.mark.parametrize(
    ("table", "name", "nearest"),
    [
        (TopicConfig, "retenton.ms", "retention.ms"),
        (TopicConfig, "segmentbytes", "segment.bytes"),
        (ProducerConfig, "lingerms", "linger.ms"),
        (ConsumerConfig, "groupid", "group.id"),
        (DirectoryConfig, "num_partition", "num.partitions"),
        (TopicConfig, "xyzzy", None),
    ],
)
def test_unknown_option_names_the_nearest(
    table: type[Config], name: str, nearest: str | None
) -> None:
    with pytest.raises(UnknownConfig) as caught:
        parse(table, {name: 1})
    assert (caught.value.name, caught.value.table) == (name, table.table)
    assert caught.value.suggestion == nearest
    with pytest.raises(UnknownConfig):
        parse(table, {}).get(name)


def test_option_of_another_table_says_which() -> None:
    with pytest.raises(UnknownConfig, match="it is an option of a topic") as caught:
        parse(ProducerConfig, {"retention.ms": 5})
    assert caught.value.suggestion is None


def test_wrong_value_names_option_value_and_nearest() -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse(TopicConfig, {"compression_type": "zst"})
    error = caught.value
    assert (error.name, error.value, error.suggestion) == ("compression_type", "zst", "zstd")


def test_same_option_twice_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="given twice"):
        parse(ConsumerConfig, {"group": "a", "group_id": "b"})
    with pytest.raises(InvalidConfig, match="must be text"):
        parse(ConsumerConfig, {5: "a"})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (TopicConfig, {"remote.storage.enable": True}),
        (TopicConfig, {"message.format.version": "0.10"}),
        (TopicConfig, {"min.compaction.lag.ms": 10, "max.compaction.lag.ms": 9}),
        (ProducerConfig, {"bootstrap.servers": "localhost:9092"}),
        (ProducerConfig, {"key.serializer": "x"}),
        (ProducerConfig, {"acks": 1, "enable.idempotence": True}),
        (ProducerConfig, {"delivery.timeout.ms": 4}),
        (ConsumerConfig, {"group.instance.id": "i"}),
        (ConsumerConfig, {"group.protocol": "consumer"}),
        (DirectoryConfig, {"log.retention.ms": 5}),
    ],
)
def test_what_cannot_be_acted_on_is_refused(table: type[Config], values: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse(table, values)
    assert type(caught.value) is InvalidConfig


def test_a_refused_option_takes_its_default() -> None:
    assert parse(TopicConfig, {"remote.storage.enable": "false"}).explicit() == {
        "remote.storage.enable": False
    }


def test_acks_1_needs_no_mention_of_idempotence() -> None:
    assert parse(ProducerConfig, {"acks": 1}).acks == 1


def test_secrets_are_not_repeated_in_the_message() -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse(ProducerConfig, {"sasl.jaas.config": "password=hunter2"})
    assert "hunter2" not in str(caught.value)


def test_options_without_effect_are_reported_with_the_reason() -> None:
    config = parse(TopicConfig, {"min.insync.replicas": 2, "retention.ms": 5})
    assert list(config.without_effect()) == ["min.insync.replicas"]
    assert "one copy" in config.without_effect()["min.insync.replicas"]


def test_strings_parse_back_to_the_same() -> None:
    config = parse(
        TopicConfig,
        {
            "cleanup.policy": ["compact", "delete"],
            "min.cleanable.dirty.ratio": 0.25,
            "preallocate": True,
        },
    )
    assert config.strings()["cleanup.policy"] == "compact,delete"
    assert parse(TopicConfig, config.strings()) == config


def test_update_changes_sets_back_and_leaves_the_old_as_it_was() -> None:
    old = parse(TopicConfig, {"retention.ms": 5, "segment.bytes": 2048})
    new = update(old, {"retention_ms": None, "segment.bytes": "4KiB", "compression.type": "zstd"})
    assert new.strings() == {"compression.type": "zstd", "segment.bytes": "4096"}
    assert old.retention_ms == 5
    with pytest.raises(UnknownConfig):
        update(old, {"nonsense": None})


def test_update_checks_the_whole() -> None:
    old = parse(TopicConfig, {"max.compaction.lag.ms": 5})
    with pytest.raises(InvalidConfig):
        update(old, {"min.compaction.lag.ms": 6})


def test_configs_are_read_only() -> None:
    config = parse(TopicConfig, {})
    with pytest.raises(AttributeError, match="read-only"):
        config.retention_ms = 5
    assert "retention_ms=7" in repr(parse(TopicConfig, {"retention_ms": 7}))


def test_java_assignor_names_are_understood() -> None:
    names = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor,roundrobin"
    config = parse(ConsumerConfig, {"partition.assignment.strategy": names})
    assert config.partition_assignment_strategy == ("cooperative-sticky", "roundrobin")


def test_uncompressed_has_two_spellings_for_topics() -> None:
    assert parse(TopicConfig, {"compression.type": "none"}).compression_type == "uncompressed"


def test_internal_topics_are_valid_names() -> None:
    from logflume.config import check_topic

    for topic in INTERNAL_TOPICS:
        assert check_topic(topic) == topic
