"""The properties of the HDFS sink."""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo

from logflume.agent.buckets.codecs import CodecName
from logflume.agent.options import AnyText, ComponentConfig, family, needed, setting
from logflume.config.kinds import Bool, Choice, Duration, Int, Kind, Size, Text
from logflume.errors import InvalidConfig

__all__ = ["HdfsConfig"]

_DATA = "DataStream"
_COMPRESSED = "CompressedStream"
_SEQUENCE = "SequenceFile"


class _AnyCase(Choice):
    """A choice whose words may be written in any case."""

    __slots__ = ()

    def parse(self, value: object) -> str:
        spelled = {choice.lower(): choice for choice in self.choices}
        word = value.strip().lower() if isinstance(value, str) else ""
        return super().parse(spelled.get(word, value))


class _Zone(Kind):
    """A time zone: `Europe/Berlin`, `UTC`, `GMT+02:00`."""

    __slots__ = ()
    word = "time zone"

    def parse(self, value: object) -> tzinfo | None:
        if value is None or isinstance(value, tzinfo):
            return value
        from zoneinfo import ZoneInfo

        text = str(value).strip()
        if offset := re.fullmatch(r"(?:GMT|UTC)([+-])(\d{1,2}):?(\d{2})?", text):
            minutes = 60 * int(offset[2]) + int(offset[3] or 0)
            return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
        try:
            return ZoneInfo(text)
        except (ValueError, OSError, LookupError):
            raise ValueError("is no time zone that is known here") from None

    def format(self, value: object) -> str:
        return str(value)


