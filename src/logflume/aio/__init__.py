"""The client for asyncio: the same names as logflume's, awaited.

::

    async with logflume.aio.open("data") as log:
        async with log.producer() as producer:
            await producer.send("clicks", b"value", key=b"user-1")
        async with log.consumer("clicks", group="billing") as consumer:
            async for record in consumer:
                ...

What lives here: thin companions of the synchronous objects, which do the work. Calls that may wait for the disk
run in a few threads shared by the process; waiting for records takes one thread for all consumers; what is quick
runs in the loop. It does not know files or formats.
"""

from logflume.aio.consumer import Consumer
from logflume.aio.log import Log, open_log
from logflume.aio.partition import Partition
from logflume.aio.producer import Producer
from logflume.aio.queue import Queue
from logflume.aio.topic import Topic
from logflume.aio.transaction import Transaction

open = open_log  # noqa: A001 - the name of the synchronous one

__all__ = [
    "Consumer",
    "Log",
    "Partition",
    "Producer",
    "Queue",
    "Topic",
    "Transaction",
    "open",
    "open_log",
]
