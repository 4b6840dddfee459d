"""Output that goes to no terminal has nothing that speaks to one, and all the rest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.engines import process
from noxlib.engines.escapes import LONGEST, Plain

SEQUENCES = (
    b"\x1b[2K",
    b"\x1b[0;31m",
    b"\x1b[?25l",
    b"\x1b[1 q",
    b"\x1b]0;a title\x07",
    b"\x1b]8;;https://example.org\x1b\\",
    b"\x1bP1$r\x1b\\",
    b"\x1b(B",
    b"\x1b7",
    b"\x1bc",
)


def plain(*chunks: bytes) -> bytes:
    one = Plain()
    return b"".join([*map(one.feed, chunks), one.flush()])


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_a_sequence_goes_and_the_text_around_it_stays(sequence: bytes) -> None:
    assert plain(b"a" + sequence + "ö\r\n".encode() + sequence) == "aö\r\n".encode()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"\x1b]0;a title without an end\nb", b"]0;a title without an end\nb"),
        (b"\x1b]" + b"x" * LONGEST, b"]" + b"x" * LONGEST),
        (b"a\x1b", b"a"),
        (b"a\x1b[3", b"a[3"),
        (b"\x1b\nb", b"\nb"),
        (b"\x1b\x1b[mb", b"b"),
    ],
)
def test_what_is_no_whole_sequence_stays_but_for_its_escape(given: bytes, kept: bytes) -> None:
    assert plain(given) == kept


@given(st.lists(st.sampled_from([*SEQUENCES, b"text\n", b"[0m", b";"])), st.integers(1, 7))
def test_wherever_a_stream_is_cut_the_same_stays(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    assert plain(*(data[at : at + size] for at in range(0, len(data), size))) == plain(data)
    assert b"\x1b" not in plain(data)


def test_a_secret_that_is_riddled_with_them_is_masked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = r"print('\x1b[2Kcorrect-\x1b[0mhorse-\x1b[0mbattery')"
    argv, log = (sys.executable, "-c", script), tmp_path / "it.log"
    assert process.stream(argv, log=log, plain=True, secrets=("correct-horse-battery",)).code == 0
    assert (capfd.readouterr().out, log.read_text()) == ("***\n", "***\n")
    process.stream(argv)
    assert "\x1b[2K" in capfd.readouterr().out
