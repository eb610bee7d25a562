"""Other libraries' ways into a log: one module for each library, imported when used.

What lives here: a Scan as a Polars LazyFrame and as a pyarrow dataset (for DuckDB and others), with their filters
turned into windows of offsets and times. Enters: Scans, topics, expressions of those libraries. Leaves: their
objects. It does not know: how a window is read.
"""
