"""Damaged requests of every API and version, in one process and without sockets: `make fuzz`.

`targets.py` says what is done with a damaged frame; `native/fuzz` has the targets that need no Python.
"""
