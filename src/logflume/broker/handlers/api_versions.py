"""ApiVersions: v0-4. What is in the table of handlers, and nothing else.

v3: flexible, but its response's head is not; the client's name and version. v4: features with lowest version 0.
A version above is answered with error 35 in the form of version 0 (`answers.unsupported`). Features: transactions of
version 2 (KIP-890), groups of the consumer protocol and share groups (KIP-848, KIP-932); older versions of the
answer cannot say that one may go down to 0, and are told 1.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["api_versions"]

FEATURES = {"group.version": 1, "share.version": 1, "transaction.version": 2}


@handles(ApiKey.API_VERSIONS, versions="0-4", before_login=True)
def api_versions(call: Call, request: Any) -> Answer:
    """Which APIs this broker has, in which versions."""
    return {
        "error_code": 0,
        "api_keys": [
            {"api_key": int(key), "min_version": entry.advertised, "max_version": entry.highest}
            for key, entry in sorted(call.broker.handlers.items())
        ],
        "supported_features": [
            {
                "name": name,
                "min_version": 0 if call.version >= 4 else 1,
                "max_version": version,
            }
            for name, version in FEATURES.items()
        ],
        "finalized_features_epoch": 0,
        "finalized_features": [
            {"name": name, "max_version_level": version, "min_version_level": version}
            for name, version in FEATURES.items()
        ],
    }
