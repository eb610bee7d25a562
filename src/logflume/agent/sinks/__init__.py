"""Sinks: where events go.

One file a sink. A batch enters; when `write` returns, its events are delivered. A sink that keeps a `note` of what it
wrote delivers each event once.
"""

from logflume.agent.sinks.avro import AvroSink
from logflume.agent.sinks.file_roll import FileRoll
from logflume.agent.sinks.hdfs import HdfsSink
from logflume.agent.sinks.http import HttpSink
from logflume.agent.sinks.kafka import KafkaSink
from logflume.agent.sinks.logger import LoggerSink
from logflume.agent.sinks.null import NullSink
from logflume.agent.sinks.syslog import SyslogSink
from logflume.agent.sinks.thrift import ThriftSink
from logflume.agent.sinks.topic import TopicSink

__all__ = [
    "AvroSink",
    "FileRoll",
    "HdfsSink",
    "HttpSink",
    "KafkaSink",
    "LoggerSink",
    "NullSink",
    "SyslogSink",
    "ThriftSink",
    "TopicSink",
]
