"""meta.properties and partition.metadata: Kafka's form, Java's escapes, damage."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.errors import CorruptRecord, StorageError, UnsupportedFormat
from logflume.log.properties import (
    MetaProperties,
    read_meta,
    read_topic_id,
    write_meta,
    write_topic_id,
)

# As Kafka 4.3.1 wrote them.
KAFKA_META = b"""#
#Mon Nov 23 03:56:55 UTC 2026
node.id=1
directory.id=1ylfAHNVy_lZHIV2yZz5Kw
version=1
cluster.id=8DFx28OMT2qCvG8_FZSDDw
"""
KAFKA_TOPIC_ID = b"version: 0\ntopic_id: ZvWky-ZiRqu_TIR84o2LlA"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_kafkas_meta_is_read(path: Path) -> None:
    path.write_bytes(KAFKA_META)
    expected = MetaProperties("8DFx28OMT2qCvG8_FZSDDw", 1, "1ylfAHNVy_lZHIV2yZz5Kw", 1)
    assert read_meta(str(path)) == expected


def test_meta_of_a_zookeeper_kafka_is_read(path: Path) -> None:
    path.write_bytes(b"broker.id=3\nversion=0\ncluster.id=abc\n")
    assert read_meta(str(path)) == MetaProperties("abc", 3, None, 0)


def test_meta_with_everything_that_java_reads(path: Path) -> None:
    text = "! note\n\n  cluster.id : a\\=b\\u00e9\\\n    c  \nnode.id 7\nversion:1\ndirectory.id=\\ud83d\\ude00\\t.\n"
    path.write_text(text)
    assert read_meta(str(path)) == MetaProperties("a=béc  ", 7, "😀\t.", 1)


@given(st.text(min_size=1), st.text(), st.integers(0, (1 << 31) - 1))
def test_meta_comes_back(
    tmp_path_factory: pytest.TempPathFactory, cluster, directory, node
) -> None:
    path = tmp_path_factory.getbasetemp() / "meta"
    try:
        (cluster + directory).encode()
    except UnicodeEncodeError:
        return  # a lone surrogate is no text
    meta = MetaProperties(cluster, node, directory)
    write_meta(str(path), meta)
    assert path.read_bytes().isascii()
    assert read_meta(str(path)) == meta


def test_missing_files_are_none(path: Path) -> None:
    assert read_meta(str(path)) is None
    assert read_topic_id(str(path)) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"node.id=1\ncluster.id=a\n",
        b"version=x\nnode.id=1\ncluster.id=a\n",
        b"version=1\nbroker.id=1\ncluster.id=a\n",
        b"version=1\nnode.id=-1\ncluster.id=a\n",
        b"version=1\nnode.id=1\n",
        b"version=1\nnode.id=1\ncluster.id=\n",
        b"\xff\xfe",
    ],
)
def test_incomplete_meta_is_damage(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CorruptRecord) as caught:
        read_meta(str(path))
    assert caught.value.path == str(path)


def test_newer_versions_are_unsupported(path: Path) -> None:
    path.write_bytes(b"version=2\nnode.id=1\ncluster.id=a\n")
    with pytest.raises(UnsupportedFormat, match="version 2 of meta"):
        read_meta(str(path))
    path.write_bytes(b"version: 1\ntopic_id: ZvWky-ZiRqu_TIR84o2LlA")
    with pytest.raises(UnsupportedFormat, match="version 1 of partition"):
        read_topic_id(str(path))


def test_only_the_current_version_is_written(path: Path) -> None:
    with pytest.raises(ValueError, match="version 1"):
        write_meta(str(path), MetaProperties("a", 1, None, 0))


def test_kafkas_topic_id_is_read_and_written_the_same(path: Path) -> None:
    path.write_bytes(KAFKA_TOPIC_ID)
    assert read_topic_id(str(path)) == "ZvWky-ZiRqu_TIR84o2LlA"
    write_topic_id(str(path), "ZvWky-ZiRqu_TIR84o2LlA")
    assert path.read_bytes() == KAFKA_TOPIC_ID


def test_the_metadata_topics_id_is_read_but_never_given_to_another(path: Path) -> None:
    path.write_bytes(b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n")
    assert read_topic_id(str(path)) == "AAAAAAAAAAAAAAAAAAAAAQ"
    with pytest.raises(ValueError, match="no topic id"):
        write_topic_id(str(path), "AAAAAAAAAAAAAAAAAAAAAQ")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version: 0",
        b"topic_id: ZvWky-ZiRqu_TIR84o2LlA",
        b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
        b"version: 0\ntopic_id: short",
        b"version: 0\ntopic_id: ../../../../etc/passwd",
        b"version 0\ntopic_id: ZvWky-ZiRqu_TIR84o2LlA",
    ],
)
def test_damaged_topic_ids(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CorruptRecord):
        read_topic_id(str(path))


@given(st.binary(max_size=100))
def test_any_bytes_give_values_or_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, content
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(b"version=1\nnode.id=1\ncluster.id=" + content)
    for read in (read_meta, read_topic_id):
        try:
            read(str(path))
        except StorageError as error:
            assert error.path == str(path)  # noqa: PT017 - the other outcome is fine too
