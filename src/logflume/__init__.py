"""An embedded commit log in Kafka's format: append records, read them by offset or time, share them by groups."""

from logflume._version import __version__

__all__ = ["__version__"]
