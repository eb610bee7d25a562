"""One partition of an archive: batches come in at their offsets and go out again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from logflume._native.row_picker import pick_rows
from logflume.bridge.archive.pieces import OBJECT_BYTES, batches_of, checksum, due, piece_of
from logflume.bridge.archive.snapshot import PartitionManifest
from logflume.errors import CorruptRecord, OffsetOutOfRange
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Buffer

    from logflume._native.batches import Batch
    from logflume._native.columns import RecordBatch
    from logflume.bridge.archive.archive import Archive
    from logflume.bridge.archive.pieces import Piece

__all__ = ["ArchivePartition", "Run", "RunReader"]


class Run(NamedTuple):
    """Consecutive batches, as `RawBatches` of a directory."""

    view: memoryview
    base_offset: int
    end_offset: int
    record_count: int
    size: int


class ArchivePartition:
    """See Archive. One thread at a time. What is appended is stored by flush(), and counts after a commit."""

    def __init__(
        self, archive: Archive, topic: str, number: int, manifest: PartitionManifest
    ) -> None:
        self._archive = archive
        self.topic = topic
        self.partition = number
        self.manifest = manifest
        self._pieces = list(manifest.pieces)
        self._start = manifest.start_offset
        self._cleaned = manifest.cleaned_offset
        self._open = bytearray()
        self._open_end = manifest.end_offset
        self._at_hand: tuple[Piece, memoryview] | None = None
        self._taken_apart: tuple[Piece, list[Batch]] | None = None

    @property
    def name(self) -> str:
        """For errors."""
        return f"{self._archive.path}/{self.topic}-{self.partition}"

    @property
    def start_offset(self) -> int:
        """First offset that counts; a batch may begin earlier."""
        return self._start

    @property
    def cleaned_offset(self) -> int:
        """As far as the original had been compacted."""
        return self._cleaned

    @property
    def end_offset(self) -> int:
        """Behind the last batch, be it stored or not."""
        return max(self._start, self._open_end)

    @property
    def pieces(self) -> list[Piece]:
        """What is stored, in order."""
        return self._pieces

    # ---- in

    def append_at(self, data: Buffer, base_offset: int) -> None:
        """Take whole batches, the first at `base_offset`; what is there already is left out."""
        view = memoryview(data)
        if base_offset < self._open_end:
            behind = [b for b in batches_of(view, self.name) if b.base_offset >= self._open_end]
            if not behind:
                return
            view = view[behind[0].position :]
        self._open += view
        self._open_end = self._last_offset(view) + 1
        if len(self._open) >= OBJECT_BYTES:
            self._store_open()

    def _last_offset(self, view: memoryview) -> int:
        last: Batch | None = None
        for batch in batches_of(view, self.name):
            last = batch
        assert last is not None
        return last.last_offset

    def sync(self) -> None:
        """As flush(): for those who copy."""
        self.flush()

    def flush(self) -> None:
        """Store what was appended, and make one object of many small ones."""
        self._store_open()
        count = due(self._pieces)
        if count:
            old = self._pieces[-count:]
            joined = b"".join(self.fetch(piece) for piece in old)
            self._pieces[-count:] = [self._put(joined)]
            self._throw_away(old)

    def _store_open(self) -> None:
        if self._open:
            data, self._open = bytes(self._open), bytearray()
            self._pieces.append(self._put(data))

    def _put(self, data: bytes) -> Piece:
        piece = piece_of(data, self.name)
        self._archive.objects.write(piece.key(self.topic, self.partition), data)
        return piece

    def _throw_away(self, pieces: list[Piece]) -> None:
        kept = {piece.key(self.topic, self.partition) for piece in self._pieces}
        keys = {piece.key(self.topic, self.partition) for piece in pieces}
        self._archive.throw_away(keys - kept)

    def raise_start(self, offset: int) -> None:
        """Records before `offset` are deleted. The last object stays: it tells where the log ends."""
        self._start = max(self._start, offset)
        count = 0
        while count < len(self._pieces) - 1 and self._pieces[count].end_offset <= self._start:
            count += 1
        old, self._pieces = self._pieces[:count], self._pieces[count:]
        self._throw_away(old)

    def begin_again(self, upto: int) -> tuple[list[Piece], int]:
        """For what was compacted: the pieces that lie below `upto`, and the offset at which the rest begins."""
        count = sum(piece.end_offset <= upto for piece in self._pieces)
        return self._pieces[:count], self._pieces[count - 1].end_offset if count else self._start

    def replace(self, old: list[Piece], new: list[bytes], cleaned: int) -> None:
        """Put other objects in the place of the first ones."""
        assert self._pieces[: len(old)] == old
        self._pieces[: len(old)] = [self._put(data) for data in new]
        self._cleaned = cleaned
        self._throw_away(old)

    def stored(self) -> PartitionManifest:
        """What the next snapshot is to say."""
        assert not self._open
        return PartitionManifest(self._start, self._cleaned, tuple(self._pieces))

    # ---- out

    def fetch(self, piece: Piece) -> memoryview:
        """A piece's bytes, compared with its checksum. Raises CorruptRecord, ObjectMissing, StoreUnavailable."""
        if self._at_hand is not None and self._at_hand[0] == piece:
            return self._at_hand[1]
        key = piece.key(self.topic, self.partition)
        data = self._archive.objects.read(key)
        if len(data) != piece.size or checksum(data) != piece.checksum:
            raise CorruptRecord(
                path=f"{self._archive.path}/{key}",
                position=min(len(data), piece.size),
                offset=piece.base_offset,
                reason=f"{len(data)} bytes that are not the {piece.size} that were written",
            )
        self._at_hand = piece, data
        return data

    def find(self, offset: int) -> int:
        """Index of the piece that has `offset`, or of the first behind it."""
        index = bisect_right(self._pieces, offset, key=lambda piece: piece.base_offset) - 1
        if index >= 0 and self._pieces[index].end_offset > offset:
            return index
        return index + 1

    def batches(self, offset: int) -> RunReader:
        """Whole batches from the one with `offset` on."""
        return RunReader(self, offset)

    def read_batch(
        self, offset: int, max_records: int = 100_000, max_bytes: int = 1 << 20
    ) -> RecordBatch:
        """Records of the first batch that has any at or behind `offset`; empty at the end. Raises OffsetOutOfRange."""
        if not self._start <= offset <= self.end_offset:
            raise OffsetOutOfRange(
                topic=self.topic,
                partition=self.partition,
                offset=offset,
                start_offset=self._start,
                end_offset=self.end_offset,
            )
        for piece in self._pieces[self.find(offset) :]:
            for batch in self._batches(piece, offset):
                if batch.last_offset < offset or batch.control or not batch.count:
                    continue
                found = batch.records(topic=self.topic, partition=self.partition)
                rows = [record for record in found if record.offset >= offset]
                if rows:
                    return pick_rows(rows[:max_records])
        return pick_rows([])

    def _batches(self, piece: Piece, offset: int) -> list[Batch]:
        name = piece.key(self.topic, self.partition)
        if offset == piece.end_offset - 1 and self._at_hand is None:
            # Of the last record only, as a copier that begins asks for: its batch, not all of them.
            data = self._archive.objects.read(name, piece.last_position, piece.size)
            return list(batches_of(data, name))
        # Who reads on comes back for each batch: the piece is taken apart, and its batches are checked, once.
        if self._taken_apart is None or self._taken_apart[0] != piece:
            self._taken_apart = piece, list(batches_of(self.fetch(piece), name))
        batches = self._taken_apart[1]
        return batches[bisect_left(batches, offset, key=lambda batch: batch.last_offset) :]


