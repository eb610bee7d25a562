"""The table of handlers against kio's schemas and the handlers' own cards."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from kio.index import load_request_schema
from kio.schema.index import api_key_map, schema_name_map

from logflume.broker import handlers
from logflume.broker.api_keys import FLEXIBLE_FROM, ApiKey, is_flexible
from logflume.broker.dispatch import Handler, handles, table

HANDLERS = sorted(table().values(), key=lambda handler: handler.api_key)


def name_of(handler: Handler) -> str:
    return handler.api_key.name.lower()


@pytest.mark.parametrize("key", list(ApiKey), ids=lambda key: key.name)
def test_api_keys_are_kafkas(key: ApiKey) -> None:
    assert api_key_map[key] == key.name.lower()


@pytest.mark.parametrize("key", list(ApiKey), ids=lambda key: key.name)
def test_flexible_versions_are_kafkas(key: ApiKey) -> None:
    for version in schema_name_map[api_key_map[key]]:
        head = load_request_schema(key, version).__header_schema__
        assert is_flexible(key, version) == (head.__version__ == 2), version
    assert set(FLEXIBLE_FROM) <= set(ApiKey)


@pytest.mark.parametrize("handler", HANDLERS, ids=name_of)
def test_every_served_version_is_one_that_kafka_has(handler: Handler) -> None:
    versions = schema_name_map[api_key_map[handler.api_key]]
    assert set(range(handler.lowest, handler.highest + 1)) <= set(versions)


@pytest.mark.parametrize("handler", HANDLERS, ids=name_of)
def test_a_handlers_card_names_its_api_and_versions(handler: Handler) -> None:
    module = import_module(handler.function.__module__)
    assert module.__doc__ is not None
    name, versions = re.match(r"(\w+): v([\d-]+)\b", module.__doc__).groups()
    assert name.lower() == handler.api_key.name.replace("_", "").lower()
    first, _, last = versions.partition("-")
    assert (int(first), int(last or first)) == (handler.lowest, handler.highest)


def test_handlers_are_listed_by_api_key_one_file_each() -> None:
    modules = [handler.function.__module__.rpartition(".")[2] for handler in HANDLERS]
    assert tuple(modules) == handlers.MODULES


def test_an_api_has_one_handler() -> None:
    with pytest.raises(ValueError, match="FETCH"):
        handles(ApiKey.FETCH, versions="0")(lambda call, request: None)
