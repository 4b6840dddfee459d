"""A testground as SIF, Apptainer's one file: made once per digest, on the cluster, in its shared home."""

from __future__ import annotations

import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Optional

from noxlib.engines import apptainer, images
from noxlib.errors import BuildError, EngineError, NoxlibError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from noxlib.engines.docker import Docker
    from noxlib.engines.slurm import Slurm
    from noxlib.testground.sif_found import Found

SECONDS = 1800.0  #: for a node to be free and to build
KEPT_DAYS = 14  #: that a SIF is kept which no run has asked for
#: $1 the SIF. Each run touches the one that it takes: what is old has not been taken for as long.
_TAKE = 'test -s "$1" && touch -c "$1"'
# $1 our folder. One that a run's job script names is in use, however long that run has been waiting.
_FORGET = f"""
find "$1/sif" -maxdepth 1 -name "*.sif" -mtime +{KEPT_DAYS - 1} | while read -r sif; do
    grep -lqsF "${{sif##*/}}" "$1"/runs/*/job.sh || rm -f "$sif"
done
"""
#: $1 the archive. A sender that was killed left its own; none takes a day.
_RECEIVE = 'find "${1%/*}" -maxdepth 1 -name "*.tar" -mmin +1440 -delete; cat >"$1"'
# $1 archive, $2 target. One process builds, the others of that moment wait for it; a file appears whole or not at all.
_BUILD = """
set -eu
exec 9>"$2.lock"
flock 9
if [ ! -s "$2" ]; then
    APPTAINER_MKSQUASHFS_ARGS='%s' apptainer --quiet build --force "$2.new" "docker-archive:$1"
    mv "$2.new" "$2"
fi
rm -f "$1" "$2.lock"
"""


def ensure(
    docker: Docker,
    image: str,
    slurm: Slurm,
    folder: str,
    options: tuple[str, ...] = (),
    made: Callable[[], Optional[Found]] = lambda: None,
) -> str:
    """The path of the image's SIF on the cluster; where it is not there yet it is sent, or built there by a node.

    Args:
        docker: The engine that has the image.
        image: Its id, ``sha256:…``.
        slurm: The cluster.
        folder: Absolute path of our folder in the shared home.
        options: Of srun: partition, account.
        made: Gives one that somebody made already.

    Raises:
        BuildError: Apptainer refuses the image, or no node has it.
    """
    target = f"{folder}/sif/{image.partition(':')[2]}.sif"
    if slurm.runner.run(("sh", "-c", _TAKE, "sh", target), check=False).returncode == 0:
        return target
    slurm.runner.run(("mkdir", "-p", "-m", "700", folder, f"{folder}/sif"))
    slurm.runner.run(("sh", "-c", _FORGET, "sh", folder), check=False)
    found = made()
    if found is None or not _send(slurm, found, target):
        _make(docker, image, slurm, target, options)
    return target


def _send(slurm: Slurm, found: Found, target: str) -> bool:
    """Send one that is made; whether it is there, as a whole."""
    print(f"noxlib: the testground's SIF goes to the cluster, from {found.where}", flush=True)
    aside = f"{target}.{secrets.token_hex(4)}.tar"
    try:
        with _gone(slurm, aside):
            slurm.runner.feed(("sh", "-c", _RECEIVE, "sh", aside), found.pieces)
            slurm.runner.run(("mv", "-f", "--", aside, target))
    except EngineError as error:
        print(f"noxlib: it did not arrive: {error.what}", flush=True)
        return False
    return True


def _make(docker: Docker, image: str, slurm: Slurm, target: str, options: tuple[str, ...]) -> None:
    print("noxlib: the testground goes to the cluster and becomes a SIF there, once", flush=True)
    began = time.monotonic()
    archive = f"{target}.{secrets.token_hex(4)}.tar"
    with _gone(slurm, archive, f"{target}.new"):
        slurm.runner.feed(("sh", "-c", _RECEIVE, "sh", archive), images.save((image,), docker))
        _build(slurm, archive, target, options)
    print(f"noxlib: SIF made in {time.monotonic() - began:.1f} s", flush=True)


@contextlib.contextmanager
def _gone(slurm: Slurm, *paths: str) -> Iterator[None]:
    """What fails in the middle leaves nothing there."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(NoxlibError):  # then the next one that is sent removes it, once it is old
            slurm.runner.run(("rm", "-f", "--", *paths), check=False)
        raise


def _build(slurm: Slurm, archive: str, target: str, options: tuple[str, ...]) -> None:
    words = ("--job-name=noxlib-sif", "--nodes=1", "--ntasks=1", "--quiet", *options)
    done = slurm.call(
        "srun", *words, "sh", "-c", _BUILD % apptainer.COMPRESSION, "sh", archive, target, check=False, timeout=SECONDS
    )
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = next((line for line in lines if line.startswith("FATAL")), lines[-1] if lines else "it said nothing")
        raise BuildError(f"the cluster could not make a SIF of the testground: {said[:300]}", _todo(said))


def _todo(said: str) -> str:
    if "apptainer" in said and "not found" in said:
        return "the nodes have no Apptainer: ask the site for it, or load its module in your shell's start file"
    return "run `apptainer build` by hand on a node to see why"
