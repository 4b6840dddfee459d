"""The project's compose file, what overrides it, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Optional

from noxlib.config.project import Project
from noxlib.engines.docker import Docker
from noxlib.errors import PlaceError
from noxlib.ledger import Ledger
from noxlib.places import stack, stack_lint, stack_programs
from noxlib.places.stack import Table
from noxlib.places.stack_lines import Lines
from noxlib.places.stack_lint import Mistake
from noxlib.sessions import compose_stages
from noxlib.sessions.context import say


def of(project: Project) -> tuple[Path, ...]:
    """The compose file, and its override where there is one: ``X.override.yml`` beside ``X.yml``, as compose has it.

    Raises:
        PlaceError: there is no such file.
    """
    name = project.config.compose_integration.file
    file = project.root / name
    if not file.is_file():
        raise PlaceError(
            f"there is no file {name}, so there are no services to start",
            "`python -m noxlib init --compose` writes one; or name it by file in [tool.noxlib.compose_integration]",
            cause="compose",
        )
    return tuple(one for one in (file, override_of(file)) if one.is_file())


def override_of(file: Path) -> Path:
    """Where the override of a compose file lies."""
    return file.with_name(f"{file.stem}.override{file.suffix}")


def mistakes(config: Table, project: str, docker: Optional[Docker]) -> tuple[Mistake, ...]:
    """What is wrong with what compose understood; with an engine, in the images that it has too.

    Raises:
        EngineError: the engine fails.
    """
    config = stack.unescaped(config)
    if docker is None:
        return (*stack_lint.mistakes(config, project), *compose_stages.mistakes(config))
    services: dict[str, Table] = config.get("services") or {}
    found: list[Mistake] = []
    for name, service in services.items():
        image = docker.image(service["image"]) if "image" in service else None
        if image is None:
            say(f"noxlib: the image of {name} is not here, so its programs are not looked for")
            continue
        found += stack_programs.mistakes(name, service, image, docker, Ledger())
        if image.health:
            service.setdefault("healthcheck", {"test": list(image.health)})
    return (*stack_lint.mistakes(config, project), *compose_stages.mistakes(config), *found)


def warn(config: Table, project: str, files: tuple[Path, ...]) -> None:
    """One line for each mistake that the files alone show, before anything is started."""
    told(mistakes(config, project, None), files, "noxlib: ", with_fix=False)


def told(found: Iterable[Mistake], files: tuple[Path, ...], before: str = "", *, with_fix: bool = True) -> None:
    """Tell each mistake with its file and line, in their order."""
    found = tuple(found)
    lines = Lines(files) if found else None
    for (file, line), mistake in sorted(((lines.at(*one.path), one) for one in found if lines), key=lambda one: one[0]):
        say(f"{before}{file}:{line}: {mistake.what}" + (f"\n  {mistake.fix}" if with_fix else ""))
