"""Histories of concurrent writers and readers, and what is wrong with them.

`history.py` what is recorded; `ledger.py` a history sorted by write, transaction and reader; `rules*.py` one
kind of fault each, pure functions over a ledger; `twin.py` a log in memory that does right, or one wrong thing
on purpose; `actors.py` writers and readers that record themselves, on the twin or on logflume; `small.py` many
short histories in turns; `crowd.py` processes that are stopped and killed; `soak.py` the program.
"""
