"""``compose_lint --fix``: what of its changes may be written into a file that is committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.places.stack_lines import Lines
from noxlib.places.stack_lint import Mistake
from noxlib.sessions import compose_lint

URL = ("services", "app", "environment", "DATABASE_URL")
PORTS = ("services", "app", "ports")


@pytest.mark.parametrize(
    ("path", "text", "may"),
    [
        (URL, "environment: {DATABASE_URL: 'postgresql://u:${DB_PASSWORD}@db:5433/x'}", False),
        (URL, "environment: ['DATABASE_URL=postgresql://u:$DB_PASSWORD@db:5433/x']", False),
        (URL, "environment: [DATABASE_URL]", False),
        (URL, "environment: {DATABASE_URL: }", False),
        (URL, "env_file: [secrets.env]", False),
        (URL, "environment: {DATABASE_URL: 'postgresql://db:5433/x'}", True),
        (URL, "environment: ['DATABASE_URL=postgresql://db:5433/x']", True),
        (PORTS, "ports: ['8001:8000', '${ADMIN_PORT:-9001}:9000']", False),
        (PORTS, "ports: [{target: '${OWN}', published: '1'}]", False),
        (PORTS, "ports: ['8001:8000', {target: 1, published: '2'}]", True),
        (PORTS, "extends: {service: other}", False),
    ],
)
def test_what_the_file_takes_from_elsewhere_is_told_and_not_written_down(
    path: tuple[str, ...], text: str, may: bool, tmp_path: Path
) -> None:
    file = tmp_path / "a.yml"
    file.write_text(f"services:\n  app:\n    {text}\n")
    mistake = Mistake(path, "what", "fix", {"services": {}}, repeats=path)
    (found,) = compose_lint.mendable((mistake,), Lines((file,)))
    assert (found.change is not None) == may
    assert found.what == "what"


def test_what_repeats_nothing_is_mended_whatever_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("services: {app: {container_name: '$NAME'}}\n")
    mistake = Mistake(("services", "app", "container_name"), "", "", {"services": {}})
    assert compose_lint.mendable((mistake,), Lines((tmp_path / "a.yml",))) == (mistake,)
