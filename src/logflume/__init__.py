"""An embedded commit log in Kafka's format: append records, read them by offset or time, share them by groups.

::

    import logflume

    with logflume.open("data") as log:
        log.create_topic("clicks", partitions=4)
        with log.producer() as producer:
            producer.send("clicks", b"value", key=b"user-1").result()
        with log.consumer("clicks", group="billing", auto_offset_reset="earliest") as consumer:
            for record in consumer:
                ...

Everything but the names below is imported when first used: `import logflume` costs next to nothing.
"""

from __future__ import annotations

from logflume._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume import aio as aio
    from logflume import errors as errors
    from logflume._native.columns import Record as Record
    from logflume._native.columns import RecordBatch as RecordBatch
    from logflume._native.delivery import Delivery as Delivery
    from logflume._native.partition import Partition as Partition
    from logflume._native.queue_record import QueueRecord as QueueRecord
    from logflume.broker import serve as serve
    from logflume.client.consumer import Consumer as Consumer
    from logflume.client.log import Log as Log
    from logflume.client.log import open_log as open  # noqa: A004 - logflume.open is the point
    from logflume.client.producer import Producer as Producer
    from logflume.client.queue import Queue as Queue
    from logflume.types import OffsetAndMetadata as OffsetAndMetadata
    from logflume.types import OffsetAndTimestamp as OffsetAndTimestamp
    from logflume.types import RecordMetadata as RecordMetadata
    from logflume.types import TopicPartition as TopicPartition

__all__ = [
    "Consumer",
    "Delivery",
    "Log",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "Partition",
    "Producer",
    "Queue",
    "QueueRecord",
    "Record",
    "RecordBatch",
    "RecordMetadata",
    "TopicPartition",
    "__version__",
    "aio",
    "errors",
    "open",
    "serve",
]

_WHERE = {
    "Consumer": "logflume.client.consumer",
    "Delivery": "logflume._native.delivery",
    "Log": "logflume.client.log",
    "OffsetAndMetadata": "logflume.types",
    "OffsetAndTimestamp": "logflume.types",
    "Partition": "logflume._native.partition",
    "Producer": "logflume.client.producer",
    "Queue": "logflume.client.queue",
    "QueueRecord": "logflume._native.queue_record",
    "Record": "logflume._native.columns",
    "RecordBatch": "logflume._native.columns",
    "RecordMetadata": "logflume.types",
    "TopicPartition": "logflume.types",
}


def __getattr__(name: str) -> object:
    """Imports what is asked for (PEP 562)."""
    from importlib import import_module

    if name in ("aio", "errors"):
        value: object = import_module(f"logflume.{name}")
    elif name == "open":
        value = import_module("logflume.client.log").open_log
    elif name == "serve":
        value = import_module("logflume.broker").serve
    elif name in _WHERE:
        value = getattr(import_module(_WHERE[name]), name)
    else:
        raise AttributeError(f"module 'logflume' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
