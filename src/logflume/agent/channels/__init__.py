"""Channels: where events wait between sources and sinks.

One file a channel; `channel.py` has what they promise. Batches of events enter, in transactions; batches
leave, and are gone when their taker commits.
"""

from logflume.agent.channels.channel import Channel, LogChannel, Taker
from logflume.agent.channels.file import FileChannel
from logflume.agent.channels.kafka import KafkaChannel
from logflume.agent.channels.memory import MemoryChannel
from logflume.agent.channels.spillable import SpillableMemoryChannel

__all__ = [
    "Channel",
    "FileChannel",
    "KafkaChannel",
    "LogChannel",
    "MemoryChannel",
    "SpillableMemoryChannel",
    "Taker",
]