class RunReader:
    """Batches of a partition of an archive, in order, as a directory's BatchReader gives them."""

    def __init__(self, partition: ArchivePartition, offset: int) -> None:
        self._partition = partition
        self.position = offset
        """Behind what was read last."""
        self._next = offset
        self._runs: list[Run] = []

    def read(self, max_bytes: int = 4 << 20) -> Run | None:
        """What comes next; None at the end. A run has no gap inside, and is one piece at most."""
        while not self._runs:
            index = self._partition.find(self._next)
            if index >= len(self._partition.pieces):
                return None
            piece = self._partition.pieces[index]
            self._runs = self._split(piece, max_bytes)
            self._next = piece.end_offset
        run = self._runs.pop(0)
        self.position = run.end_offset
        return run

    def _split(self, piece: Piece, max_bytes: int) -> list[Run]:
        data = self._partition.fetch(piece)
        name = piece.key(self._partition.topic, self._partition.partition)
        runs: list[Run] = []
        group: list[Batch] = []

        def close() -> None:
            if group:
                end = group[-1].position + group[-1].size
                view = data[group[0].position : end]
                count = sum(batch.count for batch in group)
                last = group[-1].last_offset + 1
                runs.append(Run(view, group[0].base_offset, last, count, len(view)))
                group.clear()

        for batch in batches_of(data, name):
            if batch.last_offset < self._next:
                continue
            size = batch.position + batch.size - group[0].position if group else 0
            if group and (batch.base_offset != group[-1].last_offset + 1 or size > max_bytes):
                close()
            group.append(batch)
        close()
        return runs
