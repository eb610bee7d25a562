"""Compaction of one partition: functions for Python only, nothing to cimport."""
