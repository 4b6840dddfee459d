"""What dead runs left in engines and on this machine, and how each kind is removed; for ``noxlib.ledger.reap``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Callable

from noxlib import atomic, locks, temporary
from noxlib.engines import strays
from noxlib.errors import EngineError
from noxlib.ledger import Entry, Ledger
from noxlib.owner import Owner, alive
from noxlib.places import box, environments, remote, scratch
from noxlib.places.overlay import remove_scratch
from noxlib.places.venv import MARK

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Mapping
    from typing import Any

    from noxlib.engines.docker import Docker


class Removers:
    """One function for each kind; engines are asked only where something of theirs was left, each connected once.

    What an engine or a disk refuses is raised (EngineError, OSError): the entry is kept.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._state = ledger.folder.parent
        self._engines: dict[str, Docker] = {}

    def by_kind(self) -> Mapping[str, Callable[[Entry], bool]]:
        """The kinds that hosts write to the ledger."""
        return {
            "container": self._container,
            "volume": self._volume,
            "image": self._image,
            "scratch": self._scratch,
            "process": self._process,
            temporary.KIND: self._folder,
            environments.KIND: self._environment,
            "vm": self._machine,
            remote.KIND: self._remote_folder,
            "compose": self._compose,
            "hpc": self._hpc,
            "node-folder": self._node_folder,
            "simulation": self._compose,
        }

    def _hpc(self, entry: Entry) -> bool:
        from noxlib.places import clusters  # noqa: PLC0415 - as above

        return clusters.remove_noted(entry, self._state)

    def _node_folder(self, entry: Entry) -> bool:
        from noxlib.places import apptainer  # noqa: PLC0415 - as above

        return apptainer.remove_noted(entry, self._state)

    def _engine(self, entry: Entry) -> Docker:
        """The engine where it was started, by whatever name it is called today."""
        from noxlib.engines.docker import Docker  # noqa: PLC0415 - 0.1 s: only where an engine is asked

        url = entry.details.get("endpoint", "")
        if url not in self._engines:
            self._engines[url] = Docker.connect_to(url) if url else Docker.connect()
        return self._engines[url]

    def _container(self, entry: Entry) -> bool:
        self._engine(entry).remove(entry.name)
        return True

    def _volume(self, entry: Entry) -> bool:
        self._stop_users(entry)
        self._engine(entry).remove_volume(entry.name)
        return True

    def _image(self, entry: Entry) -> bool:
        """A name that was given for a short while; the image goes with its last one."""
        from noxlib.engines import images  # noqa: PLC0415 - as above

        images.untag(entry.name, self._engine(entry))
        return True

    def _scratch(self, entry: Entry) -> bool:
        folder = Path(entry.name)
        self._stop_users(entry)
        if entry.details.get("image") is None:
            remove_scratch(folder)
        else:
            with self._alone():
                scratch.remove(lambda: self._engine(entry), entry.details["image"], self._ledger, folder)
        return True

    def _stop_users(self, entry: Entry) -> None:
        """A dead run's containers may still run and write: they go before what they write to."""
        run = entry.details.get("run")
        if run is not None:
            for found in self._engine(entry).containers({f"{box.LABEL}run": run}):
                if _is_dead(found["Labels"]):
                    self._engine(entry).remove(found["Id"])

    def _folder(self, entry: Entry) -> bool:
        atomic.remove_tree(Path(entry.name))
        return True

    def _environment(self, entry: Entry) -> bool:
        with self._alone():
            return environments.remove_half_made(Path(entry.name), Path(entry.details["lock"]))

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Of two who remove at once the second would meet the first one's lock, or what it has half removed."""
        return locks.wait_for(self._state / "locks" / "removal.lock", "removes what a dead run left")

    def _compose(self, entry: Entry) -> bool:
        from noxlib.engines import compose  # noqa: PLC0415 - only where services were left
        from noxlib.places import kept  # noqa: PLC0415 - as above

        with kept.removal(self._ledger, entry.name) as ours:
            if ours:
                self._stop_users(entry)
                compose.remove(self._engine(entry), entry.name)
            return ours

    def _remote_folder(self, entry: Entry) -> bool:
        return remote.remove_noted(entry, self._state)

    def _machine(self, entry: Entry) -> bool:
        from noxlib.places import machines  # noqa: PLC0415 - only where a machine was left

        return machines.remove(entry)

    def _process(self, entry: Entry) -> bool:
        strays.kill_marked(MARK, entry.name)
        return True


def unowned(docker: Docker) -> tuple[str, ...]:
    """Remove containers, networks and volumes with labels of a dead owner: the ledger's second witness. Their names.

    What the engine refuses to remove is told and stays: a command of a run that died just now may still be at work, or
    somebody uses what it made.

    Raises:
        EngineError: The engine does not answer.
    """
    ways = (
        (docker.containers, docker.remove),  # first: they take volumes of their own along, and leave networks
        (docker.networks, docker.remove_network),
        (docker.volumes, docker.remove_volume),
    )
    return tuple(
        name
        for listed, remove in ways
        for found in listed({f"{box.LABEL}run": ""})
        if _is_dead(found["Labels"]) and _is_gone(name := _name(found), found.get("Id", name), remove)
    )


def _name(found: Mapping[str, Any]) -> str:
    return str(found["Names"][0].lstrip("/") if "Names" in found else found["Name"])


def _is_gone(name: str, key: str, remove: Callable[[str], bool]) -> bool:
    """Whether it was there, and is not any more. Raises EngineError where the engine does not answer."""
    try:
        return remove(key)
    except EngineError as error:
        if error.cause == "lost":
            raise
        print(f"noxlib: {name} of a run that died stays: {error.what}", flush=True)
        return False


def _is_dead(labels: Mapping[str, Any]) -> bool:
    own = {key: str(labels.get(box.LABEL + key, "")) for key in ("pid", "start", "boot")}
    if not own["pid"].isdigit():  # not made by us: it is not ours to remove
        return False
    return not alive(Owner(int(own["pid"]), own["start"], own["boot"]))
