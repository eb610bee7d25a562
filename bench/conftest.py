"""Fixtures of the benchmarks: scale, contest, a directory on the disk that is measured."""

from __future__ import annotations

import compileall
import gc
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.harness import FULL, QUICK, Contest, Scale

ROOT = Path(__file__).resolve().parents[1]
TOUCHED_BYTES = 1 << 30


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("logflume benchmarks")
    group.addoption(
        "--scale", choices=["quick", "full"], default="quick", help="how much is measured"
    )
    group.addoption(
        "--bench-dir",
        default=str(ROOT / "build" / "bench"),
        help="a directory on the disk to measure",
    )
    group.addoption("--broker", action="store_true", help="the broker beside a real Kafka, too")
    group.addoption("--agent", action="store_true", help="the agent beside a real Flume, too")


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> Iterator[Scale]:
    chosen = FULL if request.config.getoption("--scale") == "full" else QUICK
    # Memory that a virtual machine never touched costs up to ten times as much on first touch.
    block = bytearray(TOUCHED_BYTES)
    del block
    # As pip does: starts are those of an installed package, whatever PYTHONDONTWRITEBYTECODE says.
    compileall.compile_dir(ROOT / "src" / "logflume", quiet=2)
    gc.freeze()  # the collections between runs need not look at what was imported
    yield chosen
    gc.unfreeze()  # extension modules complain of what is left at the end


def directory(config: pytest.Config) -> Path:
    """A new directory on the disk to measure."""
    parent = Path(config.getoption("--bench-dir"))
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="data-", dir=parent))


@pytest.fixture
def where(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty directory, deleted afterwards."""
    made = directory(request.config)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def contest(benchmark: Any, scale: Scale, where: Path) -> Contest:
    return Contest(benchmark, scale, where)


# Sizes and the like that a path is swept over: [quick, full].
SWEEPS: dict[str, tuple[list[int], list[int]]] = {
    "size": ([100, 1024], [10, 100, 1024, 8192, 65536]),
    "threads": ([1, 16], [1, 4, 16, 64]),
    "tasks": ([1, 100], [1, 10, 100, 1000]),
    "lot": ([1, 100], [1, 10, 100, 1000]),
    "together": ([10], [1, 10, 100, 1000]),
    "workers": ([2], [1, 2, 3, 4]),
    "partitions": ([1, 16], [1, 10, 100, 1000]),
    "log_mb": ([1, 64], [1, 32, 1024, 20480]),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    full = metafunc.config.getoption("--scale") == "full"
    for name, points in SWEEPS.items():
        if name in metafunc.fixturenames:
            # A large log is written once for all that looks at it.
            metafunc.parametrize(name, points[full], scope="module" if name == "log_mb" else None)
