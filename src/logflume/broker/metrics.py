"""`/metrics` and `/healthz`: the broker's numbers for Prometheus, and whether its event loop answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import TimeoutError as NoAnswer

from logflume._version import __version__
from logflume.broker.api_keys import ApiKey
from logflume.broker.groups import GroupService
from logflume.broker.listener import Address
from logflume.broker.share_admin import ShareAdmin
from logflume.coordinator.group_errors import GroupRefused
from logflume.errors import InvalidConfig, LogflumeError
from logflume.observe import get_logger
from logflume.observe.exposition import CONTENT_TYPE, Family, exposition
from logflume.observe.monitor import Monitor, Page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, TypeVar

    from logflume.broker.server import Broker
    from logflume.types import TopicPartition

    T = TypeVar("T")

__all__ = ["BrokerMonitor"]

_log = get_logger(__name__)
_ANSWER_S = 5.0  # after which the loop counts as stuck


class BrokerMonitor:
    """The pages of one broker, from threads of their own. Made and closed in its event loop.

    Raises InvalidConfig for an address that others can reach, unless `http.public` says so; OSError.
    """

    def __init__(self, broker: Broker, listen: str) -> None:
        address = Address.parse(listen)
        if not address.is_loopback and not broker.config.http_public:
            raise InvalidConfig(
                name="http",
                value=listen,
                reason="is not on this machine's loopback: everybody who reaches it could read the names of topics"
                " and groups; set http.public if that is meant",
            )
        self._broker = broker
        pages = {"/metrics": self._metrics, "/healthz": self._health}
        self._monitor = Monitor(pages, address.port, address.host)
        self.address = Address(address.host, self._monitor.port)
        """Where it listens."""

    async def close(self) -> None:
        """Answer no more."""
        await self._broker.loop.run_in_executor(None, self._monitor.close)

    # ---- threads

    def _ask(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        asked = asyncio.run_coroutine_threadsafe(function(), self._broker.loop)
        try:
            return asked.result(_ANSWER_S)
        except NoAnswer:
            asked.cancel()
            raise

    def _metrics(self) -> Page:
        try:
            return Page(exposition(self._ask(self._families), process=True), CONTENT_TYPE)
        except NoAnswer:
            return Page(b"the event loop does not answer\n", status=503)

    def _health(self) -> Page:
        try:
            fault = self._ask(self._fault)
        except NoAnswer:
            fault = "the event loop does not answer"
        return Page(f"{fault}\n".encode(), status=503) if fault else Page(b"ok\n")

    # ---- the event loop

    async def _fault(self) -> str:
        return "stopping" if not self._broker.is_listening else ""

    async def _families(self) -> list[Family]:
        broker = self._broker
        families = [
            Family("logflume_broker", "gauge", "Always 1.", [({"version": __version__}, 1)]),
            *self._requests(),
            *self._partitions(),
        ]
        groups = broker.service(GroupService)
        try:
            families += await self._groups(groups)
        except (GroupRefused, LogflumeError) as error:
            _log.warning("groups_not_measured", error=error)
        return families

    def _requests(self) -> list[Family]:
        broker, meters = self._broker, self._broker.meters
        seconds = [
            ({"api": ApiKey(key).name}, histogram.copy())
            for key, histogram in sorted(meters.seconds.items())
        ]
        closed = [({"reason": reason}, count) for reason, count in sorted(meters.closed.items())]
        return [
            Family(
                "logflume_broker_request_seconds",
                "histogram",
                "From a request's beginning to the writing of its answer; a long poll's waiting counts.",
                [*seconds],
            ),
            _counter("received_bytes", "Bytes of requests.", meters.bytes_in),
            _counter("sent_bytes", "Bytes of answers.", meters.bytes_out),
            _counter("accepted_connections", "Connections that came.", meters.accepted),
            Family(
                "logflume_broker_closed_connections",
                "counter",
                "Connections that the broker closed, by the event in its log.",
                [*closed],
            ),
            _gauge("connections", "Open connections.", broker.connections),
            _gauge("request_memory_bytes", "Held by requests.", broker.frame_memory.held),
            _gauge(
                "late_appends",
                "Requests that wait for a partition that another process holds.",
                broker.late_appends.waiting,
            ),
        ]

    def _partitions(self) -> list[Family]:
        ends, starts = [], []
        for partition in self._broker.partitions.logs():
            labels = {"topic": partition.topic, "partition": str(partition.partition)}
            ends.append((labels, partition.end_offset))
            starts.append((labels, partition.start_offset))
        topics = [entry for entry in self._broker.topics.entries().values() if not entry.deleting]
        count = sum(entry.partitions for entry in topics)
        return [
            _gauge("topics", "Topics, internal ones too.", len(topics)),
            _gauge("partitions", "Their partitions.", count),
            Family(
                "logflume_partition_end_offset",
                "gauge",
                "End of a partition that is in use; its rate is that of records.",
                [*ends],
            ),
            Family(
                "logflume_partition_start_offset",
                "gauge",
                "First offset of a partition that is in use.",
                [*starts],
            ),
        ]

    async def _groups(self, groups: GroupService) -> list[Family]:
        shares = self._broker.service(ShareAdmin)
        shared = await shares.with_state()
        listed = await groups.all_groups(shared)
        states = Counter((group.kind, group.state) for group in listed)
        committed = await groups.all_offsets()
        found: dict[tuple[str, TopicPartition], int] = {}
        for (group, where), offset in committed.items():
            end = await self._end_offset(where)
            if end is not None:
                found[group, where] = max(end - offset, 0)
        for group in shared:
            for where, info in (await shares.stands(group)).items():
                found[group, where] = info.lag
        lags = [
            ({"group": group, "topic": where.topic, "partition": str(where.partition)}, lag)
            for (group, where), lag in sorted(found.items())
        ]
        return [
            Family(
                "logflume_groups",
                "gauge",
                "Consumer groups, embedded ones too.",
                [({"kind": k, "state": s}, count) for (k, s), count in sorted(states.items())],
            ),
            Family(
                "logflume_group_lag",
                "gauge",
                "Records between a group's committed offset and the end of the partition;"
                " of a share group those that are not done.",
                [*lags],
            ),
        ]

    async def _end_offset(self, where: TopicPartition) -> int | None:
        partitions = self._broker.partitions
        try:
            served = partitions.ready(*where) or await partitions.open(*where)
        except LogflumeError:
            return None  # deleted since
        return served.log.end_offset


def _counter(name: str, doc: str, value: float) -> Family:
    return Family(f"logflume_broker_{name}", "counter", doc, [({}, value)])


def _gauge(name: str, doc: str, value: float) -> Family:
    return Family(f"logflume_broker_{name}", "gauge", doc, [({}, value)])
