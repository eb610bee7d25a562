"""Kills, torn writes, full disks, flipped bits: what must never be lost, and what must be said."""
