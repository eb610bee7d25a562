"""Sources: where events come from.

One file a source, with what several share beside it (`lines`, `listening`, `line_server`, `datagrams`). Lines,
datagrams and requests enter; batches leave through `deliver`, with the source's position behind them where it has one.
"""

from logflume.agent.sources.avro import AvroSource
from logflume.agent.sources.exec import ExecSource
from logflume.agent.sources.http import HttpSource
from logflume.agent.sources.kafka import KafkaSource
from logflume.agent.sources.netcat import NetcatSource, NetcatUdpSource
from logflume.agent.sources.scheduled import ScheduledSource
from logflume.agent.sources.seq import SequenceSource
from logflume.agent.sources.spooldir import SpoolDirSource
from logflume.agent.sources.stress import StressSource
from logflume.agent.sources.syslog import MultiportSyslogSource, SyslogTcpSource, SyslogUdpSource
from logflume.agent.sources.taildir import TailDirSource
from logflume.agent.sources.thrift import ThriftSource
from logflume.agent.sources.topic import TopicSource

__all__ = [
    "ScheduledSource",
    "ThriftSource",
    "TopicSource",
    "KafkaSource",
    "AvroSource",
    "ExecSource",
    "HttpSource",
    "MultiportSyslogSource",
    "NetcatSource",
    "NetcatUdpSource",
    "SequenceSource",
    "SpoolDirSource",
    "StressSource",
    "SyslogTcpSource",
    "SyslogUdpSource",
    "TailDirSource",
]