class HdfsConfig(ComponentConfig, table="HDFS sink"):
    """Flume guide, "HDFS Sink"."""

    path: str = needed(
        "hdfs.path",
        Text(),
        doc="The directory, with escapes: `hdfs://host:port/…`, `file:///…`, `s3a://bucket/…`, `gs://…`, `abfs://…`;"
        " without a scheme it is in `fs.defaultFS` of core-site.xml in `HADOOP_CONF_DIR`.",
    )
    file_prefix: str = setting(
        "hdfs.filePrefix", "FlumeData", Text(), doc="What names begin with; may have escapes."
    )
    file_suffix: str = setting(
        "hdfs.fileSuffix", "", AnyText(), doc="What names end with; empty: the codec's extension."
    )
    in_use_prefix: str = setting(
        "hdfs.inUsePrefix", "", AnyText(), doc="What names begin with while a file is written."
    )
    in_use_suffix: str = setting(
        "hdfs.inUseSuffix", ".tmp", AnyText(), doc="What names end with while a file is written."
    )
    empty_in_use_suffix: bool = setting(
        "hdfs.emptyInUseSuffix",
        False,
        Bool(),
        doc="No suffix then, whatever hdfs.inUseSuffix says.",
    )
    roll_interval: int = setting(
        "hdfs.rollInterval", 30, Int(), doc="Seconds after which a file is closed; 0: never."
    )
    roll_size: int = setting(
        "hdfs.rollSize",
        1024,
        Size(),
        doc="Bytes of bodies after which a new file is begun; 0: never.",
    )
    roll_count: int = setting(
        "hdfs.rollCount", 10, Int(), doc="Events after which a new file is begun; 0: never."
    )
    idle_timeout: int = setting(
        "hdfs.idleTimeout", 0, Int(), doc="Seconds without events after which a file is closed."
    )
    batch_size: int = setting(
        "hdfs.batchSize",
        100,
        Int(min=1),
        doc="Events of a transaction, or more when more wait: files are synced twice a second at most.",
    )
    codec: str | None = setting(
        "hdfs.codeC",
        None,
        CodecName(),
        doc="How files are compressed; Hadoop's class or its short name.",
    )
    file_type: str = setting(
        "hdfs.fileType",
        _SEQUENCE,
        _AnyCase(_SEQUENCE, _DATA, _COMPRESSED),
        doc="`DataStream` is what the serializer makes, `CompressedStream` that through hdfs.codeC.",
    )
    write_format: str = setting(
        "hdfs.writeFormat",
        "Writable",
        _AnyCase("Writable", "Text"),
        doc="Values of a SequenceFile: BytesWritable, or Text.",
    )
    serializer: str = setting(
        "serializer", "TEXT", Text(), doc="How events are written, except in a SequenceFile."
    )
    serializer_options: dict[str, str] = family("serializer.", doc="Properties of the serializer.")
    max_open_files: int = setting(
        "hdfs.maxOpenFiles",
        5000,
        Int(min=1),
        doc="Of more the one that was not written to for longest is closed.",
    )
    round: bool = setting("hdfs.round", False, Bool(), doc="Cut times before they name a bucket.")
    round_value: int = setting(
        "hdfs.roundValue", 1, Int(min=1, max=60), doc="To a multiple of so many units."
    )
    round_unit: str = setting(
        "hdfs.roundUnit", "second", _AnyCase("second", "minute", "hour"), doc="The unit."
    )
    time_zone: tzinfo | None = setting(
        "hdfs.timeZone", None, _Zone(), doc="Zone of times in names; without it the machine's."
    )
    use_local_time_stamp: bool = setting(
        "hdfs.useLocalTimeStamp",
        False,
        Bool(),
        doc="The time of writing names the bucket, not the header `timestamp`.",
    )
    call_timeout: int = setting(
        "hdfs.callTimeout", 30_000, Duration(), doc="Time that a call may take; 0: any."
    )
    threads: int = setting(
        "hdfs.threadsPoolSize", 10, Int(min=1), doc="Calls at a time: files are synced together."
    )
    close_tries: int = setting(
        "hdfs.closeTries",
        0,
        Int(),
        doc="Tries to give a file its final name, before it keeps the other; 0: until it has it.",
    )
    retry_interval: int = setting(
        "hdfs.retryInterval", 180, Int(), doc="Seconds between two of them; 0: one try."
    )
    kerberos_principal: str | None = setting(
        "hdfs.kerberosPrincipal", None, Text(), doc="Who logs in, by Kerberos (libgssapi_krb5)."
    )
    kerberos_keytab: str | None = setting(
        "hdfs.kerberosKeytab", None, Text(), doc="The keytab of that."
    )
    proxy_user: str | None = setting(
        "hdfs.proxyUser",
        None,
        Text(),
        doc="For whom files are written.",
        refused="the client acts for one user a process: set HADOOP_PROXY_USER in the environment",
    )
    min_block_replicas: int | None = setting(
        "hdfs.minBlockReplicas",
        None,
        Int(),
        doc="Replicas below which a file is closed early.",
        no_effect="The client replaces data nodes that fail; files are not rolled for that.",
    )
    roll_timer_pool_size: int = setting(
        "hdfs.rollTimerPoolSize",
        1,
        Int(),
        doc="Threads of the timer.",
        no_effect="The sink looks at the clock itself.",
    )
    use_raw_local_file_system: bool = setting(
        "hdfs.useRawLocalFileSystem",
        False,
        Bool(),
        doc="No checksum files beside local ones.",
        no_effect="There are none.",
    )
    spool_dir: str = setting(
        "hdfs.spoolDir",
        "~/.flume/hdfs-sink",
        Text(),
        doc="Local directory of what becomes an object, until it is whole. Each agent its own.",
        origin="logflume",
    )

    def check_component(self) -> None:
        if self.file_type == _COMPRESSED and self.codec is None:
            raise InvalidConfig(
                name="hdfs.codeC",
                value=None,
                reason="must be given for hdfs.fileType CompressedStream",
            )
        if self.file_type == _DATA and self.codec is not None:
            raise InvalidConfig(
                name="hdfs.codeC",
                value=self.codec,
                reason="compresses nothing of a DataStream: hdfs.fileType = CompressedStream",
            )
        if self.round and self.round_unit == "hour" and self.round_value > 24:
            raise InvalidConfig(
                name="hdfs.roundValue", value=self.round_value, reason="must be at most 24 hours"
            )
        if (self.kerberos_principal is None) != (self.kerberos_keytab is None):
            raise InvalidConfig(
                name="hdfs.kerberosKeytab",
                value=self.kerberos_keytab,
                reason="and hdfs.kerberosPrincipal go together",
            )
