"""Metadata is made once for a question, and anew when a topic has changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.broker import ThreadedBroker
from logflume.broker.api_keys import ApiKey
from logflume.broker.described_topics import described_topic
from support.wire import Wire

UNKNOWN_TOPIC = 3


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path) as opened:
        opened.create_topic("a", partitions=2)
        opened.create_topic("b", partitions=3)
        yield opened


@pytest.fixture
def broker(log: logflume.Log) -> Iterator[ThreadedBroker]:
    with logflume.serve(log, auto_create_topics_enable=True) as running:
        yield running


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Topics that were described, in order."""
    found: list[str] = []

    def noted(call: Any, entry: Any, numbers: Any) -> dict[str, Any]:
        found.append(entry.name)
        return described_topic(call, entry, numbers)

    monkeypatch.setattr("logflume.broker.handlers.metadata.described_topic", noted)
    return found


def ask(
    wire: Wire, *names: str, version: int = 12, create: bool = False, **fields: Any
) -> dict[str, tuple[int, int]]:
    """Error and number of partitions by topic; without names of all."""
    answer = wire.ask(
        ApiKey.METADATA,
        version,
        topics=[{"name": name, "topic_id": None} for name in names] if names else None,
        allow_auto_topic_creation=create,
        **{
            "include_topic_authorized_operations": False,
            "include_cluster_authorized_operations": False,
            **fields,
        },
    )
    return {topic.name: (topic.error_code, len(topic.partitions)) for topic in answer.topics}


def test_a_question_is_answered_once(broker: ThreadedBroker, made: list[str]) -> None:
    with Wire(broker.bootstrap) as first, Wire(broker.bootstrap) as second:
        for wire in (first, second, first):
            assert ask(wire, "a") == {"a": (0, 2)}
        assert made == ["a"]
        assert ask(first) == ask(second) == {"a": (0, 2), "b": (0, 3)}
        assert made == ["a", "a", "b"]
        # Another version, another order, and what a client may do are other questions.
        assert ask(first, "a", version=1) == {"a": (0, 2)}
        assert list(ask(first, "b", "a")) == ["b", "a"]
        assert ask(first, "a", include_topic_authorized_operations=True) == {"a": (0, 2)}
        assert made == ["a", "a", "b", "a", "b", "a", "a"]


def test_what_changes_is_told(log: logflume.Log, broker: ThreadedBroker) -> None:
    with Wire(broker.bootstrap) as wire:
        for _ in range(2):
            assert ask(wire, "a") == {"a": (0, 2)}
            assert ask(wire, "c") == {"c": (UNKNOWN_TOPIC, 0)}
        log.alter_topic("a", partitions=5)
        assert ask(wire, "a") == {"a": (0, 5)}
        log.create_topic("c")
        for _ in range(2):
            assert ask(wire, "c") == {"c": (0, 1)}
            assert ask(wire) == {"a": (0, 5), "b": (0, 3), "c": (0, 1)}
        log.delete_topic("b")
        for _ in range(2):
            assert ask(wire, "b") == {"b": (UNKNOWN_TOPIC, 0)}
            assert ask(wire) == {"a": (0, 5), "c": (0, 1)}
            assert ask(wire, "d", create=True) == {"d": (0, 1)}
            log.delete_topic("d")
