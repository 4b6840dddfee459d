"""The place ``container``: each command in a container of its own, over a workspace that belongs to this run alone."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING, Any, Optional

from noxlib import atomic
from noxlib.errors import EngineError, PlaceError
from noxlib.ledger import Ledger
from noxlib.places import accounts, box, following, reach, shared_data, tars
from noxlib.places.copied import Copied
from noxlib.places.files import INSIDE, copy
from noxlib.places.host import Facts
from noxlib.places.overlay import Overlay, scratch_root
from noxlib.places.scratch import Scratch
from noxlib.places.sized import Sized
from noxlib.places.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Self

    from noxlib.engines.docker import Docker
    from noxlib.engines.imageinfo import ImageInfo
    from noxlib.places.host import Command, Exit


class Container:
    """Host over an engine. Entering makes the workspace; each ``run`` is one container; leaving removes all.

    Args:
        docker: The engine.
        image: Name, digest or id of an image that the engine has; it is never pulled.
        run_id: Name of the run, unique on this machine.
        project: Name of the project, for the labels.
        checkout: The code under test; it is only read.
        run_folder: The run's folder on this machine, ``scratch`` on the host.
        prepared_site: Folder of site-packages entries made by the project's build.
        prepared_tree: Files made by the build that are laid over the checkout.
        python: The testground's interpreter in the image.
        ledger: Where what we start is written down.
        keep: Leave the workspace to the user, and say where it is.
        attachment: What its containers get of a stack of services that they join.
    """

    name = "container"
    facts = Facts()
    workspace = box.WORKSPACE
    inside = box.LIB
    scratch = box.RUN

    def __init__(
        self,
        docker: Docker,
        image: str,
        *,
        run_id: str,
        project: str,
        checkout: Path,
        run_folder: Path,
        prepared_site: Optional[Path] = None,
        prepared_tree: Optional[Path] = None,
        python: str = box.PYTHON,
        ledger: Optional[Ledger] = None,
        keep: bool = False,
        attachment: box.Attachment = box.ALONE,
    ) -> None:
        self.python = python
        self._keep = keep
        self._attachment = attachment
        self._docker = docker
        self._image = image
        self._run_id = run_id
        self._run_folder = run_folder.absolute()
        self._checkout = checkout.absolute()
        self._prepared_site = prepared_site
        self._prepared_tree = prepared_tree
        self._ledger = ledger or Ledger()
        self._labels = box.labels(run_id, project)
        self._ready: Optional[_Ready] = None

    def __enter__(self) -> Self:
        info = self._docker.image(self._image)
        if info is None:
            raise EngineError(f"the engine has no image {self._image}", "build it first: nox -s testground_build")
        self._run_folder.mkdir(parents=True, exist_ok=True)
        reaches = reach.of(self._docker, info.id, self._ledger, self._labels)
        self._ready = _Ready(info, reaches, self._new_workspace(reaches))
        try:
            self._ready.workspace.create()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._keep:
            print(f"noxlib: kept, and yours to remove: {self._now.workspace.keep()}", flush=True)
            return
        try:
            self._now.workspace.close()
        except (OSError, EngineError) as error:  # the ledger keeps it for the next start
            print(f"noxlib: the workspace of {self._run_id} is left for `nox -s reap`: {error}", flush=True)

    def put(self, source: Path, target: str) -> None:
        """Copy a file or folder into the run's folder, which the container sees as ``scratch``."""
        copy(source, self._run_folder / target)

    def get(self, source: str, target: Path) -> None:
        """Copy a file or folder of the run's folder; an absent one is no error."""
        found = self._run_folder / source
        if found.exists():
            copy(found, target)

    def write_back(self, patterns: tuple[str, ...], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; the relative paths copied or removed."""
        return self._now.workspace.write_back(patterns, checkout)

    def run(self, command: Command) -> Exit:
        """Run a command in a container of its own and remove that, whatever happens.

        Ctrl-C stops it gently (TERM, 10 s for it to write its result; a second Ctrl-C cuts that short) and is
        raised again.

        Raises:
            EngineError: The engine fails; cause ``lost`` where it stopped answering.
        """
        if command.limits.disk and not isinstance(self._now.workspace, Sized):
            self._now.limit_disk(self._sized(command.limits.disk))
        with self._created(command) as container:
            if command.terminal:
                return following.attended(self._docker, container, command)
            return following.followed(self._docker, container, command)

    @property
    def _now(self) -> _Ready:
        assert self._ready is not None, "a host is entered before it is used"
        return self._ready

    def _new_workspace(self, reaches: reach.Reach) -> Scratch | Copied:
        name = box.name_of(self._run_id, secrets.token_hex(3))
        folder = scratch_root(self._ledger.folder.parent, self._checkout) / name
        overlay = Overlay(self._checkout, self._prepared_tree, folder)
        if reaches.overlay and overlay.possible():
            return Scratch(self._docker, self._image, self._ledger, run=self._run_id, overlay=overlay, folder=folder)
        return Copied(self._volume(name, reaches))

    def _sized(self, size: int) -> Sized:
        """What takes the place of the workspace where its size is limited. Raises PlaceError."""
        reaches = self._now.reach
        if not reaches.overlay:
            raise PlaceError(
                f"{self._docker.endpoint} cannot limit the disk: it does not see this machine's files",
                "leave `disk` of the suite out, or run it by an engine of this machine",
            )
        return Sized(self._volume(box.name_of(self._run_id, secrets.token_hex(3)), reaches), size)

    def _volume(self, name: str, reaches: reach.Reach) -> Volume:
        return Volume(
            self._docker,
            self._image,
            self._ledger,
            name,
            owner=(reaches.uid, reaches.gid),
            labels=self._labels,
            checkout=self._checkout,
            prepared_tree=self._prepared_tree,
        )

    @contextlib.contextmanager
    def _created(self, command: Command) -> Iterator[str]:
        name = box.name_of(self._run_id, secrets.token_hex(3))
        entry = self._ledger.add("container", name, details={"endpoint": str(self._docker.endpoint)})
        try:
            container = self._docker.create(name, self._body(command))
            if not self._now.reach.bind:
                self._send(container)
            yield container
            if not self._now.reach.bind:
                tars.unpack(self._docker.get_archive(container, box.RUN) or (), self._run_folder)
                atomic.remove_tree(self._run_folder / "data")  # test data, which the tests alone need
        finally:
            try:
                self._docker.remove(name)
            except EngineError as error:  # the ledger keeps it for the next start
                print(f"noxlib: the container {name} is left for `nox -s reap`: {error.what}", flush=True)
            else:
                self._ledger.strike(entry)

    def _body(self, command: Command) -> dict[str, Any]:
        now = self._now
        _, ca_variables = box.ca_binds(box.ca_bundles(os.environ))
        terminal = {"TERM": os.environ.get("TERM", "xterm")} if command.terminal else {}
        binds = [*self._binds(), _data()] if now.reach.bind else []
        own = box.environment(now.image.environment, now.reach.uid)
        if now.reach.bind:
            own[shared_data.VARIABLE] = shared_data.TARGET
        body = box.body(
            command,
            image=now.image.id,
            environment={**own, **self._attachment.environment, **ca_variables, **terminal},
            user=f"{now.reach.uid}:{now.reach.gid}",
            labels=self._labels,
            mounts=[now.workspace.mount(box.WORKSPACE, self._labels), *(bind.mount() for bind in binds)],
        )
        if isinstance(now.workspace, Sized):
            body["HostConfig"] = now.workspace.join(body["HostConfig"])
        return self._attachment.join(body)

    def _binds(self) -> list[box.Bind]:
        ca_binds, _ = box.ca_binds(box.ca_bundles(os.environ))
        site = [] if self._prepared_site is None else [box.Bind(str(self._prepared_site.absolute()), box.SITE)]
        account = accounts.binds(self._docker, self._now.image, self._ledger) if self._now.reach.bind else ()
        inside = box.Bind(str(INSIDE), f"{box.LIB}/noxlib_inside")
        run = box.Bind(str(self._run_folder), box.RUN, read_only=False)
        return [inside, run, *site, *ca_binds.values(), *account]

    def _send(self, container: str) -> None:
        """Send what would be bound if the engine saw this machine's files."""
        entries = [entry for bind in self._binds() for entry in tars.folder(bind.target.lstrip("/"), bind.path)]
        with tars.pack(entries, self._now.reach.uid, self._now.reach.gid) as tar:
            self._docker.put_archive(container, "/", tar)


def _data() -> box.Bind:
    return box.Bind(str(shared_data.lent()), shared_data.TARGET, read_only=False)


class _Ready:
    """What is known once the host has been entered."""

    def __init__(self, image: ImageInfo, reaches: reach.Reach, workspace: Scratch | Copied) -> None:
        self.image = image
        self.reach = reaches
        self.workspace: Scratch | Copied | Sized = workspace

    def limit_disk(self, workspace: Sized) -> None:
        """Take another workspace. Raises EngineError and OSError."""
        workspace.create()
        before, self.workspace = self.workspace, workspace
        before.close()
