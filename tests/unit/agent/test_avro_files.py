"""Avro's container files: written by file roll, read by spooldir."""

from __future__ import annotations

import io
import json
from pathlib import Path

import fastavro
import pytest

from logflume.agent.events import EventBatch
from logflume.agent.options import parse_component
from logflume.agent.serializers import AvroEvent
from logflume.agent.sources.spool_avro import AvroConfig, AvroFiles
from logflume.errors import CorruptRecord

from .conftest import Make
from .sinking import opened

# The branches of this union are told apart by their bytes alone.
SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "R",
        "fields": [{"name": "n", "type": ["int", "long"]}, {"name": "s", "type": "string"}],
    }
)
ROWS = [{"n": n, "s": "x" * (n % 7)} for n in range(50)]


def spooled(path: Path, codec: str = "null") -> None:
    with path.open("wb") as file:
        fastavro.writer(file, SCHEMA, ROWS, codec=codec, sync_interval=60)


def datum(row: dict[str, object]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMA, row)
    return out.getvalue()


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_spooled_files(flow: Make, tmp_path: Path, codec: str) -> None:
    spooled(tmp_path / "a.avro", codec)
    one = flow(
        "spooldir",
        spoolDir=str(tmp_path),
        deserializer="AVRO",
        deserializer__schemaType="LITERAL",
        batchSize="4",
    ).start()
    assert one.until(50) == [datum(row) for row in ROWS]
    one.stop()
    schema = json.loads(one.events[0][0]["flume.avro.schema.literal"])
    read = [fastavro.schemaless_reader(io.BytesIO(body), schema, None) for body in one.bodies]
    assert read == ROWS
    assert (tmp_path / "a.avro.COMPLETED").exists()


def test_fingerprints(tmp_path: Path) -> None:
    spooled(tmp_path / "a")
    reader = AvroFiles(parse_component(AvroConfig, {}))
    headers = reader.headers(str(tmp_path / "a"))
    assert list(headers) == ["flume.avro.schema.hash"]
    assert len(bytes.fromhex(headers["flume.avro.schema.hash"])) == 8


def test_reading_goes_on_at_any_place(tmp_path: Path) -> None:
    path = str(tmp_path / "a")
    spooled(tmp_path / "a")
    reader = AvroFiles(parse_component(AvroConfig, {}))
    whole = [datum(row) for row in ROWS]
    done = 0
    for bodies, place in reader.read(path, 0, 3):
        done += len(bodies)
        assert [b for more, _ in reader.read(path, place, 100) for b in more] == whole[done:]
    assert done == 50


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a"
    spooled(path)
    reader = AvroFiles(parse_component(AvroConfig, {}))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CorruptRecord, match="no Avro file"):
        list(reader.read(str(path), 0, 100))
    path.write_bytes(b"nonsense")
    with pytest.raises(CorruptRecord, match="no Avro file"):
        reader.headers(str(path))


def events(path: Path) -> list[tuple[dict[str, str], bytes]]:
    with path.open("rb") as file:
        return [(row["headers"], row["body"]) for row in fastavro.reader(file)]  # type: ignore[index,call-overload]


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_files_are_rolled_as_avro(tmp_path: Path, codec: str) -> None:
    rows = [({"n": str(n)}, b"%d" % n) for n in range(100)]
    given = {
        "sink__directory": str(tmp_path),
        "sink__serializer": "avro_event",
        "sink__serializer__compressionCodec": codec,
    }
    with opened("file_roll", **given) as sink:
        sink.restore(None)
        sink.write(EventBatch.of_rows(rows[:40]))
        sink.settle()
        note = sink.note()
        sink.write(EventBatch.of_rows(rows[40:]))
        sink.settle()
        (path,) = tmp_path.iterdir()
        assert events(path) == rows
    with opened("file_roll", **given) as sink:  # a crash: what the note does not have is undone
        sink.restore(note)
        assert events(path) == rows[:40]
        sink.write(EventBatch.of_rows(rows[40:]))
        sink.settle()
    again = [row for file in sorted(tmp_path.iterdir()) for row in events(file)]
    assert sorted(again, key=lambda row: int(row[1])) == rows


def test_blocks_are_bounded() -> None:
    serializer = AvroEvent(parse_component(AvroEvent.Config, {"syncIntervalBytes": "200"}))
    batch = EventBatch([b"x" * 50] * 20)
    data = serializer.head() + serializer.encode(batch)
    blocks = list(fastavro.block_reader(io.BytesIO(data)))
    assert len(blocks) >= 4
    assert sum(block.num_records for block in blocks) == 20
