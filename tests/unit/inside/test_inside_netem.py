"""netem: only in a machine of the run's own, and only what it knows."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from noxlib.inside import netem
from noxlib.inside.faults import Faults
from noxlib.inside.network import Network, ProxyProcess


def test_it_is_refused_outside_of_a_machine_of_ours(tmp_path: Path) -> None:
    line = tmp_path / "cmdline"
    line.write_text("console=ttyS0 quiet noxlib.guest\n")
    assert netem.refusal(line) is None
    line.write_text("console=ttyS0 quiet noxlib.guests\n")
    assert "mark the test vmtest" in str(netem.refusal(line))
    assert netem.refusal(tmp_path / "absent") is not None


def test_outside_of_one_a_link_skips_its_test_and_touches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netem, "hold", lambda *_: pytest.fail("it touched this machine's network"))
    with pytest.raises(pytest.skip.Exception, match="virtual machine"):
        Network(ProxyProcess(), {"name": "ci", "network_simulation": True}).link("lo", "wan").__enter__()


@pytest.mark.parametrize("fault", [{"cut_at": 0}, {"refuse": True}, {"slow_close": 1}, {"drop": 0.5}, {"dns": True}])
def test_what_only_a_proxy_can_do_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"a link has no {next(iter(fault))}"):
        netem.checked(Faults(**fault))  # type: ignore[arg-type]


def test_faults_are_told_in_the_kernels_units() -> None:
    found = netem.options(Faults(latency=0.2, jitter=0.01, bandwidth=1e6, loss=1), share=0.5)
    assert struct.unpack_from("=6I", found) == (0, netem.LIMIT, 0xFFFFFFFF, 0, 0, 0)
    assert struct.unpack_from("=HHq", found, 24) == (12, netem.LATENCY, 100_000_000)
    assert struct.unpack_from("=HHq", found, 36) == (12, netem.JITTER, 5_000_000)
    assert struct.unpack_from("=HHI", found, 48) == (20, netem.RATE, 1_000_000)


def test_attributes_are_padded_to_four_bytes() -> None:
    assert netem.attribute(1, b"netem\0") == struct.pack("=HH", 10, 1) + b"netem\0\0\0"
