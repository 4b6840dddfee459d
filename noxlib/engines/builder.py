"""BuildKit through python-on-whales: builds and pulls images. Imported only where there is something to build."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Optional, cast

import msgspec

from noxlib import atomic, temporary
from noxlib.engines import builders, client, layers, offline, podman, process
from noxlib.engines.buildfailure import failure, registry_failure
from noxlib.engines.index import ca_bundle, for_pip, index_secrets, mask
from noxlib.engines.layers import Layers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from python_on_whales import DockerClient

    from noxlib.engines.docker import Docker

_KEPT = 400  # last lines of the builder's output, for the error
RUN_SECONDS = 300.0  #: for a short command in a container, which a busy engine starts late
STOP_SECONDS = 5.0  #: for the docker command to end a build that nobody waits for any more
_STEP = re.compile(r"#\d+ (\[.*)")


class Build(msgspec.Struct, frozen=True):
    """What is built from where. Labels and arguments are seen by anybody: no secret is among them."""

    context: Path
    dockerfile: Path
    tags: tuple[str, ...]
    log: Path
    target: Optional[str] = None
    arguments: dict[str, str] = {}
    labels: dict[str, str] = {}
    images: dict[str, str] = {}  #: reference in the Dockerfile -> the one to take instead
    platform: Optional[str] = None  #: another one than the engine's own
    cached: bool = True  #: steps of earlier builds are taken as they are
    layers: Optional[Layers] = None  #: steps of other machines' builds
    builder: str = builders.OWN  #: what it builds lands in the engine all the same


def build(wanted: Build, docker: Docker) -> None:
    """Build and tag in the engine; the whole output goes to ``wanted.log``, each step's name to stdout.

    Raises:
        noxlib.errors.BuildError: The Dockerfile failed; its own line and the last output are shown.
        EngineError: There is no builder, or a registry does not answer.
    """
    from python_on_whales.exceptions import DockerException  # noqa: PLC0415 - this module's one heavy import, when needed

    offline.forbid(f"the image {wanted.tags[0]}", "base images and package indexes, of which it is built")
    last: deque[str] = deque(maxlen=_KEPT)
    with _secrets() as secrets, layers.configured(wanted.layers) as config, _family_stopped_on_error():
        try:
            if docker.kind == "podman":
                _follow(podman.build(docker.endpoint, _words(wanted, secrets)), podman.STEP, wanted.log, last)
            else:
                _follow(_buildkit(wanted, docker, secrets, config), _STEP, wanted.log, last)
        except podman.Failed:
            raise podman.failure(list(last), wanted.dockerfile.name, wanted.log) from None
        except DockerException as error:  # its text holds the whole command line: only the return code is taken
            raise failure(list(last), wanted.dockerfile.name, error.return_code, wanted.log) from None


def _buildkit(wanted: Build, docker: Docker, secrets: list[str], config: Optional[Path]) -> Iterator[str]:
    lines = client.connect(docker.endpoint, builders.command(), config=config).buildx.build(
        wanted.context,
        file=wanted.dockerfile,
        tags=list(wanted.tags),
        target=wanted.target,
        build_args=dict(wanted.arguments),
        build_contexts={name: f"docker-image://{image}" for name, image in wanted.images.items()},
        labels=dict(wanted.labels),
        secrets=secrets,
        platforms=[wanted.platform] if wanted.platform else None,
        builder=wanted.builder,
        cache=wanted.cached,
        **layers.options(wanted.layers, docker, wanted.builder),
        load=True,
        provenance=False,
        progress="plain",
        stream_logs=True,
    )
    return cast("Iterator[str]", lines)


def _words(wanted: Build, secrets: list[str]) -> list[str]:
    """The arguments of a build on a command line."""
    pairs: dict[str, Sequence[str]] = {
        "--file": [str(wanted.dockerfile)],
        "--tag": wanted.tags,
        "--target": [wanted.target] if wanted.target else [],
        "--build-arg": [f"{name}={value}" for name, value in wanted.arguments.items()],
        "--build-context": [f"{name}=docker-image://{image}" for name, image in wanted.images.items()],
        "--label": [f"{name}={value}" for name, value in wanted.labels.items()],
        "--secret": secrets,
        "--platform": [wanted.platform] if wanted.platform else [],
    }
    options = [f"{name}={value}" for name, values in pairs.items() for value in values]
    return [*options, *(() if wanted.cached else ("--no-cache",)), str(wanted.context)]


def _follow(lines: Iterator[str], steps: re.Pattern[str], log: Path, last: deque[str]) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    with log.open("w", encoding="utf-8", buffering=1) as stream:  # each line at once: it may be followed, or cut short
        for raw in lines:
            line = mask(raw.rstrip("\n"))
            stream.write(line + "\n")
            last.append(line)
            step = steps.match(line)
            if step and step.group(1) not in seen and "[internal]" not in line:
                seen.add(step.group(1))
                print(f"  {step.group(1)[:150]}", flush=True)


def pull(reference: str, docker: Docker) -> None:
    """Pull an image. Raises EngineError, a rate limit (429) explained as such."""
    from python_on_whales.exceptions import DockerException  # noqa: PLC0415

    offline.forbid(f"the image {reference}", "its registry")
    try:
        _client(docker).image.pull(reference, quiet=True)
    except DockerException as error:
        raise registry_failure(reference, mask(error.stderr or "")) from None


def run(reference: str, argv: Sequence[str], docker: Docker) -> str:
    """Run a short command in an image, network off; what it printed, also where it failed."""
    fixed = ["run", "--rm", "--pull=never", "--network=none", "--entrypoint", argv[0]]
    program = podman.command(docker.endpoint) if docker.kind == "podman" else [builders.command()]
    done = process.run([*program, *fixed, reference, *argv[1:]], env=docker.command_environment(), timeout=RUN_SECONDS)
    return done.stdout if done.returncode == 0 else f"{done.stdout}{done.stderr}"


def user(reference: str, docker: Docker) -> str:
    """The user that an image runs as; empty for root."""
    inspected = _client(docker).image.inspect(reference)
    return inspected.config.user or ""


def _client(docker: Docker) -> DockerClient:
    if docker.kind == "podman":
        return client.of_podman(podman.command(docker.endpoint))
    return client.connect(docker.endpoint, builders.command())


@contextlib.contextmanager
def _secrets() -> Iterator[list[str]]:
    """BuildKit secrets: the CA bundle, the indexes with their credentials, netrc. Their files have mode 0600 and go."""
    with temporary.folder() as folder:
        found = {"ca": ca_bundle(os.environ), "netrc": _netrc(os.environ)}
        variables = index_secrets(os.environ)
        if variables:
            script = folder / "index"
            lines = (f"{name}={shlex.quote(value)}\n" for name, value in {**variables, **for_pip(variables)}.items())
            atomic.write(script, "".join(lines).encode())
            found["index"] = str(script)
        yield [f"id={name},src={path}" for name, path in found.items() if path]


def _netrc(environ: Mapping[str, str]) -> Optional[str]:
    path = Path(environ.get("NETRC") or Path.home() / ".netrc")
    return str(path) if path.is_file() else None


@contextlib.contextmanager
def _family_stopped_on_error() -> Iterator[None]:
    """python-on-whales leaves the docker command running when the reader is interrupted: end what was started here."""
    import psutil  # noqa: PLC0415

    before = {child.pid for child in psutil.Process().children(recursive=True)}
    try:
        yield
    except BaseException:
        started = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
        for number in (signal.SIGTERM, signal.SIGKILL):  # told first, so that the engine hears of it
            for child in started:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.send_signal(number)
            _, started = psutil.wait_procs(started, STOP_SECONDS)
        raise
