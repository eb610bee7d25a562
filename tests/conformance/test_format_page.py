"""docs/FORMAT.md's worked example and offsets are true."""

from __future__ import annotations

import re
from pathlib import Path

from model.batch_twin import HEADER, HEADER_SIZE, Record, decode_batch, encode_batch

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "FORMAT.md").read_text()
RECORDS = [
    Record(key=b"k", value=b"hi", timestamp=1_700_000_000_000, offset=42),
    Record(key=b"k", timestamp=1_700_000_000_007, headers=((b"h", b"v"),), offset=43),
]


def example() -> bytes:
    (block,) = re.findall(r"```hex\n(.*?)```", PAGE, re.DOTALL)
    return bytes.fromhex(block)


def test_example_decodes_to_what_the_page_says() -> None:
    batch, end = decode_batch(example())
    assert end == len(example()) == 83
    assert list(batch.records) == RECORDS
    assert encode_batch(RECORDS, base_offset=42) == example()


def test_explained_bytes_are_the_example() -> None:
    table = PAGE.split("| Bytes | Meaning |")[1]
    explained = ""
    for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE):
        times = re.search(r"\((\d+) times\)", row)
        explained += (
            "".join(re.findall(r"`([0-9a-f ]+)`", row)) * int(times[1] if times else 1) + " "
        )
    assert bytes.fromhex(explained) == example()


def test_header_table_chains() -> None:
    """Each field begins where the one before ends, as the twin has them."""
    section = PAGE.split("## Batch header")[1].split("Attributes:")[0]
    rows = re.findall(r"^\| (\d+) \| (\d+) \| ([a-z ]+?) \|", section, re.MULTILINE)
    at = 0
    for start, size, name in rows:
        assert int(start) == at, name
        at += int(size)
    assert at == HEADER_SIZE == HEADER.size
    assert len(rows) == 13
