"""CreateTopics: v2-7.

v4: -1 for the default number of partitions and copies. v5: flexible; tells the settings. v7: tells the id.
Differs from Kafka: one copy of each partition, so only a replication factor of 1 (or -1) is taken.
"""

from __future__ import annotations

from collections import Counter

from logflume.broker.api_keys import ApiKey
from logflume.broker.config_view import topic_config
from logflume.broker.dispatch import handles
from logflume.broker.refusals import InvalidReplicaAssignment, InvalidRequest, TopicForbidden
from logflume.broker.security.acl import Operation
from logflume.broker.topic_changes import check_assignments, check_replication, create_topic
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["create_topics"]

SHOWN_OF_A_SETTING = ("name", "value", "read_only", "config_source", "is_sensitive")


@handles(ApiKey.CREATE_TOPICS, versions="2-7")
async def create_topics(call: Call, request: Any) -> Answer:
    """Make each topic, one after the other; what fails does not hold up the rest."""
    named = Counter(topic.name for topic in request.topics)
    topics = []
    for name in named:
        asked = next(topic for topic in request.topics if topic.name == name)
        try:
            if named[name] > 1:
                raise InvalidRequest(reason=f"topic {name!r} is named {named[name]} times")
            if not call.may_cluster(Operation.CREATE):
                call.check_topic(Operation.CREATE, name)
            made = await _create(call, asked, validate_only=request.validate_only)
        except LogflumeError as error:
            topics.append(
                {
                    "name": name,
                    "topic_id": None,
                    "error_code": error.code,
                    "error_message": str(error),
                    "configs": None,
                }
            )
        else:
            topics.append(made)
    return {"topics": topics}


async def _create(call: Call, asked: Any, *, validate_only: bool) -> dict[str, Any]:
    partitions: int | None = None if asked.num_partitions == -1 else asked.num_partitions
    if asked.assignments:
        partitions = _assigned(call, asked)
    else:
        check_replication(asked.replication_factor)
    config = {item.name: item.value for item in asked.configs}
    entry = await call.in_thread(
        create_topic, call.directory, asked.name, partitions, config, validate_only=validate_only
    )
    if not call.may_topic(Operation.DESCRIBE_CONFIGS, asked.name):
        return {
            "name": entry.name,
            "topic_id": entry.topic_id,
            "error_code": 0,
            "error_message": None,
            "topic_config_error_code": TopicForbidden.code,
            "num_partitions": -1,
            "replication_factor": -1,
            "configs": None,
        }
    return {
        "name": entry.name,
        "topic_id": entry.topic_id,
        "error_code": 0,
        "error_message": None,
        "num_partitions": entry.partitions,
        "replication_factor": 1,
        "configs": [
            {name: item[name] for name in SHOWN_OF_A_SETTING} for item in topic_config(entry.config)
        ],
    }


def _assigned(call: Call, asked: Any) -> int:
    """How many partitions the client assigned by hand."""
    if asked.num_partitions != -1 or asked.replication_factor != -1:
        raise InvalidRequest(
            reason="assignments, and a number of partitions or copies, exclude each other"
        )
    given = {item.partition_index: item.broker_ids for item in asked.assignments}
    if sorted(given) != list(range(len(asked.assignments))):
        raise InvalidReplicaAssignment(reason="partitions are numbered from 0 on, without gaps")
    check_assignments([given[number] for number in sorted(given)], call.broker.node_id)
    return len(given)
