"""Others that keep records: each file one of them, behind the same few jobs (store.py)."""

from bench.peers.framed_file import FramedFile
from bench.peers.lmdb_store import Lmdb
from bench.peers.persist import PersistQueue
from bench.peers.rocks import Rocks
from bench.peers.sqlite import Sqlite
from bench.peers.store import Store

__all__ = ["FramedFile", "Lmdb", "PersistQueue", "Rocks", "Sqlite", "Store"]
