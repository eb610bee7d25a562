"""What a cluster does not have says so, and what to use instead."""

from __future__ import annotations

import sqlite3

import pytest

import logflume
from logflume import errors


@pytest.mark.peers
def test_what_needs_files_is_one_error(kafka, name):
    with logflume.open(kafka) as log:
        log.create_topic(name)
        for call in (
            lambda: log.directory,
            lambda: log.table(name),
            lambda: log[name].scan(),
            log.maintenance,
            log.compact,
            lambda: log.transaction(sqlite=sqlite3.connect(":memory:")),
            lambda: log.partition(name, 0).segments(),
        ):
            with pytest.raises(errors.UnsupportedByEngine) as caught:
                call()
            assert caught.value.instead


def test_addresses_that_cannot_be():
    for address, kind in (
        ("nats://host", errors.UnsupportedByEngine),
        ("kafka://", errors.InvalidConfig),
        ("kafka://host:port", errors.InvalidConfig),
        ("kafka://user:s3cret@host", errors.InvalidConfig),
        ("kafka://host?securty.protocol=ssl", errors.UnknownConfig),
        ("kafka://host?security.protocol=none", errors.InvalidConfig),
        ("kafka://host?linger.ms=5", errors.InvalidConfig),
    ):
        with pytest.raises(kind) as caught:
            logflume.open(address)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(errors.UnsupportedByEngine):
        logflume.open("kafka://host", read_only=True)
