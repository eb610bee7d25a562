"""What a real Kafka wrote, and what its clients read of it: `tests/golden`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
TOPICS = sorted(path.stem for path in (GOLDEN / "kafka").glob("*.json"))


def as_text(data: bytes | None) -> Any:
    """Bytes as generate.py writes them into the JSON."""
    if data is None:
        return None
    if len(data) > 1000:
        return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return data.decode("latin-1")


def as_json(record: Any) -> dict[str, Any]:
    """A record as generate.py writes it; names of headers may be bytes or text."""
    return {
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": as_text(record.key),
        "value": as_text(record.value),
        "headers": [
            [as_text(name.encode() if isinstance(name, str) else name), as_text(value)]
            for name, value in record.headers
        ],
    }
