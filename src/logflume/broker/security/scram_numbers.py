"""SCRAM mechanisms by the numbers that the protocol has for them."""

from __future__ import annotations

__all__ = ["MECHANISMS"]

MECHANISMS = {1: "SCRAM-SHA-256", 2: "SCRAM-SHA-512"}
