"""pip fetches wheels as files, and builds them where there is none; uv installs, and keeps no wheel as it was."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from noxlib import temporary
from noxlib.engines import process, uv
from noxlib.engines.index import ca_bundle, for_pip, index_secrets, mask
from noxlib.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SECONDS = 1800.0
_EPOCH = "315532800"  #: 1980, the first moment of a zip: a wheel that is built twice is the same where its back end can


class Pip:
    """pip of an interpreter, in a throw-away environment below a folder of the caller's.

    Raises:
        BuildError: pip cannot be had.
    """

    def __init__(self, interpreter: Path, folder: Path) -> None:
        environment = folder / "environment"
        uv.create_environment(environment, str(interpreter))
        uv.install_requirements(environment, ("pip",), folder)
        self._python = str(environment / "bin" / "python")

    def wheel(self, words: Sequence[str], cwd: Path, target: Path) -> None:
        """The wheels of requirements, ``-r FILE``, into a folder; what has no fitting wheel is built.

        Raises:
            BuildError: In pip's own words.
        """
        argv = [self._python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-input", "--wheel-dir", str(target)]
        with temporary.folder() as aside:  # what a build leaves, whatever TMPDIR is for
            environment = {**_environment(os.environ), "TMPDIR": str(aside)}
            done = process.run([*argv, *words], cwd=cwd, env=environment, timeout=_SECONDS)
        if done.returncode:
            raise BuildError(
                f"pip cannot make the wheels: {_reason(done.stderr)}",
                "what builds them has to be on this machine too: see its last lines; or leave --bundle out",
            )


def _environment(environ: Mapping[str, str]) -> Mapping[str, str]:
    """This machine's, with the indexes that uv is told where pip is told none."""
    bundle = ca_bundle(environ)
    told = {**for_pip(index_secrets(environ)), **({"PIP_CERT": bundle} if bundle else {})}
    return {**told, **environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "SOURCE_DATE_EPOCH": _EPOCH}


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in mask(stderr).splitlines() if line.strip()]
    said = [line.partition("ERROR: ")[2] for line in lines if line.startswith("ERROR: ")]
    return "; ".join(said[:3])[:600] or (lines[-1] if lines else "it said nothing")[:600]
