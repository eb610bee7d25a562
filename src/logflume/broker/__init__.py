"""The Kafka protocol over a log directory, for clients that are not logflume's.

What lives here: the server (`server.py`: life, what all connections share), a connection (`connection.py`: frames in;
`pipeline.py`: served in order, answers out), the table of handlers (`dispatch.py`), protocol messages (`messages.py`,
over the library kio), and one file for each API in `handlers/`. Produce and Fetch are parsed and written natively.
Enters: bytes of strangers; a LogDirectory, which other processes may use meanwhile. Leaves: Kafka's answers.
It does not know: the embedded client (`logflume.client`); the two share `log` and `coordinator`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.broker.server import Broker as Broker
    from logflume.broker.threaded import ThreadedBroker as ThreadedBroker
    from logflume.broker.threaded import serve as serve

__all__ = ["Broker", "ThreadedBroker", "serve"]

_WHERE = {"Broker": "server", "ThreadedBroker": "threaded", "serve": "threaded"}


def __getattr__(name: str) -> object:
    """Imports what is asked for (PEP 562): asyncio only when a broker is started."""
    from importlib import import_module

    if name not in _WHERE:
        raise AttributeError(f"module 'logflume.broker' has no attribute {name!r}")
    value: object = getattr(import_module(f"logflume.broker.{_WHERE[name]}"), name)
    globals()[name] = value
    return value
