"""These tests run where ``docker-compose.test.yml`` puts them, by noxlib or by plain compose; nowhere else."""

from __future__ import annotations

import os

collect_ignore_glob = [] if "DATABASE_URL" in os.environ and "TESTING" in os.environ else ["*"]
