"""Options, declared once: parser, documentation and lint in one.

What lives here: the tables of options for topics, producers, consumers, the directory,
groups, the broker and its process (one file each), the kinds of values they have, how values from several places come
together (`sources.py`), the rules for names of topics and groups.
Enters: Kafka's option names (or keyword names, with underscores for dots) and values as
Python objects or as Kafka's strings. Leaves: read-only typed config objects, or an
InvalidConfig that names the option and the nearest right one.
It does not know: what an option does. The one file it reads is a TOML file that it is told to read.
"""

from logflume.config.broker import BrokerConfig
from logflume.config.consumer import ConsumerConfig
from logflume.config.describe import describe
from logflume.config.directory import DirectoryConfig
from logflume.config.group import GroupConfig
from logflume.config.kinds import by_duration_ms
from logflume.config.names import check_group, check_partitions, check_topic, collides
from logflume.config.option import Config, Option, option
from logflume.config.parser import parse, update
from logflume.config.producer import ProducerConfig
from logflume.config.queue import QueueConfig
from logflume.config.serve import ServeConfig
from logflume.config.topic import TopicConfig

TABLES: tuple[type[Config], ...] = (
    TopicConfig,
    ProducerConfig,
    ConsumerConfig,
    QueueConfig,
    DirectoryConfig,
    BrokerConfig,
    ServeConfig,
    GroupConfig,
)

__all__ = [
    "TABLES",
    "BrokerConfig",
    "Config",
    "ConsumerConfig",
    "DirectoryConfig",
    "GroupConfig",
    "Option",
    "ProducerConfig",
    "QueueConfig",
    "ServeConfig",
    "TopicConfig",
    "by_duration_ms",
    "check_group",
    "check_partitions",
    "check_topic",
    "collides",
    "describe",
    "option",
    "parse",
    "update",
]
