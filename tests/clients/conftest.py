"""A broker of our own for each test, on a directory of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from logflume.broker import ThreadedBroker, serve
from support.message_fields import checked_fields


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def broker(log: logflume.Log) -> Iterator[ThreadedBroker]:
    with serve(log) as running:
        yield running


@pytest.fixture(autouse=True)
def known_fields() -> Iterator[None]:
    """Answers have no fields that the protocol does not know."""
    with checked_fields():
        yield


@pytest.fixture(autouse=True)
def quiet_clients() -> None:
    """What clients log of connections that end is no news."""
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
