"""The doctor's findings about programs, on a PATH of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.config.detect import load_project
from noxlib.sessions import programs
from noxlib.sessions.finding import Finding


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\n')
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(programs, "_SECONDS", 600.0)  # for a machine that is busy
    return tmp_path


def program(folder: Path, name: str, text: str) -> None:
    (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / "bin" / name).chmod(0o755)


def findings(folder: Path) -> dict[str, Finding]:
    return {found.name: found for found in programs.look(load_project(folder))}


def test_a_machine_with_nothing_lacks_much_and_each_has_a_fix(folder: Path) -> None:
    found = findings(folder)
    assert {"ssh", "qemu", "kvm", "vmtest", "slurm", "apptainer"} <= set(found)
    assert [name for name, one in found.items() if not one.ok and not one.fix] == []
    assert not any(one.needed for one in found.values())
    assert found["vmtest"].value == "vmtest is not on PATH (without it: no vmtest -- --rung vmtest)"


def test_a_program_tells_its_version_on_either_stream(folder: Path) -> None:
    program(folder, "ssh", "echo OpenSSH_9.2p1 Debian-2, OpenSSL 3.0 >&2")
    program(folder, "apptainer", "echo apptainer version 1.4.5")
    found = findings(folder)
    assert (found["ssh"].ok, found["apptainer"].ok) == (True, True)
    assert found["ssh"].value.startswith("OpenSSH_9.2p1 Debian-2, OpenSSL 3.0 at ")


def test_a_program_that_is_too_old_is_as_good_as_none(folder: Path) -> None:
    program(folder, "apptainer", "echo apptainer version 1.1.9")
    assert findings(folder)["apptainer"].value == "apptainer version 1.1.9; it is older than 1.2"
    assert not findings(folder)["apptainer"].ok


def test_a_program_that_fails_or_cannot_start_is_told_and_no_traceback(folder: Path) -> None:
    program(folder, "vmtest", "echo no library; exit 127")
    program(folder, "kubectl", "")
    (folder / "bin" / "kubectl").write_bytes(b"\x7fELF broken")
    found = findings(folder)
    assert found["vmtest"].value.endswith("vmtest ends with 127: no library")
    assert not found["kubectl"].ok


def test_where_sbatch_is_this_is_a_login_node(folder: Path) -> None:
    program(folder, "sbatch", "echo slurm-wlm 24.11.5")
    assert findings(folder)["slurm"].ok


@pytest.mark.parametrize(
    ("table", "needed"),
    [
        ("", set()),
        ('[hpc]\nhost = "you@login"', {"ssh"}),
        ('[hpc]\nhost = "here"', {"slurm"}),
        ('[sanity]\nhost = "root@host"', {"ssh"}),
        ("[vmtest]\ncpus = 2", {"qemu", "qemu-img"}),
        ('[vmtest]\nrung = "vmtest"', {"qemu", "qemu-img", "vmtest"}),
    ],
)
def test_what_the_configuration_names_is_needed(folder: Path, table: str, needed: set[str]) -> None:
    (folder / "noxlib.toml").write_text(f"{table}\n")
    assert {name for name, found in findings(folder).items() if found.needed} == needed


def test_services_that_are_configured_need_compose(folder: Path) -> None:
    (folder / "noxlib.toml").write_text('[compose_integration]\nrunner = "tests"\n')
    assert programs.needs(load_project(folder).config) == {"compose"}


@pytest.mark.parametrize(
    ("text", "version"),
    [("QEMU emulator version 7.2.22 (Debian 1:7.2)", (7, 2, 22)), ("slurm 24.11.5", (24, 11, 5)), ("none", ())],
)
def test_the_first_version_in_a_text_counts(text: str, version: tuple[int, ...]) -> None:
    assert programs.version_in(text) == version
