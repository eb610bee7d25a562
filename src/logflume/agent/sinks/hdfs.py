"""Events into files of HDFS, of this machine or of an object store; each of them once, also after a crash."""

from __future__ import annotations

from logflume.agent.buckets.calls import Calls
from logflume.agent.buckets.codecs import CODECS_BY_NAME
from logflume.agent.buckets.config import HdfsConfig
from logflume.agent.buckets.encoder import CompressedStream, DataStream
from logflume.agent.buckets.escapes import Escapes, Rounding
from logflume.agent.buckets.files import Files
from logflume.agent.buckets.hadoop import with_file_system
from logflume.agent.buckets.sequence_file import SequenceFile
from logflume.agent.buckets.stores import FileSystems
from logflume.agent.components import Sink
from logflume.agent.options import parse_component
from logflume.agent.registry import find, sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.buckets.encoder import Encoder
    from logflume.agent.events import EventBatch

__all__ = ["HdfsSink"]

_TAKE_MAX = 10_000
_FILES_OF_A_TAKE = 100
_SETTLE_S = 0.5


@sink("hdfs", "org.apache.flume.sink.hdfs.HDFSEventSink")
class HdfsSink(Sink):
    """Files by buckets: the path's escapes say which bucket an event belongs to.

    From a file channel each event is in the files of final names once. The channel keeps, with its position, every file
    that is being written, and how much of it is settled; what a crash left behind that is cut off, and a file whose
    events are settled gets its final name. An object store gets a file when it is full, as one object.
    """

    Config = HdfsConfig
    settle_interval_s = _SETTLE_S

    def setup(self) -> None:
        config = self.config
        rounding = Rounding(config.round_value, config.round_unit) if config.round else None
        self._escapes = Escapes(
            [("hdfs.path", with_file_system(config.path)), ("hdfs.filePrefix", config.file_prefix)],
            config.time_zone,
            rounding,
            local_time=config.use_local_time_stamp,
        )
        self._codec = None if config.codec is None else CODECS_BY_NAME[config.codec]
        self._kind = find("serializer", config.serializer, "serializer")
        self._serializer_config = parse_component(self._kind.Config, config.serializer_options)
        login = {
            "kerberos_principal": config.kerberos_principal,
            "kerberos_keytab": config.kerberos_keytab,
        }
        systems = FileSystems(
            config.spool_dir, **{name: value for name, value in login.items() if value is not None}
        )
        self._store = systems.of(with_file_system(config.path))
        self._calls = Calls(f"the files of {self.name}", config.threads, config.call_timeout / 1000)
        self._files = Files(
            config,
            systems,
            self._calls,
            self.counters,
            self._encoder,
            "" if self._codec is None else self._codec.extension,
            lambda: self.remember(),  # noqa: PLW0108  # set later than this
        )

    def _encoder(self) -> Encoder:
        if self.config.file_type == "SequenceFile":
            return SequenceFile(self.config.write_format.lower(), self._codec)
        serializer = self._kind(self._serializer_config)
        if self._codec is None:
            return DataStream(serializer)
        return CompressedStream(serializer, self._codec)

    @property
    def take_max(self) -> int:
        most = _TAKE_MAX
        if self.config.roll_count:
            most = min(most, _FILES_OF_A_TAKE * self.config.roll_count)
        return max(self.batch_size, most)

    @property
    def is_pressed(self) -> bool:
        return self._files.is_pressed

    def open(self) -> None:
        self._store.check()

    def restore(self, note: str | None) -> None:
        self._files.restore(note)

    def write(self, batch: EventBatch) -> None:
        try:
            self._files.write(list(self._escapes.split(batch)))
        except BaseException:
            # Another sink of the group may deliver this batch: what of it is in files must not be settled.
            self._files.restore(self._files.note())
            raise

    def settle(self) -> None:
        self._files.settle()

    def note(self) -> str:
        return self._files.note()

    def settled(self) -> None:
        self._files.settled()

    def idle(self) -> None:
        self._files.settled()

    def close(self) -> None:
        self._files.close()
        self._calls.close()
