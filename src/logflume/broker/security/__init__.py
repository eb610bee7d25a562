"""Who a client is, and what it may do.

What lives here: TLS (`tls.py`), logins (`login.py`, with `scramp` for SCRAM), the users, ACLs and quotas of a directory
(`store.py`: one file, replaced whole), decisions over ACLs (`authorizer.py`), and the brake for clients beyond
their quota (`quotas.py`).
Enters: certificates, SASL messages, what handlers ask for. Leaves: principals, yes or no, seconds to wait.
It does not know: frames, topics, groups.
"""

from __future__ import annotations
