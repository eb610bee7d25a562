"""Avro's container files as events: one for each datum, its bytes as they are."""

from __future__ import annotations

import json

from logflume.agent.options import ComponentConfig, setting
from logflume.config.kinds import Choice
from logflume.errors import CorruptRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["AvroConfig", "AvroFiles"]

_HASH, _LITERAL = "flume.avro.schema.hash", "flume.avro.schema.literal"
_IN_BLOCK = 32  # bits of a place that count datums within a block


class AvroConfig(ComponentConfig, table="Avro deserializer"):
    """Flume guide, "AVRO"."""

    schema_type: str = setting(
        "schemaType",
        "HASH",
        Choice("HASH", "LITERAL", also={"hash": "HASH", "literal": "LITERAL"}),
        doc="A header says what a body is: the schema's fingerprint (`flume.avro.schema.hash`, CRC-64), or the schema"
        " (`flume.avro.schema.literal`).",
    )


class AvroFiles:
    """A place is the block's position in the file and the number of datums before it in the block."""

    def __init__(self, config: Any) -> None:
        self._type = config.schema_type

    def headers(self, path: str) -> dict[str, str]:
        """The schema. Raises CorruptRecord."""
        import fastavro
        from fastavro.schema import fingerprint, to_parsing_canonical_form

        with open(path, "rb") as file:
            try:
                schema = fastavro.block_reader(file).writer_schema
                assert schema is not None
                if self._type == "LITERAL":
                    return {_LITERAL: json.dumps(schema, separators=(",", ":"))}
                return {_HASH: fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")}
            except Exception as error:  # whatever fastavro makes of bytes that are no such file
                raise _corrupt(path, 0, error) from None

    def read(self, path: str, position: int, batch_size: int) -> Iterator[tuple[list[bytes], int]]:
        """See Reader."""
        import fastavro

        begun, skip = position >> _IN_BLOCK, position & ((1 << _IN_BLOCK) - 1)
        at = 0
        with open(path, "rb") as file:
            try:
                for block in fastavro.block_reader(file):
                    at = block.offset
                    if at < begun:
                        continue
                    bodies = _datums(block)
                    first = skip if at == begun else 0
                    end = (at + block.size) << _IN_BLOCK
                    for number in range(first, len(bodies), batch_size):
                        upto = min(number + batch_size, len(bodies))
                        done = upto == len(bodies)
                        yield bodies[number:upto], end if done else (at << _IN_BLOCK) + upto
            except GeneratorExit:
                raise
            except Exception as error:  # whatever fastavro makes of bytes that are no such file
                raise _corrupt(path, at, error) from None


def _datums(block: Any) -> list[bytes]:
    """Each datum's own bytes: decoding finds where it ends."""
    data, out, start = block.bytes_, [], 0
    whole = data.getvalue()
    for _ in block:
        end = data.tell()
        out.append(whole[start:end])
        start = end
    return out


def _corrupt(path: str, position: int, error: Exception) -> CorruptRecord:
    return CorruptRecord(
        path=path, position=position, reason=f"no Avro file: {type(error).__name__}: {error}"
    )
