"""What a file system does for the HDFS sink."""

from __future__ import annotations

__all__ = ["Output", "Store"]


class Output:
    """A file that is being written. One thread at a time."""

    def write(self, data: bytes | memoryview) -> None:
        """Append."""
        raise NotImplementedError

    def sync(self) -> None:
        """What was written is on disk when it returns."""
        raise NotImplementedError

    def close(self) -> None:
        """No more is written. Calling it again does nothing."""
        raise NotImplementedError


class Store:
    """Files by their addresses (`scheme://host/path`). Thread-safe.

    All raise StorageError (or a kind of it), and whatever says that the store cannot be reached.
    """

    def check(self) -> None:
        """What it needs is installed. Raises MissingExtra."""

    def create(self, path: str) -> Output:
        """A new file, with the directories above it. Never one that is there: it may be somebody else's."""
        raise NotImplementedError

    def cut(self, path: str, size: int) -> bool:
        """Make a file that its writer left exactly so long; nothing when it is not there.

        False while the store still takes it off its writer: to be called again. Raises StorageError when it is
        shorter: then settled events are lost.
        """
        raise NotImplementedError

    def publish(self, path: str, final: str) -> bool:
        """Give a closed file its final name; False when it is not there. Never replaces another file."""
        raise NotImplementedError

    def remove(self, path: str) -> None:
        """Delete a file; nothing when it is not there."""
        raise NotImplementedError

    def forget(self) -> None:
        """Drop connections: the next call makes new ones."""
