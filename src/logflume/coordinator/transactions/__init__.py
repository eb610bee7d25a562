"""Transactions: who may write under which transactional id, and how each transaction was decided.

Transactional ids, places in partitions and the time enter; decisions, as records of
`__transaction_state` in Kafka's schema, and markers in the partitions leave. The log is the
truth: what lives in memory is a replica of the newest record of each id. Knows no sockets, no
clock of its own and no producer: a broker and the embedded client use the same.
"""

from __future__ import annotations
