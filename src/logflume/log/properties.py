"""The two files that give a directory and its topics their identity, in Kafka's form.

`meta.properties` (a Java properties file) holds the cluster's, the node's and the
directory's id; `partition.metadata` in each partition's directory the topic's id.
"""

from __future__ import annotations

from logflume.errors import UnsupportedFormat
from logflume.log.ids import CLUSTER_METADATA_ID, is_id
from logflume.log.small_file import write_atomic
from logflume.log.text_file import corrupt_line, read_lines, whole_number
from logflume.types import NamedTuple

__all__ = [
    "MetaProperties",
    "read_meta",
    "read_topic_id",
    "write_meta",
    "write_topic_id",
]

META_VERSION = 1
TOPIC_ID_VERSION = 0
_INT_MAX = (1 << 31) - 1


class MetaProperties(NamedTuple):
    """Who a directory belongs to. Version 0, of Kafka with ZooKeeper, has no directory id."""

    cluster_id: str
    node_id: int
    directory_id: str | None
    version: int = META_VERSION


def read_meta(path: str) -> MetaProperties | None:
    """Read a `meta.properties`; None when there is no such file.

    Raises CorruptRecord (its position is the line) or UnsupportedFormat.
    """
    lines = read_lines(path)
    if lines is None:
        return None
    values = _parse_properties(lines)
    version = whole_number(values.get("version", ""), maximum=_INT_MAX)
    if version is None:
        corrupt_line(path, len(lines) + 1, "comes too soon: there is no version")
    if version > META_VERSION:
        raise UnsupportedFormat(path=path, reason=f"version {version} of meta.properties")
    node_key = "node.id" if version else "broker.id"
    node_id = whole_number(values.get(node_key, ""), maximum=_INT_MAX)
    if node_id is None:
        corrupt_line(path, len(lines) + 1, f"comes too soon: there is no {node_key}")
    if not values.get("cluster.id"):
        corrupt_line(path, len(lines) + 1, "comes too soon: there is no cluster.id")
    return MetaProperties(values["cluster.id"], node_id, values.get("directory.id"), version)


def write_meta(path: str, meta: MetaProperties) -> None:
    """Write a `meta.properties` of version 1, whole and on disk; errors as of `write_atomic`."""
    if meta.version != META_VERSION or meta.directory_id is None:
        raise ValueError(f"only version {META_VERSION}, with a directory id, is written: {meta}")
    values = {
        "cluster.id": meta.cluster_id,
        "directory.id": meta.directory_id,
        "node.id": str(meta.node_id),
        "version": str(meta.version),
    }
    lines = (f"{key}={_escape(value)}\n" for key, value in values.items())
    write_atomic(path, "".join(lines).encode("ascii"))


def read_topic_id(path: str) -> str | None:
    """Read a `partition.metadata`; None when there is no such file.

    Raises CorruptRecord (its position is the line) or UnsupportedFormat.
    """
    lines = read_lines(path)
    if lines is None:
        return None
    values = dict(_colon_pair(path, number, line) for number, line in enumerate(lines, start=1))
    version = whole_number(values.get("version", ""), maximum=_INT_MAX)
    if version is None:
        corrupt_line(path, 1, "has no version")
    if version != TOPIC_ID_VERSION:
        raise UnsupportedFormat(path=path, reason=f"version {version} of partition.metadata")
    topic_id = values.get("topic_id", "")
    if not is_id(topic_id) and topic_id != CLUSTER_METADATA_ID:
        corrupt_line(path, 2, "has no topic id")
    return topic_id


def write_topic_id(path: str, topic_id: str, *, sync: bool = True) -> None:
    """Write a `partition.metadata`; durability and errors as of `write_atomic`."""
    if not is_id(topic_id):
        raise ValueError(f"{topic_id!r} is no topic id")
    write_atomic(path, f"version: {TOPIC_ID_VERSION}\ntopic_id: {topic_id}".encode(), sync=sync)


def _colon_pair(path: str, number: int, line: str) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    if not colon:
        corrupt_line(path, number, "is not of the form 'key: value'")
    return key.strip(), value.strip()


# Java's properties files, as far as `java.util.Properties.load` reads what `store` writes and
# people edit: comments, three separators, escapes, continued lines.

_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def _parse_properties(lines: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    waiting = ""
    for line in lines:
        text = waiting + line.lstrip(" \t\f")
        if not waiting and text[:1] in ("", "#", "!"):
            continue
        backslashes = len(text) - len(text.rstrip("\\"))
        if backslashes % 2:
            waiting = text[:-1]
            continue
        waiting = ""
        key, value = _split_property(text)
        values[_unescape(key)] = _unescape(value)
    return values


def _split_property(text: str) -> tuple[str, str]:
    """Split at the first separator that no backslash protects."""
    at = 0
    while at < len(text) and text[at] not in "=: \t\f":
        at += 2 if text[at] == "\\" else 1
    key, rest = text[:at], text[at:].lstrip(" \t\f")
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(" \t\f")
    return key, rest


def _unescape(text: str) -> str:
    parts: list[str] = []
    pieces = iter(range(len(text)))
    for at in pieces:
        if text[at] != "\\":
            parts.append(text[at])
            continue
        mark = text[at + 1 : at + 2]
        next(pieces, None)
        if mark == "u" and _is_hex(text[at + 2 : at + 6]):
            parts.append(chr(int(text[at + 2 : at + 6], 16)))
            for _ in range(4):
                next(pieces, None)
        else:
            parts.append(_ESCAPES.get(mark, mark))
    # Java writes characters beyond 16 bits as two escapes.
    return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_hex(text: str) -> bool:
    return len(text) == 4 and all(c in "0123456789abcdefABCDEF" for c in text)


def _escape(text: str) -> str:
    """A value as `java.util.Properties.store` would write it, in ASCII."""
    parts = []
    for index, character in enumerate(text):
        if character in "\\=:#!" or (character == " " and index == 0):
            parts.append("\\" + character)
        elif " " <= character <= "~":
            parts.append(character)
        else:
            units = character.encode("utf-16-be", "surrogatepass")
            parts += [f"\\u{units[i]:02X}{units[i + 1]:02X}" for i in range(0, len(units), 2)]
    return "".join(parts)
