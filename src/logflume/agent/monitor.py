"""Counters over HTTP: Flume's JSON at `/metrics`, Prometheus' text at `/prometheus`; `/healthz`; events at `/tap`."""

from __future__ import annotations

import json

from logflume.agent.counters import Counters
from logflume.observe.exposition import CONTENT_TYPE, Family, exposition
from logflume.observe.monitor import Monitor, Page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from logflume.agent.taps import Taps

__all__ = ["monitor_agent", "prometheus"]


def prometheus(counters: list[Counters]) -> str:
    """All counts in Prometheus' text format, `logflume_agent_<name>{component=...}`."""
    named: dict[str, Family] = {}
    for one in counters:
        labels = {"kind": one.kind.lower(), "component": one.name}
        for flume, value in one.values().items():
            name = f"logflume_agent_{_snake(flume)}"
            counts = name.endswith("_count") and "connection" not in name
            kind = "counter" if counts else "gauge"
            family = Family(name.removesuffix("_count") if counts else name, kind, f"{flume}.", [])
            named.setdefault(name, family).samples.append((labels, value))
    return exposition(named[name] for name in sorted(named)).decode()


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def monitor_agent(
    read: Callable[[], list[Counters]],
    port: int,
    host: str = "127.0.0.1",
    *,
    taps: Taps | None = None,
) -> Monitor:
    """Answer on a port, from threads of their own, until it is closed. On loopback unless another address is given."""
    pages = {
        "/metrics": lambda: Page(json.dumps(Counters.json(read())).encode(), "application/json"),
        "/prometheus": lambda: Page(prometheus(read()).encode(), CONTENT_TYPE),
        "/healthz": lambda: Page(b"ok\n"),
    }
    if taps is not None:
        pages["/tap"] = lambda: Page(json.dumps(taps.newest()).encode(), "application/json")
    return Monitor(pages, port, host)
