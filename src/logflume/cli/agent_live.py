"""`agent top|tap`: a running agent, as its --metrics port tells of it."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated

from cyclopts import Parameter

from logflume.cli.context import Shared
from logflume.cli.failures import Failed
from logflume.cli.output import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rich.table import Table as RichTable

__all__ = ["Address", "tap", "top"]

_COUNTED = {
    "SOURCE": "EventAcceptedCount",
    "CHANNEL": "EventTakeSuccessCount",
    "SINK": "EventDrainSuccessCount",
}
_ERRORS = (
    "EventReadFail",
    "ChannelWriteFail",
    "GenericProcessingFail",
    "EventWriteFail",
    "ChannelReadFail",
    "ConnectionFailedCount",
)
_POLL_S = 0.2
_MARK = {"SOURCE": "source", "CHANNEL": "channel", "SINK": "sink"}

Address = Annotated[
    str, Parameter(name=["--metrics"], help="[HOST:]PORT that the agent was started with.")
]


def _ask(address: str, page: str) -> Any:
    from http.client import HTTPConnection, HTTPException

    host, _, port = address.rpartition(":")
    try:
        connection = HTTPConnection(host or "127.0.0.1", int(port), timeout=10)
        try:
            connection.request("GET", page)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Failed(
                f"{address} answers {answer.status} to {page}: is it an agent's --metrics?"
            )
        return json.loads(body)
    except (OSError, HTTPException, ValueError) as error:
        raise Failed(f"no agent answers on {address}: {error}") from None


def _rows(
    now: Mapping[str, Mapping[str, str]], before: Mapping[str, Mapping[str, str]], seconds: float
) -> list[dict[str, Any]]:
    """One row a component: events in all and a second, fill of channels, errors."""
    rows = []
    for full, values in now.items():
        kind, _, name = full.partition(".")
        counted = _COUNTED[kind]
        count = int(values[counted])
        then = int(before.get(full, {}).get(counted, count))
        rows.append(
            {
                "kind": _MARK[kind],
                "name": name,
                "events": count,
                "per_second": max(count - then, 0) / seconds if seconds else 0.0,
                "waiting": int(float(values["ChannelSize"])) if kind == "CHANNEL" else None,
                "fill_percent": float(values["ChannelFillPercentage"])
                if kind == "CHANNEL"
                else None,
                "errors": sum(int(values.get(error, 0)) for error in _ERRORS),
                "running": values["StopTime"] == "0",
            }
        )
    return rows


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    waiting = "" if row["waiting"] is None else f"{row['waiting']:,}"
    fill = "" if row["fill_percent"] is None else f"{row['fill_percent']:.1f} %"
    return (
        row["kind"],
        row["name"],
        f"{row['per_second']:,.0f}",
        f"{row['events']:,}",
        waiting,
        fill,
        f"{row['errors']:,}",
        "runs" if row["running"] else "stopped",
    )


_TITLES = ("KIND", "NAME", ">EVENTS/S", ">EVENTS", ">WAITING", ">FILL", ">ERRORS", "STATE")


def top(
    metrics: Address,
    *,
    interval: Annotated[float, Parameter(help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, Parameter(help="Look for one interval, print, and end.")] = False,
    context: Shared,
) -> None:
    """Show a running agent: rate, events waiting, fill and errors of each component, until Ctrl-C.

    Where standard output is no terminal it looks once.
    """
    before = _ask(metrics, "/metrics")
    began = time.monotonic()
    if once or context.output.json or not sys.stdout.isatty():
        time.sleep(interval)
        rows = _rows(_ask(metrics, "/metrics"), before, time.monotonic() - began)
        table = Table(*_TITLES, rows=[_cells(row) for row in rows])
        context.output.answer({"components": rows}, table)
        return
    from rich.live import Live

    with Live(screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(interval)
            now, at = _ask(metrics, "/metrics"), time.monotonic()
            live.update(_shown(metrics, _rows(now, before, at - began)), refresh=True)
            before, began = now, at


def _shown(address: str, rows: list[dict[str, Any]]) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable

    table = RichTable(box=box.SIMPLE_HEAD, title=f"agent on {address}", title_justify="left")
    for title in _TITLES:
        table.add_column(title.lstrip(">"), justify="right" if title.startswith(">") else "left")
    for row in rows:
        style = "red" if row["errors"] else "yellow" if (row["fill_percent"] or 0) > 80 else ""
        table.add_row(*_cells(row), style=style)
    return table


def tap(
    metrics: Address,
    *,
    component: Annotated[
        str | None, Parameter(name=["--component", "-c"], help="Only of this source or sink.")
    ] = None,
    max: Annotated[int | None, Parameter(help="End after so many events.")] = None,
    context: Shared,
) -> None:
    """Show a sample of the events that pass a running agent's sources and sinks, until Ctrl-C.

    At most five events of a batch are shown, and no event waits for that.
    """
    left = max
    known = _ask(metrics, "/tap")  # from now on events are sampled
    last = known[-1]["number"] if known else 0
    while left is None or left > 0:
        time.sleep(_POLL_S)
        for event in _ask(metrics, "/tap"):
            if event["number"] <= last:
                continue
            last = event["number"]
            if component is not None and event["component"].partition(" ")[2] != component:
                continue
            print(_line(event, as_json=context.output.json), flush=True)
            if left is not None:
                left -= 1
                if not left:
                    break


def _line(event: Mapping[str, Any], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(event, ensure_ascii=False)
    headers = " ".join(f"{name}={value}" for name, value in event["headers"].items())
    # What steers a terminal is not for terminals.
    body = "".join(c if c.isprintable() or c == "\t" else "�" for c in event["body"])
    return f"{event['component']}  {headers + '  ' if headers else ''}{body}"
