"""Transactions: who may write under which transactional id, and how each transaction was decided.

Transactional ids, places in partitions and the time enter; decisions, as records of
`__transaction_state` in Kafka's schema, and markers in the partitions leave. The log is the
truth: what lives in memory is a replica of the newest record of each id. Knows no sockets, no
clock of its own and no producer: a broker and the embedded client use the same.

What lives here: `room.py`, where everything is decided (mutex, replica, page, presence); `entry.py`,
`state_schema.py`, the states of a transactional id and Kafka's bytes for them; `state_log.py`, the
replica; `coordinator.py`, init, begin, commit, abort, fencing; `clients.py`, `client_*.py`, Kafka's requests as steps
of the same entries; `settling.py`, ending what is dead or late; `holding.py`, `held.py`, what is committed
and must not be seen yet; `recovery.py`, `lost_batches.py`, `redo*.py`, `checkpoint.py`, what a power loss
asks for, and keeping that short; `external.py`, a decision that lies in a SQLite database;
`administration.py`, looking on and ending by hand; `directory.py`, the directory that everybody opens.
"""

from __future__ import annotations
