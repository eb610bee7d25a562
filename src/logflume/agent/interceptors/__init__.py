"""Interceptors: what happens to events between a source and its channels.

One file an interceptor. A batch enters, the same, a changed or a smaller one leaves; columns are changed as
columns where that can be.
"""

from logflume.agent.interceptors.call import Call
from logflume.agent.interceptors.extract import RegexExtractor
from logflume.agent.interceptors.headers import Host, RemoveHeader, Static, Timestamp, Uuid
from logflume.agent.interceptors.regex import RegexFilter, SearchReplace

__all__ = [
    "Call",
    "Host",
    "RegexExtractor",
    "RegexFilter",
    "RemoveHeader",
    "SearchReplace",
    "Static",
    "Timestamp",
    "Uuid",
]
