"""Building a testground: labels, the stage, and for a project's own Dockerfile what its image lacks."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib import temporary
from noxlib.config import event as events
from noxlib.engines import builder, builders, git, images, uv
from noxlib.engines.buildfailure import TEMPLATE
from noxlib.engines.layers import Layers
from noxlib.errors import BuildError, ConfigError
from noxlib.places import box
from noxlib.testground import bases, layercache, names, pylock, recipe

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker
    from noxlib.engines.imageinfo import ImageInfo
    from noxlib.testground.recipe import Order

_OCI = "org.opencontainers.image."
_PROBE = (
    "import json, sys, importlib.util as u; "
    "print(json.dumps({'interpreter': sys.executable, 'version': '%d.%d' % sys.version_info[:2], "
    "'pytest': bool(u.find_spec('pytest')), 'coverage': bool(u.find_spec('coverage'))}))"
)


def build(order: Order, docker: Docker) -> None:
    """Build the testground and tag it. Raises BuildError, EngineError."""
    build_untagged(order, docker)
    mark_local(order.reference, order.python, docker)


def mark_local(reference: str, python: str, docker: Docker) -> None:
    """Give what was built last its name, ``py3.10-local``; not to another platform's. Raises EngineError."""
    if docker.platform == docker.native:
        images.tag(reference, f"{reference.rpartition(':')[0]}:{names.tag(python, 'local')}", docker)


def build_untagged(order: Order, docker: Docker) -> None:
    """Build the testground under its reference alone. Raises BuildError, EngineError."""
    if order.recipe.own:
        _build_own(order, docker)
    else:
        build_stage(order, order.recipe.target, docker)


def build_stage(order: Order, target: str, docker: Docker, *, reference: Optional[str] = None) -> None:
    """Build one stage under a reference. Raises BuildError, EngineError."""
    project = order.project
    planned = order.recipe
    arguments = {"PYTHON_VERSION": order.python} if planned.own else {"UV_VERSION": uv.version()}
    elsewhere = _elsewhere(order, docker)
    with recipe.staged(project, planned, order.lock) as (context, file):
        wanted = builder.Build(
            context=context,
            dockerfile=file,
            tags=(reference or order.reference,),
            log=order.log,
            target=target or None,
            arguments=arguments,
            labels=_labels(order),
            images={**_images(order, docker), **order.pinned},
            platform=docker.platform if docker.platform != docker.native else None,
            cached=not order.again,
            layers=_layers(order, target, docker),
        )
        if elsewhere is not None:
            name, images = elsewhere
            wanted = msgspec.structs.replace(wanted, builder=name, images=images, platform=docker.platform)
        builder.build(wanted, docker)


def _elsewhere(order: Order, docker: Docker) -> Optional[tuple[str, dict[str, str]]]:
    """Another builder than the engine's own, and the very same base images as it gets them: from their registries.

    None where there is none; where one of them is in no registry, which is told; and for what is built once more.

    Raises:
        EngineError: ``BUILDX_BUILDER`` names none.
    """
    name = builders.OWN if order.again else builders.chosen(docker)
    if name == builders.OWN:
        return None
    found: dict[str, str] = {}
    for reference, info in order.bases.items():
        source = recipe.mirrored(reference, order.project.config.mirrors)
        digest = by_digest(source, info)
        if digest is None:
            print(f"noxlib: {source} is in this engine alone, so its own builder is taken, and not {name}", flush=True)
            return None
        found[reference if order.recipe.own else source] = digest
    return name, found


def by_digest(source: str, info: ImageInfo) -> Optional[str]:
    """``name@sha256:…`` under which the registry of a base image has the very same one; None where it has it not."""
    from noxlib.engines import registryauth  # noqa: PLC0415 - with these two comes requests
    from noxlib.testground import foreign  # noqa: PLC0415

    wanted = registryauth.split(foreign.split(source)[0])
    return next((one for one in info.digests if registryauth.split(one.partition("@")[0]) == wanted), None)


def _layers(order: Order, target: str, docker: Docker) -> Optional[Layers]:
    """The layer cache of the registry; the stage of the testground writes it, with all that leads there."""
    event = events.read(os.environ)
    if order.again or event.kind == "none" or docker.kind == "podman":
        return None
    from noxlib.testground import remote  # noqa: PLC0415 - brings the registry

    try:
        found = layercache.of(remote.image_of(order.project), order.python, docker.platform, event)
    except ConfigError:  # no registry is known
        return None
    return found if target == order.recipe.target or found is None else msgspec.structs.replace(found, write=False)


