"""One way to open a directory for writing is right, and another says so."""

from __future__ import annotations

from pathlib import Path

import pytest

import logflume
from logflume import errors
from logflume.coordinator.transactions.directory import TransactionalDirectory
from logflume.log.directory import LogDirectory


def test_a_bare_log_directory_does_not_write_where_transactions_may_have_to_be_put_right(
    tmp_path: Path,
) -> None:
    with logflume.open(tmp_path) as log:
        log.create_topic("t")
    LogDirectory(str(tmp_path)).close()
    with (
        logflume.open(tmp_path) as log,
        log.producer(transactional_id="x") as producer,
        producer.transaction(),
    ):
        producer.send("t", b"v")
    with pytest.raises(errors.StorageError, match="TransactionalDirectory"):
        LogDirectory(str(tmp_path))
    # It let go of everything, and reading needs nothing to be put right.
    LogDirectory(str(tmp_path), read_only=True).close()
    TransactionalDirectory(str(tmp_path)).close()
