"""`serve`: a broker for Kafka clients over the directory."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

from logflume.cli.context import Shared
from logflume.cli.settings import parse_settings
from logflume.cli.systemd import tell
from logflume.config import BrokerConfig, DirectoryConfig, ServeConfig, parse
from logflume.config.sources import Source, collect, from_environment, from_toml
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.broker.server import Broker
    from logflume.cli.output import Output
    from logflume.config.sources import Unknown

__all__ = ["serve"]

_log = get_logger(__name__)
_TABLES = (ServeConfig, BrokerConfig, DirectoryConfig)


def serve(
    directory: Annotated[
        str | None, Parameter(help="The log directory, made when it is missing; instead of --dir.")
    ] = None,
    /,
    *,
    listen: Annotated[
        list[str] | None,
        Parameter(
            help="HOST:PORT, by default 127.0.0.1:9092, or PROTOCOL://HOST:PORT with PLAINTEXT, SSL, SASL_PLAINTEXT"
            " or SASL_SSL; port 0 takes any that is free; repeatable."
        ),
    ] = None,
    http: Annotated[
        str | None,
        Parameter(help="HOST:PORT of /metrics (for Prometheus) and /healthz; by default none."),
    ] = None,
    insecure: Annotated[
        bool,
        Parameter(
            show_default=False,
            help="Listen where other machines can connect, though nobody has to say who he is.",
        ),
    ] = False,
    settings: Annotated[
        list[str] | None,
        Parameter(
            name="--config",
            help="A TOML file of options, or name=value for one option (docs/configuration.md); repeatable."
            " Options are also taken from the environment, as LOGFLUME_NAME.",
        ),
    ] = None,
    context: Shared,
) -> None:
    """Serve the directory to Kafka clients until SIGTERM or Ctrl-C. Other programs may use it meanwhile."""
    import asyncio

    flags = {
        "listen": ",".join(listen) if listen else None,
        "http": http,
        "insecure": insecure or None,
    }
    values, unknown = _options(settings, {n: v for n, v in flags.items() if v is not None})
    options = parse(ServeConfig, values["serve"])

    from logflume.broker.descriptors import raise_limit
    from logflume.broker.server import Broker
    from logflume.broker.threaded import new_event_loop
    from logflume.coordinator.transactions.directory import TransactionalDirectory
    from logflume.observe.lines import log_to

    log_to(format=options.logging_format, level=options.logging_level)
    raise_limit()
    for one in unknown:
        _log.warning("unknown_variable", variable=one.variable, nearest=one.suggestion or "none")
    where = directory or context.chosen or options.dir or context.directory
    opened = TransactionalDirectory(where, values["directory"])
    try:
        broker = Broker(opened, options.listen, values["broker"], insecure=options.insecure)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_run(broker, context.output, options.shutdown_grace_ms / 1000))
    finally:
        opened.close()


def _options(
    settings: list[str] | None, flags: dict[str, object]
) -> tuple[dict[str, dict[str, object]], list[Unknown]]:
    """Options by table, from all places: files, the environment, --config name=value, flags."""
    files = [text for text in settings or () if "=" not in text]
    pairs = [text for text in settings or () if "=" in text]
    variables, unknown = from_environment(os.environ, _TABLES, but=("DIR",))
    places = [from_toml(path, _TABLES) for path in files]
    places += [variables, Source(parse_settings(pairs)), Source(flags)]
    return collect(_TABLES, places), unknown


async def _run(broker: Broker, output: Output, grace_s: float) -> None:
    import asyncio
    import signal

    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    await broker.start()
    path = broker.directory.path
    document = {
        "bootstrap": broker.bootstrap,
        "listeners": {one.name: str(one.told) for one in broker.listeners},
        "directory": path,
        **({"http": str(broker.monitor.address)} if broker.monitor is not None else {}),
        "cluster_id": broker.cluster_id,
        "node_id": broker.node_id,
    }
    shown = broker.bootstrap
    if len(broker.listeners) > 1 or broker.listeners[0].protocol != "PLAINTEXT":
        shown = ", ".join(f"{one.name}://{one.told}" for one in broker.listeners)
    output.answer(document, f"serving {path} on {shown}")
    tell("READY=1")
    await asked_to_stop.wait()
    tell("STOPPING=1")
    # A second signal ends it at once, as it would any program.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    await broker.stop(grace_s)
