"""`agent run|validate|graph`: Flume's flow."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from logflume.cli.context import Shared
from logflume.cli.failures import Failed, Usage
from logflume.cli.output import Table
from logflume.cli.settings import parse_pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from logflume.agent.agent import Agent
    from logflume.agent.plan import Plan
    from logflume.agent.watching import ConfigWatch

__all__ = [
    "Conf",
    "Name",
    "System",
    "graph",
    "run",
    "validate",
]

Conf = Annotated[
    list[str],
    Parameter(
        name=["--conf", "--conf-file", "-f"],
        help="The configuration file; repeatable, later ones win.",
    ),
]
Name = Annotated[str, Parameter(name=["--name", "-n"], help="The agent in it.")]
System = Annotated[
    list[str] | None,
    Parameter(name=["--system", "-D"], help="name=value for ${sys:name}; repeatable."),
]


_LOOK_S = 0.2


def _plan(conf: list[str], name: str, system: list[str] | None) -> Plan:
    from logflume.agent.reading import load

    return load(conf, name, system=dict(parse_pairs(system, "--system")))


def validate(*, conf: Conf, name: Name, system: System = None, context: Shared) -> int:
    """Check a configuration: every property that is wrong, unknown or without effect is named.

    Exit code 1 when the agent would not start.
    """
    from logflume.agent.checking import problems_of

    plan = _plan(conf, name, system)
    plan = plan._replace(problems=problems_of(plan))
    document = {
        "agent": name,
        "valid": not plan.errors,
        "problems": [problem._asdict() for problem in plan.problems],
        "sources": sorted(plan.sources),
        "channels": sorted(plan.channels),
        "sinks": sorted(plan.sinks),
    }
    table = Table("", "PROPERTY", "PROBLEM")
    for problem in plan.problems:
        table.add(problem.severity, problem.property, problem.message)
    said = f"{name}: {len(plan.sources)} sources, {len(plan.channels)} channels, {len(plan.sinks)} sinks"
    verdict = "would not start" if plan.errors else "is valid"
    context.output.answer(document, *([table] if plan.problems else []), f"{said}; {verdict}")
    return 1 if plan.errors else 0


def graph(
    *,
    conf: Conf,
    name: Name,
    system: System = None,
    format: Annotated[Literal["text", "svg"], Parameter(help="What to draw.")] = "text",
    context: Shared,
) -> None:
    """Draw an agent: what its events pass on their way."""
    from logflume.agent.graph import as_svg, as_text, edges

    plan = _plan(conf, name, system)
    rows = [{"from": start, "to": end, "label": label} for start, end, label in edges(plan)]
    shown = as_svg(plan).rstrip("\n") if format == "svg" else as_text(plan)
    context.output.answer({"agent": name, "edges": rows}, shown)


def run(
    *,
    conf: Conf,
    name: Name,
    system: System = None,
    metrics: Annotated[
        str | None,
        Parameter(help="[HOST:]PORT for counters: /metrics (Flume's JSON), /prometheus, /healthz."),
    ] = None,
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Parameter(help="What is written to standard error."),
    ] = "INFO",
    until_end: Annotated[
        bool, Parameter(help="Stop when every source has come to its end (seq, exec, ...).")
    ] = False,
    reload: Annotated[
        bool, Parameter(help="Load the configuration again when its files change, without a gap.")
    ] = True,
    context: Shared,
) -> int:
    """Run an agent until it is told to stop (SIGTERM, Ctrl-C).

    Sources stop first; events in memory channels are delivered before the agent ends.
    """
    import logging
    import signal
    import threading

    from logflume.agent.agent import Agent
    from logflume.agent.watching import ConfigWatch

    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    plan = _plan(conf, name, system)
    for problem in plan.problems:
        logging.getLogger("logflume.agent").warning("%s", problem)
    if plan.errors:
        raise Failed(
            f"{len(plan.errors)} errors in the configuration; logflume agent validate shows them"
        )
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    watch = ConfigWatch(conf) if reload else None
    with Agent(plan) as agent:
        _work(agent, metrics, told, watch, lambda: _plan(conf, name, system), until_end=until_end)
    return 0


def _reload(agent: Agent, load: Callable[[], Plan]) -> None:
    """The changed configuration, if it can be; else the agent goes on as it is."""
    import logging

    from logflume.errors import LogflumeError

    log = logging.getLogger("logflume.agent")
    try:
        plan = load()
        for problem in plan.problems:
            log.warning("%s", problem)
        if plan.errors:
            log.error("the changed configuration has %d errors: not loaded", len(plan.errors))
            return
        agent.reload(plan)
    except (Failed, LogflumeError, OSError) as error:
        log.error("the changed configuration is not loaded: %s", error)


def _work(
    agent: Agent,
    metrics: str | None,
    told: threading.Event,
    watch: ConfigWatch | None,
    load: Callable[[], Plan],
    *,
    until_end: bool,
) -> None:
    from logflume.agent.monitor import monitor_agent

    monitor = None
    if metrics is not None:
        host, _, port = metrics.rpartition(":")
        if not port.isdecimal():
            raise Usage(f"--metrics {metrics}: a port, or an address and a port, is needed")
        monitor = monitor_agent(agent.counters, int(port), host or "127.0.0.1", taps=agent.taps)
    try:
        while not told.wait(_LOOK_S):
            if until_end and agent.wait(0):
                break
            if watch is not None and watch.changed():
                _reload(agent, load)
    finally:
        if monitor is not None:
            monitor.close()
