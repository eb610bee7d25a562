"""TxnOffsetCommit: v0-5. Where a group will stand when a transaction is committed.

v2: leader epochs. v3: flexible; who the member is, so that one that lost its partitions is refused. v4: error 120
(TRANSACTION_ABORTABLE). v5: transactions of version 2: AddOffsetsToTxn need not come before.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import LOCK_TIMEOUT_S, GroupService
from logflume.broker.handlers.offset_commit import commit_entry, commit_error
from logflume.broker.refusals import TopicForbidden, TransactionalIdForbidden
from logflume.broker.security.acl import Operation, Resource
from logflume.broker.transactions import TransactionService, error_of_write
from logflume.coordinator.group_context import CommitRequest
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.coordinator.transactional_commits import append_commits
from logflume.coordinator.transactions.client_errors import TransactionError, TransactionRefused
from logflume.coordinator.transactions.clients import TransactionalClient
from logflume.errors import LockTimeout, LogflumeError
from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["txn_offset_commit"]

NOT_ENOUGH_REPLICAS = 19


@handles(ApiKey.TXN_OFFSET_COMMIT, versions="0-5")
async def txn_offset_commit(call: Call, request: Any) -> Answer:
    """Append a group's offsets as part of a transaction."""
    limit = call.broker.config.offset_metadata_max_bytes
    good: dict[TopicPartition, OffsetAndMetadata] = {}
    errors: dict[TopicPartition, int] = {}
    forbidden = _forbidden(call, request)
    for topic in request.topics:
        entry = call.broker.topics.find(topic.name)
        for partition in topic.partitions:
            where = TopicPartition(topic.name, partition.partition_index)
            count = 0 if entry is None else entry.partitions
            errors[where] = forbidden or commit_error(partition, count, limit)
            if not forbidden and not call.may_topic(Operation.READ, topic.name):
                errors[where] = TopicForbidden.code
            if not errors[where]:
                good[where] = commit_entry(partition)
    refused = await _commit(call, request, good) if good else 0
    return {
        "topics": [
            {
                "name": topic.name,
                "partitions": [
                    {
                        "partition_index": partition.partition_index,
                        "error_code": errors[TopicPartition(topic.name, partition.partition_index)]
                        or refused,
                    }
                    for partition in topic.partitions
                ],
            }
            for topic in request.topics
        ]
    }


def _forbidden(call: Call, request: Any) -> int:
    """Kafka's error code where the client may not do this at all."""
    if not call.may(Operation.WRITE, Resource.TRANSACTIONAL_ID, request.transactional_id):
        return TransactionalIdForbidden.code
    if not call.may(Operation.READ, Resource.GROUP, request.group_id):
        return GroupError.GROUP_AUTHORIZATION_FAILED
    return 0


async def _commit(
    call: Call, request: Any, offsets: dict[TopicPartition, OffsetAndMetadata]
) -> int:
    """Kafka's error code, 0 when it is done."""
    groups = call.broker.service(GroupService)
    transactions = call.broker.service(TransactionService)
    who = TransactionalClient(request.transactional_id, request.producer_id, request.producer_epoch)
    asked = CommitRequest(
        group=request.group_id,
        member_id=getattr(request, "member_id", ""),
        epoch=getattr(request, "generation_id", -1),
        instance_id=getattr(request, "group_instance_id", None),
        transactional=True,
    )
    try:
        place = await groups.place_of(asked.group)
        if not transactions.takes(who, place):
            await (transactions.join if call.version >= 5 else transactions.check)(who, [place])
        async with transactions.turn(who.transactional_id):
            partition = await call.in_thread(call.directory.partition, *place)
            # What the partition knows of producers may have to be looked for in its log.
            await call.in_thread(partition.producers)
            if not transactions.takes(who, place):  # it was ended meanwhile
                raise TransactionRefused(TransactionError.INVALID_TXN_STATE)
            # Nothing is awaited between the look at the group and its new offsets: `ask` finds it loaded.
            keys, values = await groups.ask(asked.group, groups.encode_commit, asked, offsets)
            append_commits(
                partition,
                keys,
                values,
                producer_id=who.producer_id,
                epoch=who.epoch,
                now_ms=call.broker.clock.ms(),
                lock_timeout_s=LOCK_TIMEOUT_S,
            )
    except LockTimeout:
        return TransactionError.COORDINATOR_NOT_AVAILABLE
    except GroupRefused as refused:
        return refused.error
    except TransactionRefused as refused:
        code = error_of_write(refused, knows_abortable=call.version >= 4, raises=call.version >= 5)
        # A group's coordinator is asked again for what a partition would be.
        return TransactionError.COORDINATOR_NOT_AVAILABLE if code == NOT_ENOUGH_REPLICAS else code
    except LogflumeError as error:
        call.broker.report(error, group=asked.group)
        return error.code
    return 0
