"""Batches of idempotent and transactional producers, as a client and a coordinator would write them."""

from __future__ import annotations

import struct
import time

from logflume._native.batches import encode_batch

NOW = int(time.time() * 1000)  # producers that have been silent for a day are forgotten


def batch(
    producer: int,
    sequence: int,
    count: int = 1,
    *,
    epoch: int = 0,
    transactional: bool = False,
    timestamp: int = NOW,
    codec: str = "none",
    size: int = 0,
) -> bytes:
    """One data batch; values tell producer and sequence, with `size` bytes behind."""
    records = [
        (b"%d:%d" % (producer, sequence + i) + b"." * size, b"k%d" % producer, None, timestamp)
        for i in range(count)
    ]
    return encode_batch(
        records,
        codec=codec,
        producer_id=producer,
        producer_epoch=epoch,
        base_sequence=sequence,
        transactional=transactional,
    )


def marker(
    producer: int,
    *,
    commit: bool,
    epoch: int = 0,
    coordinator_epoch: int = 0,
    timestamp: int = NOW,
) -> bytes:
    """The control batch that ends a transaction."""
    key, value = struct.pack(">hh", 0, int(commit)), struct.pack(">hi", 0, coordinator_epoch)
    return encode_batch(
        [(value, key, None, timestamp)],
        producer_id=producer,
        producer_epoch=epoch,
        base_sequence=-1,
        transactional=True,
        control=True,
    )
