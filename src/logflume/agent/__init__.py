"""Flume's flow on our log: events from sources, through channels, to sinks.

What lives here: the event batch, the components and their interfaces (a folder for each kind),
Flume's configuration files, the threads that move events, and what is seen of them.
Enters: a `.properties` (or TOML) file and the name of an agent in it. Leaves: events in files,
logs and other systems; counters.
It does not know: the broker, command lines, how a log keeps its records (it uses `logflume.open`).

    sources -> interceptors -> selector -> channels -> processor -> sinks

Everything works on batches of events in columns (`events.py`); a transaction is a batch put into a
channel, or a batch taken out of one. Each source has a thread, each sink or sink group another.
"""

from logflume.agent.agent import Agent
from logflume.agent.components import Context, Interceptor, Sink, Source
from logflume.agent.events import EventBatch
from logflume.agent.plan import Plan, Problem
from logflume.agent.reading import load
from logflume.agent.registry import (
    channel,
    interceptor,
    processor,
    selector,
    serializer,
    sink,
    source,
)

__all__ = [
    "Agent",
    "Context",
    "EventBatch",
    "Interceptor",
    "Plan",
    "Problem",
    "Sink",
    "Source",
    "channel",
    "interceptor",
    "load",
    "processor",
    "selector",
    "serializer",
    "sink",
    "source",
]
