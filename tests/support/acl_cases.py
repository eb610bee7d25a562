"""What each API asks for under ACLs: a request that can be refused, the code that does it, and what it needs."""

from __future__ import annotations

from typing import Any, NamedTuple

from logflume._native.batches import encode_batch
from logflume.broker.api_keys import ApiKey as Api
from logflume.broker.security.acl import Operation, Resource

__all__ = [
    "ANY_ACL",
    "CASES",
    "CLUSTER",
    "FORBIDDEN",
    "GROUP",
    "TOPIC",
    "TXN",
    "Case",
    "Op",
    "cluster",
    "group",
    "topic",
]

TOPIC, GROUP, CLUSTER, TXN = 29, 30, 31, 53
FORBIDDEN = {TOPIC, GROUP, CLUSTER, TXN}
Op = Operation


class Case(NamedTuple):
    """A request of one API, the code that refuses it, and the operations that it needs."""

    api: Api
    version: int
    fields: dict[str, Any]
    code: int
    needs: tuple[tuple[Resource, Operation, int], ...]  # with the code where this one is missing


def topic(*operations: Operation) -> tuple[tuple[Resource, Operation, int], ...]:
    return tuple((Resource.TOPIC, one, TOPIC) for one in operations)


def group(*operations: Operation) -> tuple[tuple[Resource, Operation, int], ...]:
    return tuple((Resource.GROUP, one, GROUP) for one in operations)


def cluster(*operations: Operation) -> tuple[tuple[Resource, Operation, int], ...]:
    return tuple((Resource.CLUSTER, one, CLUSTER) for one in operations)


def txn(*operations: Operation) -> tuple[tuple[Resource, Operation, int], ...]:
    return tuple((Resource.TRANSACTIONAL_ID, one, TXN) for one in operations)


