"""Components by the names that configurations call them: Flume's short names, its class names, Python's."""

from __future__ import annotations

import importlib

from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    C = TypeVar("C", bound=type)

__all__ = [
    "KINDS",
    "channel",
    "find",
    "interceptor",
    "names",
    "processor",
    "selector",
    "serializer",
    "sink",
    "source",
]

KINDS = ("source", "channel", "sink", "interceptor", "selector", "processor", "serializer")

_found: dict[str, dict[str, type]] = {kind: {} for kind in KINDS}
_NOT_YET = "it is not built yet"
_DROPPED = "Flume dropped it, too; use the HTTP sink, or one of your own"
NOT_SERVED: dict[str, dict[str, str]] = {
    "source": {
        "jms": "JMS has no client outside Java; bridge it into Kafka, and use a Kafka source",
        "org.apache.flume.source.twitter.TwitterSource": "the interface that it used was closed",
        "org.apache.flume.source.scribe.ScribeSource": "Scribe is no more",
        "avroLegacy": "Flume 0.9 is no more",
        "org.apache.flume.source.avroLegacy.AvroLegacySource": "Flume 0.9 is no more",
        "thriftLegacy": "Flume 0.9 is no more",
        "org.apache.flume.source.thriftLegacy.ThriftLegacySource": "Flume 0.9 is no more",
    },
    "channel": {
        "jdbc": "use a file channel: it is as durable, and faster",
        "org.apache.flume.channel.PseudoTxnMemoryChannel": "it is for tests only; use memory",
    },
    "sink": {
        "hbase2": _NOT_YET,
        "hbase": "HBase 1 is no more",
        "hive": _NOT_YET,
        "org.apache.flume.sink.solr.morphline.MorphlineSolrSink": "Morphlines are no more",
        "irc": "use a sink of your own: type = package.module:Class",
        "asynchbase": "its client is no more",
        "org.apache.flume.sink.kite.DatasetSink": "Kite is no more",
        "elasticsearch": _DROPPED,
        "org.apache.flume.sink.elasticsearch.ElasticSearchSink": _DROPPED,
    },
    "interceptor": {
        "org.apache.flume.sink.solr.morphline.MorphlineInterceptor": "Morphlines are no more",
    },
}
"""Flume's components that cannot be configured here, each with the reason."""


def _decorator(kind: str) -> Callable[..., Callable[[C], C]]:
    def named(*given: str) -> Callable[[C], C]:
        def add(cls: C) -> C:
            for name in given:
                _found[kind][name] = cls
            return cls

        return add

    named.__name__ = kind
    named.__doc__ = f"Register a {kind} under these names (Flume's alias, its Java class)."
    return named


source = _decorator("source")
channel = _decorator("channel")
sink = _decorator("sink")
interceptor = _decorator("interceptor")
selector = _decorator("selector")
processor = _decorator("processor")
serializer = _decorator("serializer")


def names(kind: str) -> dict[str, type]:
    """All names of a kind, as Flume spells them, and what they stand for."""
    importlib.import_module(f"logflume.agent.{kind}s")
    return dict(_found[kind])


def find(kind: str, name: str, property: str) -> Any:
    """The component class of this name; `property` is what gave it.

    A Java class of Flume's may be named with or without `$Builder`. `package.module:Class` is a Python class (or,
    for an interceptor, any callable) of the user's. Raises InvalidConfig, with the nearest name.
    """
    known = {known.lower(): cls for known, cls in names(kind).items()}
    word = name.strip().lower().removesuffix("$builder")
    if word in known:
        return known[word]
    if ":" in name and "/" not in name:
        return _of_user(kind, name.strip(), property)
    reason = {n.lower(): why for n, why in NOT_SERVED.get(kind, {}).items()}.get(word)
    if reason is not None:
        raise InvalidConfig(
            name=property, value=name, reason=f"this {kind} is not served: {reason}"
        )
    import difflib

    spelled = {known.lower(): known for known in names(kind)}
    near = difflib.get_close_matches(word, list(known), n=1)
    raise InvalidConfig(
        name=property,
        value=name,
        reason=f"there is no such {kind}; one of your own is named package.module:Class",
        suggestion=spelled[near[0]] if near else None,
    )


def _of_user(kind: str, name: str, property: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidConfig(
            name=property, value=name, reason=f"cannot be imported: {error}"
        ) from error
    if not callable(found):
        raise InvalidConfig(name=property, value=name, reason="is neither a class nor a function")
    return found
