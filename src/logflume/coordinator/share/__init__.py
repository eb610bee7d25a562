"""Share groups (KIP-932): records of a partition worked off one by one by the members of a group.

What lives here: `window.py`, the state machine of one partition's records in flight; `states.py`, its words.
Enters: offsets, answers, the time. Leaves: ranges that a member holds, states to be kept.
It does not know: sockets, clients' sessions, a clock of its own, what a record says.
"""
