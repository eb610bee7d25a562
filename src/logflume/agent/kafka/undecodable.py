"""Records that should be Flume's events in Avro and are not: put aside, so that those behind them go on."""

from __future__ import annotations

from logflume._native.row_picker import pick_rows
from logflume.agent.events import EventBatch
from logflume.agent.rpc.avro_events import decode_datum
from logflume.errors import InvalidRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from logflume._native.columns import RecordBatch
    from logflume.agent.components import PutAside

__all__ = ["events_or_aside"]


def events_or_aside(
    records: RecordBatch,
    events: Callable[[RecordBatch], EventBatch],
    put_aside: PutAside | None,
) -> EventBatch:
    """What `events` makes of the records; of those that it cannot take when it raises InvalidRecord, none.

    These are given to `put_aside`, as they are, with headers that tell their place. Without it the error is raised.
    """
    try:
        return events(records)
    except InvalidRecord as error:
        if put_aside is None:
            raise InvalidRecord(reason=f"{error.reason}; deadLetter.* puts such aside") from None
    good = []
    for record in records:
        try:
            decode_datum(record.value or b"")
        except InvalidRecord as error:
            place = {
                "topic": record.topic,
                "partition": str(record.partition),
                "offset": str(record.offset),
            }
            put_aside(EventBatch([record.value or b""], place), error)
        else:
            good.append(record)
    return events(pick_rows(good)) if good else EventBatch([])
