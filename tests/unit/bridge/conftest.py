"""Archives in every kind of store that needs no network: memory, files, S3's API."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from support import s3

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with s3.server() as endpoint:
        yield endpoint


@pytest.fixture(params=["memory", "file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address with nothing at it."""
    number = next(_numbers)
    if request.param == "memory":
        return f"memory://archive-{number}"
    if request.param == "file":
        return f"file://{tmp_path}/archive"
    endpoint = request.getfixturevalue("s3_endpoint")
    for name, value in s3.environment(endpoint).items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return f"s3://bucket/{os.getpid()}/{number}"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path / "source") as log:
        yield log


@pytest.fixture
def target(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path / "target") as log:
        yield log
