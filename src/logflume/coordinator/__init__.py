"""Consumer groups, embedded and of a broker's clients: who reads what, and how far each group got.

What lives here, by the beginning of its name: `group_file`, `group_member`, `group_register`, `group_table` ...
embedded consumers, whose membership is kernel locks on a `.group` file; `group_coordinator` and what it hands
requests to, `classic_*` (JoinGroup and its kin) and `consumer_*` (KIP-848), the groups of Kafka clients as state
machines; `group_claims`, which keeps the two kinds apart; `offset_store`, where both commit; `assignors/`;
`transactions/`, which end in several partitions at once.
Enters: subscriptions, requests, paths, topics, the time, where to write. Leaves: assignments, answers (some of them
later, through callbacks), records of `__consumer_offsets` in Kafka's schema.
It does not know: sockets, frames, protocol versions, threads, a clock of its own, the consumer that polls.
"""

from __future__ import annotations
