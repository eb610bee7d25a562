"""Transactions over three partitions in a process that is killed at a failpoint."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from logflume import errors
from logflume._native.transactions import TransactionPage, complete, reserve
from support.children import report
from support.partitions import Handle
from support.transactional import batch

PARTITIONS = 3
ROUNDS = 24
PRODUCER = 7
SETTINGS: dict[str, Any] = {"segment_bytes": 1500, "index_interval_bytes": 300}


def commits(number: int) -> bool:
    return number % 3 > 0


def open_all(directory: Path) -> list[Handle]:
    return [Handle(directory, name=f"t-{i}", **SETTINGS) for i in range(PARTITIONS)]


def open_page(directory: Path) -> tuple[TransactionPage, int]:
    descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT)
    return TransactionPage(directory / "logflume-transactions.state", descriptor), descriptor


def run(directory: str) -> None:
    """Reports "begin <number>" before, "end <number>" after each decision; "error <where>" for what was refused."""
    where = Path(directory)
    handles = open_all(where)
    logs = [handle.log for handle in handles]
    page, _ = open_page(where)
    number = sequence = 0
    while number < ROUNDS:
        try:
            for log in logs:
                # After an error some have it: written once all the same.
                log.append_batches(batch(PRODUCER, sequence, 2, transactional=True, size=60))
            for log in logs:
                log.append(b"plain %d" % number)
            reserve(logs)
            report("begin", number)
            page.lock()
            try:
                complete(page, logs, producer_id=PRODUCER, producer_epoch=0, commit=commits(number))
            finally:
                page.unlock()
        except (errors.StorageError, errors.LogflumeError) as error:
            report("error", type(error).__name__)
            continue
        report("end", number)
        number += 1
        sequence += 2
    for handle in handles:
        try:
            handle.close()
        except errors.StorageError as error:
            report("error", type(error).__name__)
    page.close()
    report("done")
