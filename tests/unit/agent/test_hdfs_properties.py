"""The HDFS sink's properties: which are refused and how, Hadoop's configuration, libraries that are missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logflume.errors import InvalidConfig, MissingExtra

from .test_hdfs_sink import PLAIN, sink_of


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"hdfs.path": "/no/scheme"}, r"hdfs\.path.*core-site"),
        ({"hdfs.path": "ftp://h/x"}, r"hdfs\.path.*not served"),
        ({"hdfs.codeC": "lzo"}, r"hdfs\.codeC.*lzo"),
        ({"hdfs.codeC": "gzip"}, r"hdfs\.codeC.*CompressedStream"),
        ({"hdfs.fileType": "CompressedStream"}, r"hdfs\.codeC"),
        ({"hdfs.proxyUser": "bob"}, r"hdfs\.proxyUser.*HADOOP_PROXY_USER"),
        ({"hdfs.kerberosPrincipal": "bob"}, r"hdfs\.kerberosKeytab"),
        ({"hdfs.timeZone": "Nowhere"}, r"hdfs\.timeZone"),
        ({"hdfs.round": "true", "hdfs.roundUnit": "hour", "hdfs.roundValue": "25"}, "roundValue"),
        ({"serializer": "nothing"}, "serializer"),
        ({"serializer.appendNewlines": "x"}, "appendNewline"),
    ],
)
def test_wrong_properties_are_named(
    given: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    monkeypatch.delenv("HADOOP_HOME", raising=False)
    with pytest.raises(InvalidConfig, match=named):
        sink_of(PLAIN | {"hdfs.path": "file:///tmp/x"} | given)


@contextmanager
def core_site(where: Path, default: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (where / "core-site.xml").write_text(
        "<configuration><property><name>fs.defaultFS</name>"
        f"<value>{default}</value></property></configuration>"
    )
    monkeypatch.setenv("HADOOP_CONF_DIR", str(where))
    yield


def test_a_path_without_a_scheme_is_in_the_default_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from logflume.agent.buckets.hadoop import with_file_system

    with core_site(tmp_path, "hdfs://nn:8020", monkeypatch):
        assert with_file_system("/flume/%Y-%m") == "hdfs://nn:8020/flume/%Y-%m"
        assert with_file_system("hdfs:///flume") == "hdfs://nn:8020/flume"
        assert with_file_system("hdfs:/flume") == "hdfs://nn:8020/flume"
        assert with_file_system("s3a://bucket/%{x}") == "s3a://bucket/%{x}"
        assert with_file_system("file:///x") == "file:///x"
        with pytest.raises(InvalidConfig, match="must begin with /"):
            with_file_system("flume/events")
        with pytest.raises(InvalidConfig, match="names no host"):
            with_file_system("s3a:///x")
    with core_site(tmp_path, "s3a://bucket/below/", monkeypatch):
        assert with_file_system("/x") == "s3a://bucket/below/x"
    with core_site(tmp_path, "file:///", monkeypatch):
        assert with_file_system("/x") == "file:///x"


def test_a_damaged_core_site_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "core-site.xml").write_text("<configuration>")
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    with pytest.raises(InvalidConfig, match="core-site"):
        sink_of(PLAIN | {"hdfs.path": "/x"})


@pytest.mark.parametrize(
    ("path", "module", "extra"),
    [("hdfs://nn:8020/x", "hdfs_native", "hdfs"), ("s3a://bucket/x", "obstore.store", "store")],
)
def test_a_library_that_is_missing_is_named_at_the_start(
    path: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"\[{extra}\]"):
        sink_of(PLAIN | {"hdfs.path": path}).open()
