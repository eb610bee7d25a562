"""Options of `logflume serve` as a process: where it is reached and what it tells about itself."""

from __future__ import annotations

from logflume.config.kinds import INT_MAX, Bool, Choice, Duration, Text
from logflume.config.option import Config, option

__all__ = ["ServeConfig"]


class ServeConfig(Config, table="serve"):
    """A program that starts a broker in itself gives these as arguments, or does not need them."""

    dir: str = option(
        None,
        Text(),
        doc="The log directory, made when it is missing. `--dir` and the command's argument come before it.",
        origin="logflume",
    )
    listen: str = option(
        "127.0.0.1:9092",
        Text(),
        doc="Where Kafka clients connect, HOST:PORT, or PROTOCOL://HOST:PORT with PLAINTEXT, SSL, SASL_PLAINTEXT or"
        " SASL_SSL; several with commas; port 0 takes any that is free.",
        also=("listeners",),
        origin="logflume",
    )
    insecure: bool = option(
        False,
        Bool(),
        doc="Listen where other machines can connect, though nobody has to say who he is.",
        origin="logflume",
    )
    logging_format: str = option(
        "logfmt",
        Choice("logfmt", "json"),
        doc="Form of the log's lines on standard error.",
        origin="logflume",
    )
    logging_level: str = option(
        "info",
        Choice("debug", "info", "warning", "error"),
        doc="What is below it is not logged.",
        origin="logflume",
    )
    shutdown_grace_ms: int = option(
        5000,
        Duration(max=INT_MAX),
        doc="How long a stop waits for the answers that are under way.",
        origin="logflume",
    )
