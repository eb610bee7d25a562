"""Settings as Kafka's protocol shows them: each with its source, type, synonyms and documentation."""

from __future__ import annotations

from logflume.config import describe
from logflume.config.kinds import INT_MAX, Bool, Choices, Float, Int, Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from logflume.broker.server import Broker
    from logflume.config.option import Config, Option
    from logflume.config.topic import TopicConfig

__all__ = ["broker_config", "group_config", "topic_config"]

SOURCE_TOPIC, SOURCE_STATIC_BROKER, SOURCE_DEFAULT, SOURCE_GROUP = 1, 4, 5, 8
TYPE_BOOLEAN, TYPE_STRING, TYPE_INT, TYPE_LONG, TYPE_DOUBLE, TYPE_LIST = 1, 2, 3, 5, 6, 7
TYPE_PASSWORD = 9

_docs: dict[str, dict[str, str]] = {}


def topic_config(config: TopicConfig, names: Collection[str] | None = None) -> list[dict[str, Any]]:
    """A topic's settings, sorted; only those in `names` unless it is None."""
    return _entries(config, names, given=SOURCE_TOPIC, read_only=False)


def broker_config(broker: Broker, names: Collection[str] | None = None) -> list[dict[str, Any]]:
    """A broker's settings and its directory's; they are fixed when it starts."""
    identity = {
        "node.id": str(broker.node_id),
        "log.dirs": broker.directory.path,
        "listeners": ",".join(f"{one.name}://{one.address}" for one in broker.listeners),
        "advertised.listeners": ",".join(f"{one.name}://{one.told}" for one in broker.listeners),
    }
    entries = [
        {
            "name": name,
            "value": value,
            "read_only": True,
            "config_source": SOURCE_STATIC_BROKER,
            "is_sensitive": False,
            "synonyms": [{"name": name, "value": value, "source": SOURCE_STATIC_BROKER}],
            "config_type": TYPE_STRING,
            "documentation": None,
        }
        for name, value in identity.items()
        if names is None or name in names
    ]
    shown = {entry["name"] for entry in entries}
    for config in (broker.config, broker.directory.config):
        for entry in _entries(config, names, given=SOURCE_STATIC_BROKER, read_only=True):
            if entry["name"] not in shown:  # the broker's own comes first
                shown.add(entry["name"])
                entries.append(entry)
    return sorted(entries, key=lambda entry: str(entry["name"]))


def group_config(
    broker: Broker, group: str, names: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """A group's settings, with the broker's where it has none of its own."""
    from logflume.broker.groups import GroupService

    config = broker.service(GroupService).configs.of(group)
    entries = _entries(config, names, given=SOURCE_GROUP, read_only=False)
    for entry in entries:
        common = f"group.{entry['name']}"
        if common in broker.config.options:
            value = broker.config.options[common].kind.format(broker.config.get(common))
            entry["synonyms"].append({"name": common, "value": value, "source": SOURCE_DEFAULT})
            entry["value"] = entry["value"] or value
    return entries


def _entries(
    config: Config, names: Collection[str] | None, *, given: int, read_only: bool
) -> list[dict[str, Any]]:
    explicit = config.strings()
    docs = _documentation(type(config))
    return [
        _entry(item, explicit.get(name), given=given, read_only=read_only, doc=docs[name])
        for name, item in sorted(config.options.items())
        if names is None or name in names
    ]


def _entry(
    item: Option, value: str | None, *, given: int, read_only: bool, doc: str
) -> dict[str, Any]:
    default = None if item.default is None else item.kind.format(item.default)
    is_secret = isinstance(item.kind, Secret)
    source = SOURCE_DEFAULT if value is None else given
    if is_secret:
        value = None  # as Kafka: that there is one may be known
    synonyms = (
        [] if default is None else [{"name": item.name, "value": default, "source": SOURCE_DEFAULT}]
    )
    if value is not None:
        synonyms.insert(0, {"name": item.name, "value": value, "source": given})
    return {
        "name": item.name,
        "value": default if value is None else value,
        "read_only": read_only,
        "config_source": source,
        "is_sensitive": is_secret,
        "synonyms": synonyms,
        "config_type": _type(item),
        "documentation": doc,
    }


def _type(item: Option) -> int:
    kind = item.kind
    if isinstance(kind, Secret):
        return TYPE_PASSWORD
    if isinstance(kind, Bool):
        return TYPE_BOOLEAN
    if isinstance(kind, Int):
        return TYPE_INT if kind.max <= INT_MAX else TYPE_LONG
    if isinstance(kind, Float):
        return TYPE_DOUBLE
    return TYPE_LIST if isinstance(kind, Choices) else TYPE_STRING


def _documentation(table: type[Config]) -> dict[str, str]:
    found = _docs.get(table.table)
    if found is None:
        found = {row.name: " ".join(filter(None, (row.doc, row.effect))) for row in describe(table)}
        _docs[table.table] = found
    return found
