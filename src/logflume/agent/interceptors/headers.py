"""Interceptors that set or remove headers: timestamp, host, static, remove header, UUID."""

from __future__ import annotations

import re
import socket
import time
import uuid

from logflume.agent.components import Interceptor
from logflume.agent.java_regex import Regex
from logflume.agent.options import AnyText, ComponentConfig, setting
from logflume.agent.registry import interceptor
from logflume.config.kinds import Bool, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch

__all__ = [
    "Host",
    "HostConfig",
    "RemoveHeader",
    "RemoveHeaderConfig",
    "Static",
    "StaticConfig",
    "Timestamp",
    "TimestampConfig",
    "Uuid",
    "UuidConfig",
]


class TimestampConfig(ComponentConfig, table="timestamp interceptor"):
    """Flume guide, "Timestamp Interceptor"."""

    header_name: str = setting(
        "headerName", "timestamp", Text(), doc="The header to set.", also=("header",)
    )
    preserve_existing: bool = setting(
        "preserveExisting", False, Bool(), doc="Leave the header alone where an event has it."
    )


@interceptor("timestamp", "org.apache.flume.interceptor.TimestampInterceptor")
class Timestamp(Interceptor):
    """The time at which a batch passed, in ms since 1970."""

    Config = TimestampConfig

    def intercept(self, batch: EventBatch) -> EventBatch:
        now = str(time.time_ns() // 1_000_000)
        return batch.with_header(self.config.header_name, now, keep=self.config.preserve_existing)


class HostConfig(ComponentConfig, table="host interceptor"):
    """Flume guide, "Host Interceptor"."""

    preserve_existing: bool = setting(
        "preserveExisting", False, Bool(), doc="Leave the header alone where an event has it."
    )
    use_ip: bool = setting("useIP", True, Bool(), doc="The address, instead of the name.")
    host_header: str = setting("hostHeader", "host", Text(), doc="The header to set.")


@interceptor("host", "org.apache.flume.interceptor.HostInterceptor")
class Host(Interceptor):
    """This machine's name or address, as found at the start."""

    Config = HostConfig

    def setup(self) -> None:
        name = socket.gethostname()
        try:
            self._value = socket.gethostbyname(name) if self.config.use_ip else socket.getfqdn(name)
        except OSError as error:
            # As Flume has it: without a name there is no header.
            self.log.warning("host_unknown", interceptor=self.name, error=error)
            self._value = ""

    def intercept(self, batch: EventBatch) -> EventBatch:
        if not self._value:
            return batch
        return batch.with_header(
            self.config.host_header, self._value, keep=self.config.preserve_existing
        )


class StaticConfig(ComponentConfig, table="static interceptor"):
    """Flume guide, "Static Interceptor"."""

    key: str = setting("key", "key", Text(), doc="The header to set.")
    value: str = setting("value", "value", AnyText(), doc="Its value.")
    preserve_existing: bool = setting(
        "preserveExisting", True, Bool(), doc="Leave the header alone where an event has it."
    )


@interceptor("static", "org.apache.flume.interceptor.StaticInterceptor")
class Static(Interceptor):
    """The same header for every event."""

    Config = StaticConfig

    def intercept(self, batch: EventBatch) -> EventBatch:
        return batch.with_header(
            self.config.key, self.config.value, keep=self.config.preserve_existing
        )


class RemoveHeaderConfig(ComponentConfig, table="remove header interceptor"):
    """Flume guide, "Remove Header Interceptor"."""

    with_name: str | None = setting("withName", None, Text(), doc="A header to remove.")
    from_list: str | None = setting("fromList", None, Text(), doc="Headers to remove.")
    from_list_separator: str = setting(
        "fromListSeparator",
        r"\s*,\s*",
        Regex(),
        doc="What stands between them (a regular expression).",
    )
    matching: re.Pattern[str] | None = setting(
        "matching", None, Regex(), doc="Remove headers whose whole name this expression matches."
    )


@interceptor("remove_header", "org.apache.flume.interceptor.RemoveHeaderInterceptor")
class RemoveHeader(Interceptor):
    """Removes headers by name, from a list, or by a regular expression."""

    Config = RemoveHeaderConfig

    def setup(self) -> None:
        self._names = {self.config.with_name} if self.config.with_name else set()
        if self.config.from_list:
            separator = self.config.from_list_separator
            self._names.update(re.split(separator, self.config.from_list.strip()))

    def intercept(self, batch: EventBatch) -> EventBatch:
        matching = self.config.matching
        present = [*batch.common, *batch.columns]
        gone = [
            name
            for name in present
            if name in self._names or (matching is not None and matching.fullmatch(name))
        ]
        return batch.without(gone) if gone else batch


class UuidConfig(ComponentConfig, table="UUID interceptor"):
    """Flume guide, "UUID Interceptor"."""

    header_name: str = setting("headerName", "id", Text(), doc="The header to set.")
    preserve_existing: bool = setting(
        "preserveExisting", True, Bool(), doc="Leave the header alone where an event has it."
    )
    prefix: str | None = setting("prefix", None, Text(), doc="Text before each id.")


@interceptor(
    "uuid",
    "org.apache.flume.sink.solr.morphline.UUIDInterceptor",
    "org.apache.flume.interceptor.UUIDInterceptor",
)
class Uuid(Interceptor):
    """A random id for each event."""

    Config = UuidConfig

    def intercept(self, batch: EventBatch) -> EventBatch:
        prefix = self.config.prefix or ""
        ids = [f"{prefix}{uuid.uuid4()}" for _ in range(len(batch))]
        return batch.with_header(self.config.header_name, ids, keep=self.config.preserve_existing)
