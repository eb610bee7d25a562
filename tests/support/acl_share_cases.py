"""What the APIs of share groups, and of listing settings, ask for under ACLs."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey as Api
from support.acl_cases import CLUSTER, GROUP, Case, Op, cluster, group, topic

__all__ = ["SHARE_CASES"]

SHARE_CASES = [
    Case(
        Api.LIST_CONFIG_RESOURCES,
        1,
        {"resource_types": []},
        CLUSTER,
        cluster(Op.DESCRIBE_CONFIGS),
    ),
    Case(
        Api.SHARE_GROUP_HEARTBEAT,
        1,
        {
            "group_id": "g",
            "member_id": "m",
            "member_epoch": 0,
            "rack_id": None,
            "subscribed_topic_names": ["t"],
        },
        GROUP,
        (*group(Op.READ), *topic(Op.DESCRIBE)),
    ),
    Case(
        Api.SHARE_GROUP_DESCRIBE,
        1,
        {"group_ids": ["g"], "include_authorized_operations": False},
        GROUP,
        group(Op.DESCRIBE),
    ),
    # Topics are named by id, which is told to nobody beforehand: test_acls has them.
    Case(
        Api.SHARE_FETCH,
        2,
        {
            "group_id": "g",
            "member_id": "m",
            "share_session_epoch": 0,
            "max_wait": 0,
            "min_bytes": 1,
            "max_bytes": 1000,
            "max_records": 1,
            "batch_size": 1,
            "topics": [],
            "forgotten_topics_data": [],
        },
        GROUP,
        group(Op.READ),
    ),
    Case(
        Api.SHARE_ACKNOWLEDGE,
        2,
        {"group_id": "g", "member_id": "m", "share_session_epoch": 1, "topics": []},
        GROUP,
        group(Op.READ),
    ),
    Case(
        Api.DESCRIBE_SHARE_GROUP_OFFSETS,
        1,
        {"groups": [{"group_id": "g", "topics": [{"topic_name": "t", "partitions": [0]}]}]},
        GROUP,
        (*group(Op.DESCRIBE), *topic(Op.DESCRIBE)),
    ),
    # Without a group topics are not looked at, as in Kafka.
    Case(Api.ALTER_SHARE_GROUP_OFFSETS, 0, {"group_id": "g", "topics": []}, GROUP, group(Op.READ)),
    Case(
        Api.DELETE_SHARE_GROUP_OFFSETS, 0, {"group_id": "g", "topics": []}, GROUP, group(Op.DELETE)
    ),
]
