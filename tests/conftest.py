"""Property tests draw the same examples in every run; ``--hypothesis-profile=explore`` draws new ones (nightly)."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None)
settings.register_profile("explore", derandomize=False, max_examples=300)
settings.load_profile("repeatable")
