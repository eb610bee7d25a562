"""A batch as a line of text, and as a JSON object."""

from __future__ import annotations

from logflume.cli.amounts import iso_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume._native.batches import Batch

__all__ = ["batch_document", "batch_line", "control_text", "header_line"]

_COLUMNS = (
    ("POSITION", 12),
    ("SIZE", 9),
    ("OFFSETS", 21),
    ("COUNT", 7),
    ("CODEC", 6),
    ("CRC", 9),
    ("MAX TIMESTAMP", 24),
)
_CONTROL = {0: "abort", 1: "commit"}


def header_line() -> str:
    """The names above `batch_line`."""
    return "  ".join(name.rjust(width) for name, width in _COLUMNS) + "  MORE"


def batch_line(batch: Batch) -> str:
    """One line of fixed columns."""
    cells = (
        batch.position,
        batch.size,
        f"{batch.base_offset}..{batch.last_offset}",
        batch.count,
        batch.codec_name,
        "ok" if batch.crc_ok else "mismatch",
        iso_time(batch.max_timestamp) or batch.max_timestamp,
    )
    line = "  ".join(str(cell).rjust(width) for cell, (_, width) in zip(cells, _COLUMNS))
    return "  ".join([line, *_more(batch)])


def _more(batch: Batch) -> list[str]:
    more = []
    if batch.producer_id >= 0:
        more.append(
            f"producer {batch.producer_id}/{batch.producer_epoch} sequence {batch.base_sequence}"
        )
    flags = ("append_time", "transactional", "control", "delete_horizon")
    more += [flag.replace("_", "-") for flag in flags if getattr(batch, flag)]
    if batch.leader_epoch > 0:
        more.append(f"epoch {batch.leader_epoch}")
    return more


def batch_document(batch: Batch) -> dict[str, Any]:
    """All fields of the header."""
    return {
        "position": batch.position,
        "size": batch.size,
        "base_offset": batch.base_offset,
        "last_offset": batch.last_offset,
        "count": batch.count,
        "codec": batch.codec_name,
        "crc": batch.crc,
        "crc_ok": batch.crc_ok,
        "base_timestamp": batch.base_timestamp,
        "max_timestamp": batch.max_timestamp,
        "append_time": batch.append_time,
        "leader_epoch": batch.leader_epoch,
        "producer_id": batch.producer_id,
        "producer_epoch": batch.producer_epoch,
        "base_sequence": batch.base_sequence,
        "transactional": batch.transactional,
        "control": batch.control,
        "delete_horizon": batch.delete_horizon,
    }


def control_text(key: bytes | None) -> str:
    """What a control record's key says (docs/FORMAT.md, "Control batches")."""
    if key is None or len(key) < 4:
        return "unknown"
    kind = int.from_bytes(key[2:4], "big")
    return _CONTROL.get(kind, f"type {kind}")
