"""Property tests draw the same examples in every run; ``--hypothesis-profile=explore`` draws new ones (nightly)."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None)
settings.register_profile("explore", derandomize=False, max_examples=300)
settings.load_profile("repeatable")

# A shell starts what it puts into the background with interrupts ignored, and every child would inherit that: what the
# tests interrupt would not listen.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
