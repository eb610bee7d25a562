"""The reference of components is written from them, and tells of every component of Flume's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from logflume.agent import registry

ROOT = Path(__file__).resolve().parents[3]

# Flume 1.11's short names, and the classes without one.
FLUME = {
    "source": "avro thrift exec jms spooldir TAILDIR netcat netcatudp seq syslogtcp multiport_syslogtcp syslogudp http"
    " org.apache.flume.source.kafka.KafkaSource org.apache.flume.source.StressSource avroLegacy thriftLegacy"
    " org.apache.flume.source.twitter.TwitterSource org.apache.flume.source.scribe.ScribeSource",
    "channel": "memory file jdbc SPILLABLEMEMORY org.apache.flume.channel.kafka.KafkaChannel"
    " org.apache.flume.channel.PseudoTxnMemoryChannel",
    "sink": "null logger avro thrift file_roll hdfs hive irc hbase hbase2 asynchbase http"
    " org.apache.flume.sink.kafka.KafkaSink org.apache.flume.sink.solr.morphline.MorphlineSolrSink"
    " org.apache.flume.sink.kite.DatasetSink",
    "interceptor": "timestamp host static remove_header regex_filter regex_extractor search_replace"
    " org.apache.flume.sink.solr.morphline.UUIDInterceptor org.apache.flume.sink.solr.morphline.MorphlineInterceptor",
    "selector": "replicating multiplexing load_balancing",
    "processor": "default failover load_balance",
    "serializer": "text header_and_text avro_event",
}


def test_the_page_is_up_to_date() -> None:
    tool = [sys.executable, str(ROOT / "tools" / "gen_agent_docs.py"), "--check"]
    run = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("kind", FLUME)
def test_every_component_of_flume_is_served_or_has_its_reason(kind: str) -> None:
    known = {name.lower() for name in registry.names(kind)}
    refused = {name.lower() for name in registry.NOT_SERVED.get(kind, {})}
    assert not known & refused
    assert {name.lower() for name in FLUME[kind].split()} <= known | refused
