"""`serve`: a broker for Kafka clients over the directory."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from logflume.cli.context import Shared
from logflume.cli.failures import Failed
from logflume.cli.settings import parse_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.broker.server import Broker
    from logflume.cli.output import Output

__all__ = ["serve"]


def serve(
    directory: Annotated[
        str | None, Parameter(help="The log directory, made when it is missing; instead of --dir.")
    ] = None,
    /,
    *,
    listen: Annotated[
        str, Parameter(help="HOST:PORT; port 0 takes any that is free.")
    ] = "127.0.0.1:9092",
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
            help="name=value: an option of the broker or the directory (docs/configuration.md); repeatable.",
        ),
    ] = None,
    context: Shared,
) -> None:
    """Serve the directory to Kafka clients until SIGTERM or Ctrl-C. Other programs may use it meanwhile."""
    from importlib.util import find_spec

    if find_spec("kio") is None:  # said now, and not when the first client comes
        raise Failed("serving Kafka clients needs more: pip install 'logflume[broker]'")
    from logflume.broker.server import Broker
    from logflume.broker.threaded import new_event_loop, split_options
    from logflume.coordinator.transactions.directory import TransactionalDirectory

    for_broker, for_directory = split_options(parse_settings(settings))
    loop = new_event_loop()
    try:
        opened = TransactionalDirectory(directory or context.directory, for_directory)
        try:
            broker = Broker(opened, listen, for_broker, insecure=insecure)
            loop.run_until_complete(_run(broker, context.output))
        finally:
            opened.close()
    finally:
        loop.close()


async def _run(broker: Broker, output: Output) -> None:
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
        "directory": path,
        "cluster_id": broker.cluster_id,
        "node_id": broker.node_id,
    }
    output.answer(document, f"serving {path} on {broker.bootstrap}")
    await asked_to_stop.wait()
    # A second signal ends it at once, as it would any program.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    await broker.stop()
