"""Listeners: what they are called, what clients are told, and where none may be."""

from __future__ import annotations

import pytest

from logflume.broker.listener import Address, check_exposure, parse_listeners
from logflume.config import BrokerConfig, parse
from logflume.errors import InvalidConfig


def listeners(listen: object, **config: object) -> list[tuple[str, str, str]]:
    found = parse_listeners(listen, parse(BrokerConfig, config))  # type: ignore[arg-type]
    return [(one.name, one.protocol, str(one.told)) for one in found]


def test_an_address_alone_is_plaintext() -> None:
    assert listeners("127.0.0.1:9092") == [("PLAINTEXT", "PLAINTEXT", "127.0.0.1:9092")]


def test_several_come_in_a_list_or_with_commas() -> None:
    given = ["SASL_SSL://[::1]:9093", "localhost:9092"]
    expected = [
        ("SASL_SSL", "SASL_SSL", "[::1]:9093"),
        ("PLAINTEXT", "PLAINTEXT", "localhost:9092"),
    ]
    assert listeners(given) == listeners(",".join(given)) == expected


def test_names_are_mapped_to_protocols_and_advertised_as_told() -> None:
    found = listeners(
        ["IN://127.0.0.1:1", "OUT://0.0.0.0:2"],
        listener_security_protocol_map="IN:PLAINTEXT, OUT:SASL_SSL",
        advertised_listeners="OUT://logs.example.org:443",
    )
    assert found == [
        ("IN", "PLAINTEXT", "127.0.0.1:1"),
        ("OUT", "SASL_SSL", "logs.example.org:443"),
    ]


def test_who_listens_everywhere_tells_the_address_that_was_found() -> None:
    (one,) = parse_listeners("0.0.0.0:9092", parse(BrokerConfig, {}))
    assert one.told_to(("10.0.0.7", 9092)) == Address("10.0.0.7", 9092)
    one.advertised = Address("logs", 1)
    assert one.told_to(("10.0.0.7", 9092)) == Address("logs", 1)


@pytest.mark.parametrize(
    ("listen", "config"),
    [
        ("", {}),
        ("HTTP://127.0.0.1:1", {}),
        (["127.0.0.1:1", "127.0.0.1:2"], {}),
        ("PLAINTEXT://:9092", {}),
        ("127.0.0.1:1", {"advertised_listeners": "SSL://a:1"}),
        ("127.0.0.1:1", {"advertised_listeners": "PLAINTEXT://a"}),
        ("127.0.0.1:1", {"listener_security_protocol_map": "A:B"}),
    ],
)
def test_what_makes_no_sense_is_refused(listen: object, config: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig):
        listeners(listen, **config)


@pytest.mark.parametrize(
    ("listen", "config", "fine"),
    [
        ("PLAINTEXT://127.0.0.1:1", {}, True),
        ("PLAINTEXT://0.0.0.0:1", {}, False),
        ("SSL://0.0.0.0:1", {}, False),
        ("SSL://0.0.0.0:1", {"ssl_client_auth": "requested"}, False),
        ("SSL://0.0.0.0:1", {"ssl_client_auth": "required"}, True),
        ("SASL_SSL://0.0.0.0:1", {"sasl_enabled_mechanisms": "PLAIN"}, True),
        ("SASL_PLAINTEXT://0.0.0.0:1", {}, True),
        ("SASL_PLAINTEXT://0.0.0.0:1", {"sasl_enabled_mechanisms": "PLAIN"}, False),
        ("SASL_PLAINTEXT://localhost:1", {"sasl_enabled_mechanisms": "PLAIN"}, True),
    ],
)
def test_beyond_loopback_clients_have_to_say_who_they_are(
    listen: str, config: dict[str, object], fine: bool
) -> None:
    parsed = parse(BrokerConfig, config)
    (one,) = parse_listeners(listen, parsed)
    check_exposure(one, parsed, insecure=True)
    if fine:
        check_exposure(one, parsed, insecure=False)
    else:
        with pytest.raises(InvalidConfig, match="insecure"):
            check_exposure(one, parsed, insecure=False)
