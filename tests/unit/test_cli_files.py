"""dump, verify, du, maintain, recover, doctor."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

import logflume
from logflume._native.batches import encode_batch
from logflume.cli.segment_scan import SegmentScan
from logflume.errors import CorruptRecord
from support.cli import Runner

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
LOG = "00000000000000000000.log"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A topic with three closed segments and an open one, closed in order."""
    runner = Runner(tmp_path / "data", monkeypatch)
    with logflume.open(runner.directory) as log:
        log.create_topic("t", config={"index.interval.bytes": 200})
        partition = log.partition("t", 0)
        for n in range(40):
            partition.append(f"value {n}".encode() * 5, timestamp=1_700_000_000_000 + n)
            if n % 10 == 9 and n < 39:
                partition.roll()
    return runner


def segment(run: Runner, base: int = 0, suffix: str = ".log") -> Path:
    return run.directory / "t-0" / f"{base:020d}{suffix}"


def flip(path: Path, at: int, bit: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(data)


# ---- dump


def test_dump_a_segment(run: Runner) -> None:
    batches = run("dump", segment(run), "--json").jsons
    assert [b["base_offset"] for b in batches] == list(range(10))
    assert all(b["crc_ok"] and b["count"] == 1 for b in batches)
    assert [b["position"] for b in batches][1] == batches[0]["size"]
    lines = run("dump", segment(run), "--max", 2).lines
    assert len(lines) == 3
    assert lines[1].split()[:6] == ["0", str(batches[0]["size"]), "0..0", "1", "none", "ok"]
    shown = run("dump", segment(run), "--records", "--max", 1, "--json").jsons[0]["records"]
    assert shown == [
        {"offset": 0, "timestamp": 1_700_000_000_000, "key": None, "value": "value 0" * 5}
    ]
    assert '"value 0value 0' in run("dump", segment(run), "--records", "--max", 1).out


def test_dump_indexes(run: Runner) -> None:
    entries = run("dump", segment(run, 10, ".index"), "--json").jsons
    assert entries
    assert entries[0]["offset"] > 10
    positions = {b["position"] for b in run("dump", segment(run, 10), "--json").jsons}
    assert {entry["position"] for entry in entries} <= positions
    times = run("dump", segment(run, 10, ".timeindex"), "--json").jsons
    assert times[-1]["timestamp"] == 1_700_000_000_019
    assert times[-1]["time"] == "2023-11-14T22:13:20.019Z"
    assert run("dump", segment(run, 10, ".index")).lines[0].split() == ["OFFSET", "POSITION", "AT"]
    assert len(run("dump", segment(run, 10, ".timeindex"), "--max", 1).lines) == 2


def test_dump_what_kafka_wrote(run: Runner) -> None:
    folder = GOLDEN / "kafka" / "transactions-0"
    batches = run("dump", folder / "00000000000000000004.log", "--records", "--json").jsons
    control = [b["records"][0]["control"] for b in batches if b["control"]]
    assert set(control) == {"commit", "abort"}
    text = run("dump", folder / "00000000000000000004.log").out
    assert "transactional  control" in text
    assert "producer 1/0 sequence 3" in text
    append_time = run("dump", GOLDEN / "kafka" / "append-time-lz4-0" / LOG)
    assert "append-time" in append_time.out


def test_dump_goes_on_behind_damage(run: Runner) -> None:
    path = segment(run)
    batches = run("dump", path, "--json").jsons
    flip(path, batches[2]["position"] + 70)
    flip(path, batches[5]["position"] + 16)  # the magic
    seen = run("dump", path, "--json", expect=1).jsons
    assert [b["base_offset"] for b in seen if "base_offset" in b] == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert [b["base_offset"] for b in seen if b.get("crc_ok") is False] == [2]
    [damage] = [b for b in seen if "damage" in b]
    assert damage["position"] == batches[5]["position"]
    assert damage["readable_from"] == batches[6]["position"]
    text = run("dump", path, "--records", expect=1).out
    assert "mismatch" in text
    assert "DAMAGE: unknown magic" in text


def test_dump_bad_input(run: Runner, tmp_path: Path) -> None:
    assert "No such file" in run.fails("dump", tmp_path / "x.log")
    assert ".timeindex" in run.misused("dump", tmp_path / "x.txt")
    assert "--records is for" in run.misused("dump", segment(run, 0, ".index"), "--records")
    assert "--max" in run.misused("dump", segment(run), "--max", 0)
    odd = tmp_path / "00000000000000000000.index"
    odd.write_bytes(b"\x00\x00\x00\x05\x00\x00\x00\x09" * 2)
    assert "do not rise" in run.fails("dump", odd)
    odd.write_bytes(b"\x01" * 11)
    assert "inside an entry" in run.fails("dump", odd)
    (tmp_path / "garbage.log").write_bytes(b"garbage" * 100)
    assert "DAMAGE" in run("dump", tmp_path / "garbage.log", expect=1).out
    old = GOLDEN / "old" / "magic1-0" / LOG
    assert "magic 1" in run("dump", old, expect=1).out
    (tmp_path / "zeroes.log").write_bytes(bytes(5000))
    assert "5000 zero bytes" in run("dump", tmp_path / "zeroes.log").out


def test_batches_larger_than_the_window(tmp_path: Path) -> None:
    path = tmp_path / LOG
    sizes = (10, 5000, 1, 70, 900)
    data = b"".join(encode_batch([(b"x" * size,)], base_offset=n) for n, size in enumerate(sizes))
    path.write_bytes(data + bytes(3000))
    for window in (1, 61, 100, 1000, 1 << 20):
        with SegmentScan(str(path), window_bytes=window) as scan:
            assert [b.base_offset for b in scan] == [0, 1, 2, 3, 4]
            assert (scan.position, scan.zeroes) == (len(data), 3000)
    path.write_bytes(data + bytes(3000) + b"x")
    for window in (61, 1000, 1 << 20):
        with SegmentScan(str(path), window_bytes=window) as scan, pytest.raises(CorruptRecord):
            list(scan)
        assert scan.position == len(data)


# ---- verify


def test_verify_finds_nothing_wrong(run: Runner) -> None:
    document = run("verify", "--json").json
    assert document["ok"] is True
    [partition] = document["partitions"]
    assert (partition["segments"], partition["records"], partition["findings"]) == (4, 40, [])
    assert run("verify", "t", "--records").lines[-1].startswith("1 partition checked: no damage")
    assert "unknown topic" in run.fails("verify", "u")


def test_verify_what_kafka_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(GOLDEN / "kafka", tmp_path / "kafka")
    run = Runner(tmp_path / "kafka", monkeypatch)
    before = sorted(path for path in run.directory.rglob("*"))
    document = run("verify", "--records", "--json").json
    assert document["ok"] is True
    assert len(document["partitions"]) >= 10
    assert sorted(path for path in run.directory.rglob("*")) == before


def test_every_flipped_bit_of_a_segment_is_found_or_harmless(run: Runner) -> None:
    path = segment(run, 30)
    original = path.read_bytes()
    sizes = [b["size"] for b in run("dump", path, "--json").jsons]
    starts = [sum(sizes[:n]) for n in range(len(sizes))]
    for at in range(0, len(original), 3):
        flip(path, at, 1 << at % 8)
        start = max(s for s in starts if s <= at)
        if 12 <= at - start < 16:  # the leader epoch: outside the checksum
            run("verify")
        else:
            [partition] = run("verify", "--json", expect=1).json["partitions"]
            assert partition["findings"][0]["path"] == str(path)
            assert partition["findings"][0]["position"] == start
        path.write_bytes(original)
    assert run("verify").code == 0


def findings(run: Runner) -> list[str]:
    [partition] = run("verify", "--json", expect=1).json["partitions"]
    assert partition["damaged"]
    return [f"{Path(f['path']).name}: {f['reason']}" for f in partition["findings"]]


def test_verify_names_missing_and_doubled_segments(run: Runner) -> None:
    kept = segment(run, 10).read_bytes()
    segment(run, 10).unlink()
    assert findings(run) == [f"{20:020d}.log: offsets 10 to 19 are missing before it"]
    segment(run, 10).write_bytes(kept + encode_batch([(b"again",)], base_offset=15))
    assert any("where 20 should follow" in line for line in findings(run))


def test_verify_names_a_cut_and_a_wrong_index(run: Runner) -> None:
    path = segment(run, 10)
    path.write_bytes(path.read_bytes()[:-5])
    assert findings(run)[0].startswith(f"{10:020d}.log: the batch is cut off; nothing readable")


def test_verify_names_wrong_indexes(run: Runner) -> None:
    index, times = segment(run, 10, ".index"), segment(run, 10, ".timeindex")
    good = index.read_bytes()
    index.write_bytes(segment(run, 20, ".index").read_bytes()[:-8] + struct.pack(">ii", 9, 5))
    assert any("index" in line for line in findings(run))
    index.write_bytes(good[:4] + struct.pack(">i", 7))
    assert "where no batch begins" in findings(run)[0]
    index.write_bytes(good + struct.pack(">ii", 99, 1 << 20))
    assert "points behind the last batch" in findings(run)[0]
    index.write_bytes(b"\0\0\1")
    assert "ends inside an entry" in findings(run)[0]
    index.write_bytes(good + bytes(1000))  # as Kafka has it
    run("verify")
    index.unlink()  # it is built again
    run("verify")
    good = times.read_bytes()
    times.write_bytes(struct.pack(">qi", 5, 3))
    assert "says 5 up to offset 13" in findings(run)[0]
    times.write_bytes(good + struct.pack(">qi", 1 << 50, 77))
    assert "behind the last one" in findings(run)[0]


def test_an_unfinished_write_is_no_damage_until_the_log_was_closed(run: Runner) -> None:
    path = segment(run, 30)
    whole = path.read_bytes()
    torn = whole + encode_batch([(b"x" * 100,)], base_offset=40)[:90]
    path.write_bytes(torn)
    assert "cut off" in findings(run)[0]  # the state says: closed in order
    (run.directory / "t-0" / "logflume.state").unlink()
    document = run("verify", "--json").json
    [finding] = document["partitions"][0]["findings"]
    assert (finding["damage"], finding["position"]) == (False, len(whole))
    assert "unfinished write" in run("verify").out
    bad = bytearray(encode_batch([(b"x" * 100,)], base_offset=40))
    bad[100] ^= 1
    path.write_bytes(whole + bad)
    assert "note: " in run("verify").out
    path.write_bytes(whole + bad + encode_batch([(b"x",)], base_offset=41))
    assert "crc mismatch" in findings(run)[0]


def test_verify_changes_nothing(run: Runner) -> None:
    segment(run, 30).write_bytes(segment(run, 30).read_bytes() + b"torn")
    (run.directory / "t-0" / "logflume.state").unlink()
    before = {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()}
    run("verify")
    assert {p: p.read_bytes() for p in run.directory.rglob("*") if p.is_file()} == before


def test_verify_while_others_write(run: Runner) -> None:
    with logflume.open(run.directory) as log:
        partition = log.partition("t", 0)
        for n in range(5):
            partition.append_many([b"more"] * 100)
            if n == 2:
                partition.roll()
            assert run("verify", "--json").json["partitions"][0]["records"] == 40 + 100 * (n + 1)


def test_a_segment_deleted_meanwhile_is_no_damage(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    listed = os.listdir(segment(run).parent)
    monkeypatch.setattr("logflume.cli.integrity.os.listdir", lambda path: listed)
    segment(run, 0).unlink()
    segment(run, 10).unlink()
    assert run("verify", "--json").json["partitions"][0]["records"] == 20


# ---- du, maintain, recover, doctor


def test_du(run: Runner, tmp_path: Path) -> None:
    with logflume.open(run.directory) as log:
        log.create_topic("packed", partitions=2, config={"compression.type": "zstd"})
        log.partition("packed", 0).append_many([b"the same again"] * 10_000)
    document = run("du", "--json").json
    packed, plain = document["rows"]
    assert (packed["topic"], packed["records"]) == ("packed", 10_000)
    assert packed["ratio"] > 10
    assert (plain["ratio"], plain["segments"]) == (1.0, 4)
    assert document["total"]["bytes"] == packed["bytes"] + plain["bytes"]
    assert document["ratio_exact"] is True
    assert plain["bytes"] == sum(p.stat().st_size for p in segment(run).parent.glob("*.log"))
    assert len(run("du", "--by", "segment", "t", "--json").json["rows"]) == 4
    assert len(run("du", "--by", "partition", "--json").json["rows"]) == 3
    assert "ratio" not in run("du", "--no-ratio", "--json").json["rows"][0]
    lines = run("du").lines
    assert lines[0].split() == ["TOPIC", "SEGMENTS", "RECORDS", "SIZE", "DISK", "RATIO"]
    assert lines[-1].startswith("total")
    assert "unknown topic" in run.fails("du", "u")
    assert "--by" in run.misused("du", "--by", "year")


def test_du_samples_large_logs(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "logflume.cli.packing.Packing.__init__.__kwdefaults__", {"sample_bytes": 500}
    )
    document = run("du", "--json").json
    assert document["ratio_exact"] is False
    assert document["rows"][0]["ratio"] == 1.0
    assert "~1.0x" in run("du").out


def test_compact(run: Runner) -> None:
    assert run("compact").out == "nothing to compact\n"
    with logflume.open(run.directory) as log:
        log.create_topic("users", config={"cleanup.policy": "compact"})
        partition = log.partition("users", 0)
        for n in range(40):
            partition.append(b"value %d" % n, key=b"%d" % (n % 4))
        partition.roll()
    (row,) = run("compact", "users", "--json").json
    assert (row["topic"], row["records_removed"], row["keys"], row["passes"]) == ("users", 36, 4, 1)
    assert run("compact", "users").out == "nothing to compact\n"
    assert run("compact", "users", "--force").lines[-1].split()[:4] == ["users", "0", "0", "0"]
    assert len(run("cat", "users").lines) == 4
    assert "nowhere" in run("compact", "nowhere", expect=1).err


def test_maintain(run: Runner) -> None:
    assert [row["segments"] for row in run("maintain", "--json").json] == [4]
    assert run("maintain").out == "nothing to delete or compact\n"
    assert run("ls", "--json").json[0]["records"] == 0


def test_recover(run: Runner) -> None:
    [row] = run("recover", "--json").json
    assert (row["topic"], row["clean"], row["cuts"]) == ("t", True, [])
    path = segment(run, 30)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"torn tail")
    (run.directory / "t-0" / "logflume.state").unlink()
    said = run("recover").out
    assert f"cut 9 bytes off {path} at position {size}" in said
    assert "by a crash" in said
    assert run("recover", "--json").json[0]["clean"] is True


def test_doctor(run: Runner, tmp_path: Path) -> None:
    document = run("doctor", "--json").json
    assert document["ok"] is True
    found = {check["name"]: check["found"] for check in document["checks"]}
    assert found["codecs"] == "all five work"
    assert found["format"] == "readable, 1 topic"
    assert found["in use"] == "by nobody else"
    with logflume.open(run.directory):
        assert "by other processes" in run("doctor").out
    (run.directory / "logflume-topics.json").write_text("{")
    assert run("doctor", expect=1).lines[-1] == "1 problem found"
    names = run("doctor", "--failpoints", "--json").json
    assert "append.before_write" in names
    assert run("doctor", "--failpoints").lines == names
    elsewhere = Runner(tmp_path / "not" / "made", run._patch)
    assert "not made yet" in elsewhere("doctor").out