BATCH = encode_batch([(b"x", None, None, 1_700_000_000_000)])
PART = {"partition_index": 0}
PRODUCER = {"transactional_id": "x", "producer_id": 1, "producer_epoch": 0}
MEMBER = {"group_id": "g", "generation_id": 1, "member_id": "m"}
TOPIC_CONFIG = {"resource_type": 2, "resource_name": "t", "configs": []}
BROKER_CONFIG = {**TOPIC_CONFIG, "resource_type": 4, "resource_name": "1"}
ANY_ACL = {
    "resource_type_filter": 1,
    "resource_name_filter": None,
    "pattern_type_filter": 1,
    "principal_filter": None,
    "host_filter": None,
    "operation": 1,
    "permission_type": 1,
}
CASES = [
    Case(
        Api.PRODUCE,
        8,
        {
            "transactional_id": None,
            "acks": 1,
            "timeout": 1000,
            "topic_data": [{"name": "t", "partition_data": [{"index": 0, "records": BATCH}]}],
        },
        TOPIC,
        topic(Op.WRITE),
    ),
    Case(
        Api.FETCH,
        4,
        {
            "replica_id": -1,
            "max_wait": 0,
            "min_bytes": 0,
            "max_bytes": 1000,
            "isolation_level": 0,
            "topics": [
                {
                    "topic": "t",
                    "partitions": [
                        {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}
                    ],
                }
            ],
        },
        TOPIC,
        topic(Op.READ),
    ),
    Case(
        Api.LIST_OFFSETS,
        1,
        {
            "replica_id": -1,
            "topics": [{"name": "t", "partitions": [{**PART, "timestamp": -1}]}],
        },
        TOPIC,
        topic(Op.DESCRIBE),
    ),
    Case(
        Api.METADATA,
        4,
        {"topics": [{"name": "t"}], "allow_auto_topic_creation": False},
        TOPIC,
        topic(Op.DESCRIBE),
    ),
    Case(
        Api.METADATA,
        4,
        {"topics": [{"name": "new"}], "allow_auto_topic_creation": True},
        TOPIC,
        topic(Op.DESCRIBE, Op.CREATE),
    ),
    Case(
        Api.OFFSET_COMMIT,
        2,
        {
            "group_id": "g",
            "generation_id_or_member_epoch": -1,
            "member_id": "",
            "retention_time": -1,
            "topics": [
                {
                    "name": "t",
                    "partitions": [{**PART, "committed_offset": 1, "committed_metadata": None}],
                }
            ],
        },
        GROUP,
        (*topic(Op.READ), *group(Op.READ)),
    ),
    Case(
        Api.OFFSET_FETCH,
        7,
        {
            "group_id": "g",
            "topics": [{"name": "t", "partition_indexes": [0]}],
            "require_stable": False,
        },
        GROUP,
        (*topic(Op.DESCRIBE), *group(Op.DESCRIBE)),
    ),
    Case(Api.FIND_COORDINATOR, 1, {"key": "g", "key_type": 0}, GROUP, group(Op.DESCRIBE)),
    Case(
        Api.FIND_COORDINATOR, 4, {"coordinator_keys": ["x"], "key_type": 1}, TXN, txn(Op.DESCRIBE)
    ),
    Case(
        Api.JOIN_GROUP,
        4,
        {
            "group_id": "g",
            "session_timeout": 10_000,
            "rebalance_timeout": 10_000,
            "member_id": "",
            "protocol_type": "consumer",
            "protocols": [{"name": "range", "metadata": b""}],
        },
        GROUP,
        group(Op.READ),
    ),
    Case(Api.HEARTBEAT, 0, MEMBER, GROUP, group(Op.READ)),
    Case(Api.SYNC_GROUP, 0, {**MEMBER, "assignments": []}, GROUP, group(Op.READ)),
    Case(Api.LEAVE_GROUP, 0, {"group_id": "g", "member_id": "m"}, GROUP, group(Op.READ)),
    Case(Api.DESCRIBE_GROUPS, 0, {"groups": ["g"]}, GROUP, group(Op.DESCRIBE)),
    Case(
        Api.CREATE_TOPICS,
        7,
        {
            "topics": [
                {
                    "name": "new",
                    "num_partitions": 1,
                    "replication_factor": 1,
                    "assignments": [],
                    "configs": [],
                }
            ],
            "timeout": 1000,
            "validate_only": True,
        },
        TOPIC,
        topic(Op.CREATE, Op.DESCRIBE_CONFIGS),
    ),
    Case(Api.DELETE_TOPICS, 1, {"topic_names": ["t"], "timeout": 1}, TOPIC, topic(Op.DELETE)),
    Case(
        Api.DELETE_RECORDS,
        0,
        {
            "topics": [{"name": "t", "partitions": [{**PART, "offset": 0}]}],
            "timeout": 1000,
        },
        TOPIC,
        topic(Op.DELETE),
    ),
    Case(
        Api.INIT_PRODUCER_ID,
        0,
        {"transactional_id": None, "transaction_timeout": 1000},
        CLUSTER,
        cluster(Op.IDEMPOTENT_WRITE),
    ),
    Case(
        Api.INIT_PRODUCER_ID,
        0,
        {"transactional_id": "x", "transaction_timeout": 1000},
        TXN,
        txn(Op.WRITE),
    ),
    Case(
        Api.PRODUCE,
        8,
        {
            "transactional_id": "x",
            "acks": 1,
            "timeout": 1000,
            "topic_data": [{"name": "t", "partition_data": [{"index": 0, "records": BATCH}]}],
        },
        TXN,
        (*txn(Op.WRITE), *topic(Op.WRITE)),
    ),
    Case(
        Api.ADD_PARTITIONS_TO_TXN,
        0,
        {
            "v3_and_below_transactional_id": "x",
            "v3_and_below_producer_id": 1,
            "v3_and_below_producer_epoch": 0,
            "v3_and_below_topics": [{"name": "t", "partitions": [0]}],
        },
        TXN,
        (*txn(Op.WRITE), *topic(Op.WRITE)),
    ),
    Case(
        Api.ADD_OFFSETS_TO_TXN,
        0,
        {**PRODUCER, "group_id": "g"},
        TXN,
        (*txn(Op.WRITE), *group(Op.READ)),
    ),
    Case(Api.END_TXN, 0, {**PRODUCER, "committed": True}, TXN, txn(Op.WRITE)),
    Case(
        Api.WRITE_TXN_MARKERS,
        1,
        {
            "markers": [
                {
                    "producer_id": 1,
                    "producer_epoch": 0,
                    "transaction_result": False,
                    "coordinator_epoch": 0,
                    "topics": [{"name": "t", "partition_indexes": [0]}],
                }
            ]
        },
        CLUSTER,
        cluster(Op.CLUSTER_ACTION),
    ),
    Case(
        Api.TXN_OFFSET_COMMIT,
        0,
        {
            **PRODUCER,
            "group_id": "g",
            "topics": [
                {
                    "name": "t",
                    "partitions": [{**PART, "committed_offset": 1, "committed_metadata": None}],
                }
            ],
        },
        TXN,
        (*txn(Op.WRITE), *group(Op.READ), *topic(Op.READ)),
    ),
    Case(
        Api.DESCRIBE_PRODUCERS,
        0,
        {"topics": [{"name": "t", "partition_indexes": [0]}]},
        TOPIC,
        topic(Op.READ),
    ),
    Case(Api.DESCRIBE_TRANSACTIONS, 0, {"transactional_ids": ["x"]}, TXN, txn(Op.DESCRIBE)),
    Case(
        Api.OFFSET_FOR_LEADER_EPOCH,
        2,
        {
            "topics": [
                {
                    "topic": "t",
                    "partitions": [{"partition": 0, "current_leader_epoch": -1, "leader_epoch": 0}],
                }
            ]
        },
        TOPIC,
        topic(Op.DESCRIBE),
    ),
    Case(Api.DESCRIBE_ACLS, 1, ANY_ACL, CLUSTER, cluster(Op.DESCRIBE)),
    Case(
        Api.CREATE_ACLS,
        1,
        {
            "creations": [
                {
                    "resource_type": 2,
                    "resource_name": "made",
                    "resource_pattern_type": 3,
                    "principal": "User:made",
                    "host": "*",
                    "operation": 3,
                    "permission_type": 3,
                }
            ]
        },
        CLUSTER,
        cluster(Op.ALTER),
    ),
    Case(
        Api.DELETE_ACLS,
        1,
        {"filters": [{**ANY_ACL, "principal_filter": "User:nobody"}]},
        CLUSTER,
        cluster(Op.ALTER),
    ),
    Case(
        Api.DESCRIBE_CONFIGS,
        1,
        {
            "resources": [{**TOPIC_CONFIG, "configuration_keys": None}],
            "include_synonyms": False,
        },
        TOPIC,
        topic(Op.DESCRIBE_CONFIGS),
    ),
    Case(
        Api.DESCRIBE_CONFIGS,
        1,
        {
            "resources": [{**BROKER_CONFIG, "configuration_keys": None}],
            "include_synonyms": False,
        },
        CLUSTER,
        cluster(Op.DESCRIBE_CONFIGS),
    ),
    *(
        Case(api, 0, {"resources": [resource], "validate_only": True}, *wants)
        for api in (Api.ALTER_CONFIGS, Api.INCREMENTAL_ALTER_CONFIGS)
        for resource, wants in (
            (TOPIC_CONFIG, (TOPIC, topic(Op.ALTER_CONFIGS))),
            (BROKER_CONFIG, (CLUSTER, cluster(Op.ALTER_CONFIGS))),
        )
    ),
    Case(Api.DESCRIBE_LOG_DIRS, 3, {"topics": None}, CLUSTER, cluster(Op.DESCRIBE)),
    Case(
        Api.CREATE_PARTITIONS,
        0,
        {
            "topics": [{"name": "t", "count": 2, "assignments": None}],
            "timeout": 1000,
            "validate_only": True,
        },
        TOPIC,
        topic(Op.ALTER),
    ),
    Case(Api.DELETE_GROUPS, 0, {"groups_names": ["g"]}, GROUP, group(Op.DELETE)),
    Case(
        Api.ELECT_LEADERS,
        1,
        {"election_type": 0, "topic_partitions": None, "timeout": 1000},
        CLUSTER,
        cluster(Op.ALTER),
    ),
    Case(
        Api.ALTER_PARTITION_REASSIGNMENTS,
        0,
        {"timeout": 1000, "topics": []},
        CLUSTER,
        cluster(Op.ALTER),
    ),
    Case(
        Api.LIST_PARTITION_REASSIGNMENTS,
        0,
        {"timeout": 1000, "topics": None},
        CLUSTER,
        cluster(Op.DESCRIBE),
    ),
    Case(
        Api.OFFSET_DELETE,
        0,
        {"group_id": "g", "topics": [{"name": "t", "partitions": [PART]}]},
        GROUP,
        (*group(Op.DELETE), *topic(Op.READ)),
    ),
    Case(
        Api.DESCRIBE_CLIENT_QUOTAS,
        0,
        {"components": [], "strict": False},
        CLUSTER,
        cluster(Op.DESCRIBE_CONFIGS),
    ),
    Case(
        Api.ALTER_CLIENT_QUOTAS,
        0,
        {
            "entries": [
                {
                    "entity": [{"entity_type": "user", "entity_name": "a"}],
                    "ops": [{"key": "producer_byte_rate", "value": 1.0, "remove": False}],
                }
            ],
            "validate_only": True,
        },
        CLUSTER,
        cluster(Op.ALTER_CONFIGS),
    ),
    Case(Api.DESCRIBE_USER_SCRAM_CREDENTIALS, 0, {"users": None}, CLUSTER, cluster(Op.DESCRIBE)),
    Case(
        Api.ALTER_USER_SCRAM_CREDENTIALS,
        0,
        {"deletions": [{"name": "nobody", "mechanism": 1}], "upsertions": []},
        CLUSTER,
        cluster(Op.ALTER),
    ),
    Case(
        Api.CONSUMER_GROUP_HEARTBEAT,
        0,
        {
            "group_id": "g",
            "member_id": "",
            "member_epoch": 0,
            "instance_id": None,
            "rack_id": None,
            "rebalance_timeout": 10_000,
            "subscribed_topic_names": ["t"],
            "server_assignor": None,
            "topic_partitions": [],
        },
        GROUP,
        (*group(Op.READ), *topic(Op.DESCRIBE)),
    ),
    Case(
        Api.CONSUMER_GROUP_DESCRIBE,
        0,
        {"group_ids": ["g"], "include_authorized_operations": False},
        GROUP,
        group(Op.DESCRIBE),
    ),
    Case(
        Api.DESCRIBE_TOPIC_PARTITIONS,
        0,
        {"topics": [{"name": "t"}], "response_partition_limit": 10, "cursor": None},
        TOPIC,
        topic(Op.DESCRIBE),
    ),
]
