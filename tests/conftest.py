"""What holds for all tests: an example of hypothesis may take as long as the machine needs (no timed assertions)."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile("logflume", deadline=None)
hypothesis.settings.load_profile("logflume")
