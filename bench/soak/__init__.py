"""A broker under mixed load, with kills: no acknowledged record lost, none reordered, none doubled, flat memory.

What lives here: `__main__.py` (the run), `actors.py` (processes that are killed and started again), `writing.py` and
`reading.py` (what runs in them), `judge.py` (what the directory must hold at the end), `figures.py` (the report).
Enters: a number of seconds, a seed. Leaves: exit code 0 and the figures, or what is wrong.
"""
