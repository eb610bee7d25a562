"""The order of docs/benchmarks.md: chapters, and in each the benchmarks whose paths it shows."""

from __future__ import annotations

from collections.abc import Iterable

from bench.results import Path_

__all__ = ["CHAPTERS", "in_chapters"]

CHAPTERS: dict[str, tuple[str, ...]] = {
    "Writing": ("test_send", "test_append", "test_send_many", "test_columns"),
    "On the disk": (
        "test_durable",
        "test_durable_batches",
        "test_durable_aio",
        "test_transactions",
    ),
    "Reading": ("test_read", "test_read_whole", "test_read_aio", "test_read_arrow", "test_windows"),
    "Looking up": ("test_lookup", "test_lookup_first"),
    "Compression": ("test_compression",),
    "From one process to another": ("test_latency",),
    "How cost grows": ("test_threads", "test_processes", "test_partitions", "test_log_size"),
    "Start and memory": ("test_import", "test_start", "test_memory"),
    "Queues": ("test_queue",),
    "Tables and compaction": ("test_table", "test_compaction"),
    "Beside Kafka": ("test_kafka", "test_cluster", "test_broker"),
    "Beside Flume": ("test_agent",),
}


def in_chapters(paths: Iterable[Path_]) -> dict[str, list[Path_]]:
    """The paths by chapter; those of a file that no chapter names come last."""
    found: dict[str, list[Path_]] = {chapter: [] for chapter in [*CHAPTERS, "Others"]}
    chapter_of = {file: chapter for chapter, files in CHAPTERS.items() for file in files}
    order = [file for files in CHAPTERS.values() for file in files]
    known = sorted(
        paths, key=lambda path: order.index(path.file) if path.file in order else len(order)
    )
    for path in known:
        found[chapter_of.get(path.file, "Others")].append(path)
    return {chapter: some for chapter, some in found.items() if some}
