"""Services of a compose file whose Dockerfile tests something else than it deploys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from noxlib.places.stack import Table
from noxlib.places.stack_lint import Mistake
from noxlib.testground import stages


def mistakes(config: Table) -> Iterator[Mistake]:
    """A mistake for each difference between the stages of the tests and of the deployment, at the first that is built.

    Args:
        config: What ``docker compose config`` says, with ``$`` for its ``$$``.
    """
    seen: set[Path] = set()
    for name, service in (config.get("services") or {}).items():
        build = service.get("build") or {}
        file = Path(build.get("context", ""), build.get("dockerfile", "Dockerfile"))
        if build and file not in seen and file.is_file():
            seen.add(file)
            arguments = {key: value for key, value in (build.get("args") or {}).items() if value is not None}
            for difference in stages.differences(file.read_text("utf-8", "replace"), arguments):
                yield Mistake(
                    ("services", name, "build"),
                    f"{file.name}: {difference}: what is tested is not what is deployed",
                    "let both have one base and one lock",
                )
