"""Whether the kernel has an emulator for programs of another architecture, by what binfmt_misc says."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.places.emulator import emulates

ARM64 = "7f454c460201010000000000000000000200b700"
AMD64 = "7f454c4602010100000000000000000002003e00"


def entry(magic: str, *, state: str = "enabled", flags: str = "POCF", offset: str = "0") -> str:
    """As the kernel prints one (fs/binfmt_misc.c)."""
    return (
        f"{state}\ninterpreter /usr/bin/qemu-aarch64-static\nflags: {flags}\noffset {offset}\nmagic {magic}\nmask ff\n"
    )


@pytest.fixture
def formats(tmp_path: Path) -> Path:
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "register").write_text("")
    (tmp_path / "jar").write_text("enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n")
    return tmp_path


def test_an_emulator_is_known_by_the_machine_in_its_magic_whatever_its_name(formats: Path) -> None:
    (formats / "something").write_text(entry(ARM64))
    assert emulates("linux/arm64", formats)
    assert not emulates("linux/amd64", formats)
    (formats / "rosetta").write_text(entry(AMD64, flags="F"))
    assert emulates("linux/amd64", formats)


@pytest.mark.parametrize(
    "text",
    [
        entry(ARM64, state="disabled"),
        entry(ARM64, flags="OC"),  # a container would need a copy of it
        entry(ARM64, offset="4"),
        entry("b700"),
        entry(""),
        "",
        "\0\xff",
    ],
)
def test_one_that_does_not_start_programs_in_containers_is_none(formats: Path, text: str) -> None:
    (formats / "qemu-aarch64").write_text(text)
    assert not emulates("linux/arm64", formats)


def test_where_all_are_switched_off_or_cannot_be_seen_there_is_none(formats: Path, tmp_path: Path) -> None:
    (formats / "qemu-aarch64").write_text(entry(ARM64))
    (formats / "status").write_text("disabled\n")
    assert not emulates("linux/arm64", formats)
    assert not emulates("linux/arm64", tmp_path / "nothing")
