"""Slow, obvious twins of the native kernels and the engine. Bytes and records enter and leave; knows no logflume."""
