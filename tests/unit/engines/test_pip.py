"""What pip is told, and what it tells."""

from __future__ import annotations

from pathlib import Path

from noxlib.engines import pip


def test_pip_asks_the_indexes_that_uv_asks_unless_it_is_told_its_own(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    uv = {"UV_DEFAULT_INDEX": "https://u:p@own.example/simple", "SSL_CERT_FILE": str(bundle), "HOME": str(tmp_path)}
    found = pip._environment(uv)
    assert (found["PIP_INDEX_URL"], found["PIP_CERT"]) == ("https://u:p@own.example/simple", str(bundle))
    told = pip._environment({**uv, "PIP_INDEX_URL": "https://other.example/simple", "PIP_CERT": "/ca"})
    assert (told["PIP_INDEX_URL"], told["PIP_CERT"]) == ("https://other.example/simple", "/ca")


def test_what_pip_says_is_told_without_credentials_and_without_its_traceback() -> None:
    said = (
        "  Traceback\n    File x\nERROR: Could not fetch https://u:secret@own.example/x\nERROR: No matching\nnotice\n"
    )
    assert pip._reason(said) == "Could not fetch https://own.example/x; No matching"
    assert pip._reason("") == "it said nothing"
