"""Property tests draw the same examples in every run; ``--hypothesis-profile=explore`` draws new ones (nightly).

``portable`` draws the first of the same: for further Pythons, where the whole number is tried on one already.
"""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# That the machine is busy is no fault of a test; a folder that the examples share is meant.
COMMON = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], print_blob=True
)
settings.register_profile("repeatable", COMMON, derandomize=True, database=None)
settings.register_profile("portable", COMMON, derandomize=True, database=None, max_examples=20)
settings.register_profile("explore", COMMON, derandomize=False, max_examples=300)
settings.load_profile("repeatable")

# A shell starts what it puts into the background with interrupts ignored, and every child would inherit that: what the
# tests interrupt would not listen.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
