"""Options from a file, the environment and the command line: the last one counts, and mistakes name their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from logflume.config import BrokerConfig, DirectoryConfig, ServeConfig
from logflume.config.sources import Source, Unknown, collect, from_environment, from_toml
from logflume.errors import InvalidConfig, UnknownConfig

TABLES = (ServeConfig, BrokerConfig, DirectoryConfig)


def toml(path: Path, text: str) -> Source:
    (path / "broker.toml").write_text(text, "utf-8")
    return from_toml(path / "broker.toml", TABLES)


def test_later_places_override_earlier_ones_option_by_option(tmp_path: Path) -> None:
    file = toml(tmp_path, 'listen = "127.0.0.1:1"\nnum.partitions = 2\nmax.connections = 7\n')
    variables, unknown = from_environment(
        {"LOGFLUME_LISTEN": "127.0.0.1:2", "LOGFLUME_NUM_PARTITIONS": "3"}, TABLES
    )
    flags = Source({"listen": "127.0.0.1:3"})
    assert collect(TABLES, [file, variables, flags]) == {
        "serve": {"listen": "127.0.0.1:3"},
        "broker": {"max.connections": 7},
        "directory": {"num.partitions": 3},
    }
    assert unknown == []


def test_an_empty_value_takes_an_earlier_one_back(tmp_path: Path) -> None:
    file = toml(tmp_path, "max.connections = 7")
    variables, _ = from_environment({"LOGFLUME_MAX_CONNECTIONS": ""}, TABLES)
    assert collect(TABLES, [file, variables])["broker"] == {}


@pytest.mark.parametrize(
    "text",
    ["num.partitions = 3", "num_partitions = 3", "[num]\npartitions = 3", '"num.partitions" = "3"'],
)
def test_toml_names_in_each_form(tmp_path: Path, text: str) -> None:
    assert collect(TABLES, [toml(tmp_path, text)])["directory"] == {"num.partitions": 3}


def test_values_have_units_and_lists(tmp_path: Path) -> None:
    source = toml(
        tmp_path, 'fetch.max.bytes = "1MiB"\ngroup.consumer.assignors = ["range", "uniform"]'
    )
    assert collect(TABLES, [source])["broker"] == {
        "fetch.max.bytes": 1 << 20,
        "group.consumer.assignors": ("range", "uniform"),
    }


def test_an_option_of_two_tables_is_the_first_ones() -> None:
    source = Source({"auto.create.topics.enable": "true"})
    assert collect(TABLES, [source])["broker"] == {"auto.create.topics.enable": True}


def test_a_mistake_in_the_file_names_the_file_also_when_overridden(tmp_path: Path) -> None:
    wrong = toml(tmp_path, 'max.connections = "many"')
    with pytest.raises(InvalidConfig, match=r"many.*\(in .*broker\.toml\)"):
        collect(TABLES, [wrong, Source({"max.connections": 5})])
    with pytest.raises(
        UnknownConfig, match=r"'max.conections'; did you mean 'max.connections'\?.*broker\.toml"
    ):
        collect(TABLES, [toml(tmp_path, "max.conections = 1")])
    with pytest.raises(InvalidConfig, match=r"is set for each topic.*broker\.toml"):
        collect(TABLES, [toml(tmp_path, "log.retention.ms = 1")])


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    variables, _ = from_environment({"LOGFLUME_MAX_CONNECTIONS": "many"}, TABLES)
    with pytest.raises(InvalidConfig, match=r"\(in LOGFLUME_MAX_CONNECTIONS\)"):
        collect(TABLES, [variables])


def test_a_mistake_in_an_argument_names_no_place() -> None:
    with pytest.raises(InvalidConfig) as caught:
        collect(TABLES, [Source({"max.connections": "many"})])
    assert caught.value.where is None
    assert "(in" not in str(caught.value)


def test_given_twice(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="twice"):
        toml(tmp_path, '"num.partitions" = 1\nnum_partitions = 2')
    with pytest.raises(InvalidConfig, match="twice"):
        collect(TABLES, [Source({"num.partitions": 1, "num_partitions": 2})])


def test_no_toml(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="no TOML"):
        toml(tmp_path, "listen = ")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(InvalidConfig, match="no TOML"):
        from_toml(tmp_path / "bytes.toml", TABLES)
    with pytest.raises(FileNotFoundError):
        from_toml(tmp_path / "missing.toml", TABLES)


def test_unknown_variables_are_told_with_the_nearest() -> None:
    """They are no error: Kubernetes makes such names for a service called logflume."""
    source, unknown = from_environment(
        {
            "LOGFLUME_MAX_CONECTIONS": "1",
            "LOGFLUME_PORT": "tcp://10.0.0.1:9092",
            "LOGFLUME_DEBUG": "1",
            "LOGFLUME_DIR": "d",
            "HOME": "/",
        },
        TABLES,
        but=("DIR",),
    )
    assert not source.values
    assert unknown[0] == Unknown("LOGFLUME_MAX_CONECTIONS", "LOGFLUME_MAX_CONNECTIONS")
    assert [one.variable for one in unknown] == ["LOGFLUME_MAX_CONECTIONS", "LOGFLUME_PORT"]
