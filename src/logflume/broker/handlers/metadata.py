"""Metadata: v0-13. One broker that leads everything.

v1: controller, internal topics; null means all topics, where v0 says it with none. v4: whether topics may be
created. v8: authorized operations. v10: topic ids; v12: topics asked for by id. v13: an error for the whole.
Differs from Kafka: the leader epoch is the partition's own last one.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.described_topics import described_topic, missing_topic
from logflume.broker.dispatch import handles
from logflume.broker.kept_metadata import KeptMetadata
from logflume.broker.messages import encode_response
from logflume.broker.partitions import UNKNOWN_TOPIC_ID
from logflume.broker.permissions import NO_OPERATIONS
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation, Resource
from logflume.config.names import INTERNAL_TOPICS
from logflume.errors import InvalidTopicName, LogflumeError, TopicExists, code_of
from logflume.log.ids import encode_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.log.topic_store import TopicEntry

__all__ = ["metadata"]

INVALID_REQUEST = 42
UNKNOWN_TOPIC = code_of("UnknownTopicOrPartition")


@handles(ApiKey.METADATA, versions="0-13")
async def metadata(call: Call, request: Any) -> Answer:
    """Brokers and topics; creates topics that a producer asks for, where that is allowed."""
    kept = call.broker.service(KeptMetadata)
    question = _question(call, request)
    answer = None if question is None else kept.find(question)
    if answer is None:
        seen = call.broker.topics.entries()
        fields = await _fields(call, request)
        answer = encode_response(ApiKey.METADATA, call.version, call.correlation_id, fields)
        if question is not None and not any(topic["error_code"] for topic in fields["topics"]):
            kept.keep(question, answer, seen)
        return [answer]
    # All but the number of the request.
    return [answer[:4], call.correlation_id.to_bytes(4, "big", signed=True), memoryview(answer)[8:]]


def _question(call: Call, request: Any) -> tuple[Any, ...] | None:
    """All that an answer depends on, but for the topics themselves; None: and for who asks, or for ids."""
    if call.broker.authorizer is not None:
        return None
    names = None if request.topics is None else tuple(topic.name for topic in request.topics)
    if names is not None and None in names:
        return None
    return (
        call.version,
        call.address,
        names,
        getattr(request, "include_topic_authorized_operations", False),
        getattr(request, "include_cluster_authorized_operations", False),
    )


async def _fields(call: Call, request: Any) -> dict[str, Any]:
    broker = call.broker
    operations = getattr(request, "include_topic_authorized_operations", False)
    cluster_operations = getattr(request, "include_cluster_authorized_operations", False)
    return {
        "brokers": [
            {
                "node_id": broker.node_id,
                "host": call.address.host,
                "port": call.address.port,
                "rack": None,
            }
        ],
        "cluster_id": broker.cluster_id,
        "controller_id": broker.node_id,
        "topics": [
            {
                **topic,
                "topic_authorized_operations": call.operations(Resource.TOPIC, topic["name"])
                if operations and not topic["error_code"]
                else NO_OPERATIONS,
            }
            for topic in await _topics(call, request)
        ],
        "cluster_authorized_operations": call.cluster_operations()
        if cluster_operations
        else NO_OPERATIONS,
        "error_code": 0,
    }


async def _topics(call: Call, request: Any) -> list[dict[str, Any]]:
    asked = request.topics
    if asked is None or (call.version == 0 and not asked):
        entries = call.broker.topics.entries()
        return [
            described_topic(call, entry, range(entry.partitions))
            for name, entry in sorted(entries.items())
            if not entry.deleting and call.may_topic(Operation.DESCRIBE, name)
        ]
    may_create = getattr(request, "allow_auto_topic_creation", True)
    return [await _topic(call, topic, may_create=may_create) for topic in asked]


async def _topic(call: Call, asked: Any, *, may_create: bool) -> dict[str, Any]:
    topics = call.broker.topics
    name: str | None = asked.name
    topic_id = getattr(asked, "topic_id", None)
    if name is None and call.version < 12:
        # Before v12 a name may not be null.
        return missing_topic(
            "", INVALID_REQUEST
        )  # there are no ids yet, nor an answer without a name
    if name is None:
        known = topics.name_of(topic_id.bytes) if topic_id is not None else None
        entry = None if known is None else topics.find(known)
        if entry is None or not call.may_topic(Operation.DESCRIBE, entry.name):
            raw = bytes(16) if topic_id is None else topic_id.bytes
            return missing_topic(None, UNKNOWN_TOPIC_ID, encode_id(raw))
        return described_topic(call, entry, range(entry.partitions))
    if not call.may_topic(Operation.DESCRIBE, name):
        return missing_topic(name, TopicForbidden.code)
    entry = topics.find(name)
    if entry is not None:
        return described_topic(call, entry, range(entry.partitions))
    if not may_create or not call.broker.config.auto_create_topics_enable:
        return missing_topic(name, UNKNOWN_TOPIC)
    if not call.may_cluster(Operation.CREATE) and not call.may_topic(Operation.CREATE, name):
        return missing_topic(name, TopicForbidden.code)
    try:
        entry = await call.in_thread(_create, call, name)
    except LogflumeError as error:
        return missing_topic(name, error.code)
    return described_topic(call, entry, range(entry.partitions))


def _create(call: Call, name: str) -> TopicEntry:
    if name in INTERNAL_TOPICS:
        raise InvalidTopicName(topic=name, reason="internal topics are made by logflume only")
    try:
        return call.directory.create_topic(name)
    except TopicExists:  # another client, or another process, this moment
        return call.directory.topic(name)
