"""Sleeping until a partition has news; nothing to cimport."""