def _images(order: Order, docker: Docker) -> dict[str, str]:
    """References in the Dockerfile that are taken from elsewhere: mirrored ones, and those of another platform."""
    planned, mirrors = order.recipe, order.project.config.mirrors
    sources = {name: recipe.mirrored(name, mirrors) for name in planned.images}
    written = sources if planned.own else {source: source for source in sources.values()}  # the template mirrors itself
    taken = {name: bases.name_here(source, docker) for name, source in written.items()}
    return {name: here for name, here in taken.items() if name != here}


def _labels(order: Order) -> dict[str, str]:
    """OCI annotations as labels, ``created`` being the commit's time; they tell of the build, not of later commits."""
    project = order.project
    head = git.head(project.root)
    told = {
        f"{_OCI}title": f"{project.name} testground, Python {order.python}",
        f"{_OCI}source": git.remote_url(project.root) if order.source is None else order.source,
        f"{_OCI}revision": head.commit if head else None,
        f"{_OCI}created": git.commit_time(project.root, head.commit) if head else None,
        f"{_OCI}version": project.metadata.get("project", {}).get("version"),
        f"{_OCI}base.name": order.recipe.base,
        f"{_OCI}base.digest": order.base_digest,
        f"{box.LABEL}fingerprint": order.fingerprint,
        f"{box.LABEL}recipe": order.shared,
        bases.LABEL: bases.label(order.bases),
        f"{box.LABEL}python": order.python,
        f"{box.LABEL}lock": order.lock.key,
        f"{box.LABEL}lock-digest": order.lock.digest,
        f"{box.LABEL}project": project.name,
    }
    return {name: str(value) for name, value in told.items() if value}


def _build_own(order: Order, docker: Docker) -> None:
    """The project's own image, then a thin layer: what it lacks, and where its Python is."""
    foreign = f"{order.reference}-own"
    build_stage(order, order.recipe.target, docker, reference=foreign)
    info = docker.image(foreign)
    if info is None:
        raise BuildError(f"the builder ended well, but {foreign} is not in the engine", "look at: docker buildx ls")
    probe = _probe(order, foreign, docker)
    text = _thin_layer(order, foreign, probe, docker)
    with temporary.folder() as aside:
        file = aside / TEMPLATE
        file.write_text(text, "utf-8")
        labels = {f"{box.LABEL}interpreter": probe["interpreter"], f"{box.LABEL}foreign": info.id, **_labels(order)}
        wanted = builder.Build(
            context=file.parent,
            dockerfile=file,
            tags=(order.reference,),
            log=order.log,
            labels=labels,
            platform=docker.platform if docker.platform != docker.native else None,
            cached=not order.again,
        )
        builder.build(wanted, docker)


def _probe(order: Order, reference: str, docker: Docker) -> dict[str, Any]:
    """Which Python the image has, and whether pytest and coverage are in it. Raises BuildError."""
    name = str(order.project.dockerfile)
    said = builder.run(reference, ["python", "-c", _PROBE], docker)
    try:
        probe: dict[str, Any] = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise BuildError(
            f"the image of {name} has no working python: {said.strip()[-300:]}", f"install it in {name}"
        ) from error
    if probe["version"] != pylock.number(order.python):
        raise BuildError(
            f"the image of {name} has Python {probe['version']}, not {order.python}",
            "use the build argument PYTHON_VERSION in its FROM",
        )
    if not probe["pytest"]:
        raise BuildError(
            f"the image of {name} has no pytest", f"install it in {name}: RUN python -m pip install pytest"
        )
    return probe


def _thin_layer(order: Order, foreign: str, probe: dict[str, Any], docker: Docker) -> str:
    if probe["coverage"]:
        return f"FROM {foreign}\n"
    from noxlib.testground.template import MOUNTS, SECRETS  # noqa: PLC0415 - the only use of the template here

    secrets = " \\\n    ".join(SECRETS)
    user = builder.user(foreign, docker)
    back = f"USER {user}\n" if user else ""
    install = f'"{probe["interpreter"]}" -m pip install --quiet --no-deps --root-user-action=ignore {_coverage(order)}'
    return f"FROM {foreign}\nUSER root\nRUN {' '.join(MOUNTS)} \\\n    {secrets} \\\n    {install}\n{back}"


def _coverage(order: Order) -> str:
    """The coverage of the lock."""
    texts = ((order.lock.folder / name).read_text("utf-8") for name in order.lock.files if name.endswith(".toml"))
    entries = (entry for text in texts for entry in pylock.packages(text, "the lock"))
    versions = [entry["version"] for entry in entries if entry["name"] == "coverage"]
    return f"coverage=={versions[0]}" if versions else "coverage"
