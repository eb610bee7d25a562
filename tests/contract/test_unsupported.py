"""Addresses that cannot be; what a cluster does not have is in test_complete."""

from __future__ import annotations

import pytest

import logflume
from logflume import errors


def test_addresses_that_cannot_be():
    for address, kind in (
        ("nats://host", errors.UnsupportedByEngine),
        ("kafka://", errors.InvalidConfig),
        ("kafka://host:port", errors.InvalidConfig),
        ("kafka://user:s3cret@host", errors.InvalidConfig),
        ("kafka://host?securty.protocol=ssl", errors.UnknownConfig),
        ("kafka://host?security.protocol=none", errors.InvalidConfig),
        ("kafka://host?linger.ms=5", errors.InvalidConfig),
        ("kafka://host?s3cret", errors.InvalidConfig),
        ("kafka://host?default.api.timeout.ms=soon", errors.InvalidConfig),
        ("kafka://host?sasl.password=${env:NO_SUCH_VARIABLE}", errors.InvalidConfig),
        ("kafka://host?sasl.password=${file:/no/such/file}", errors.InvalidConfig),
        ("kafka://host?sasl.password=${vault:s3cret}", errors.InvalidConfig),
    ):
        with pytest.raises(kind) as caught:
            logflume.open(address)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(errors.UnsupportedByEngine):
        logflume.open("kafka://host", read_only=True)
