"""Numbers in Prometheus' text format, written by the library prometheus_client, imported when one asks.

A `Family` is one name with its samples. A `Histogram` is counted where it happens, without locks, by its owner's
thread; it becomes a family when somebody looks.
"""

from __future__ import annotations

from bisect import bisect_left

from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, NamedTuple

    Labels = Mapping[str, str]

__all__ = ["CONTENT_TYPE", "SECONDS", "Family", "Histogram", "exposition"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Upper bounds of a histogram's buckets."""


class Histogram:
    """How long things took. Not thread-safe."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def copy(self) -> Histogram:
        """As it is now."""
        other = Histogram()
        other.counts[:] = self.counts
        other.total = self.total
        return other


class Family(NamedTuple):
    """One metric: `kind` is counter (whose name gets `_total`), gauge or histogram."""

    name: str
    kind: str
    doc: str
    samples: list[tuple[Labels, float | Histogram]]


def exposition(families: Iterable[Family], *, process: bool = False) -> bytes:
    """The page. `process`: with memory, processor time and descriptors of this process."""
    from prometheus_client import ProcessCollector, generate_latest

    class Everything:
        def collect(self) -> Iterator[Any]:
            for family in families:
                yield _metric(family)
            if process:
                yield from ProcessCollector(registry=None).collect()

    return generate_latest(Everything())


def _metric(family: Family) -> Any:
    from prometheus_client import core

    kinds = {
        "counter": core.CounterMetricFamily,
        "gauge": core.GaugeMetricFamily,
        "histogram": core.HistogramMetricFamily,
    }
    names = list(family.samples[0][0]) if family.samples else []
    metric = kinds[family.kind](family.name, family.doc, labels=names)
    for labels, value in family.samples:
        if isinstance(value, Histogram):
            metric.add_metric(list(labels.values()), _buckets(value), value.total)
        else:
            metric.add_metric(list(labels.values()), value)
    return metric


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    total = 0
    buckets = []
    for bound, count in zip((*map(repr, SECONDS), "+Inf"), histogram.counts):
        total += count
        buckets.append((bound, float(total)))
    return buckets
