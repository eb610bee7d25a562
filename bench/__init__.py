"""Benchmarks: one file a path, each beside its limit and its peers in the same run. README.md says how to read them."""
