"""A stack of services as compose understands its files: which are started, and what the tests' container gets of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib.errors import PlaceError, UsageError
from noxlib.places import box
from noxlib.secret import known_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_PROFILE = "integration"
DEFAULT_RUNNER = "test-runner"
OWN = ("PATH", "HOME")  #: variables of the testground that a runner made for another image may not replace

Table = dict[str, Any]


class Stack(msgspec.Struct, frozen=True):
    """One project of compose, of which the runner is not started: the tests' own container takes its part."""

    file: str  #: name of the compose file
    runner: str
    services: dict[str, Table]  #: those that are started
    attachment: box.Attachment
    networks: dict[str, Table] = {}
    volumes: dict[str, Table] = {}
    awaited: tuple[str, ...] = ()  #: services whose end another one waits for
    secrets: tuple[str, ...] = ()  #: values of the services' variables that are masked everywhere
    additions: dict[str, Table] = {}  #: what an override of the file gives each service; more than the file's as well
    sidecars: dict[str, Table] = {}  #: by service what stands before it, a service of the override alone

    @property
    def builds(self) -> bool:
        """Whether a service is built: from code that may have changed."""
        return any("build" in service for service in self.services.values())

    def override(self, labels: Mapping[str, str]) -> Table:
        """A compose file that gives the services what they get beside the file, and all that is made these labels."""
        labelled = {"labels": dict(labels)}
        parts = {"networks": self.networks, "volumes": self.volumes}
        made = {
            kind: {name: labelled for name, table in tables.items() if not (table or {}).get("external")}
            for kind, tables in parts.items()
        }
        return {
            "services": {name: {**self.additions.get(name, {}), **labelled} for name in self.services},
            **{kind: part for kind, part in made.items() if part},
        }


def read(config: Table, file: str, runner: str, profile: Optional[str]) -> Stack:
    """The stack of a runner and a profile, from what ``docker compose config`` says of services of every profile.

    Args:
        config: The configuration as compose prints it; a ``$`` stands there twice.
        file: Name of the file, for messages.
        runner: The service whose part the tests' own container takes.
        profile: Services of this profile are started too; default: ``integration`` where there is one.

    Raises:
        PlaceError: the runner is missing, nothing is left to start, or a file that is mounted does not exist.
        UsageError: there is no such profile.
    """
    config = _with_runner(unescaped(config), runner)
    services: dict[str, Table] = config["services"]
    if runner not in services:
        raise PlaceError(
            f"{file} has no service {runner!r}; it has {', '.join(sorted(services))}",
            "add it: the tests take its part; or name another by runner in [tool.noxlib.compose_integration]",
            cause="compose",
        )
    taken = {
        name: one
        for name, one in services.items()
        if name != runner and _active(one, _profile(file, services, profile))
    }
    if not taken:
        raise PlaceError(
            f"{file} has no service beside {runner}", "add the services that the tests need", cause="compose"
        )
    _refuse_missing_files(file, taken)
    return Stack(
        file=file,
        runner=runner,
        services=taken,
        attachment=_attachment(config, runner),
        networks=config.get("networks") or {},
        volumes=config.get("volumes") or {},
        awaited=_awaited((*taken.values(), services[runner])),
        secrets=_secrets(services.values()),
    )


def ports(service: Table) -> tuple[int, ...]:
    """The TCP ports that a service says it listens at, in its own container."""
    published = [port["target"] for port in service.get("ports") or () if port.get("protocol", "tcp") == "tcp"]
    exposed = [str(text).partition("/") for text in service.get("expose") or ()]
    plain = [int(number) for number, _, protocol in exposed if protocol in ("", "tcp") and number.isdigit()]
    return tuple(dict.fromkeys(int(port) for port in (*published, *plain)))


def environment(service: Table) -> dict[str, str]:
    """A service's variables; those without a value are left out, as compose leaves them out."""
    return {name: str(value) for name, value in (service.get("environment") or {}).items() if value is not None}


def has_health(service: Table) -> bool:
    """Whether the file has the engine ask a service for its health."""
    check = service.get("healthcheck") or {}
    return bool(check.get("test")) and not check.get("disable") and check["test"] != ["NONE"]


def unescaped(value: Any) -> Any:
    """What compose prints can be read by compose again: it writes ``$$`` for each ``$``."""
    if isinstance(value, dict):
        return {key: unescaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [unescaped(inner) for inner in value]
    return value.replace("$$", "$") if isinstance(value, str) else value


def _with_runner(config: Table, runner: str) -> Table:
    """A file that has no runner under the name that we give it gets one, on every network of its services."""
    services: dict[str, Table] = config.get("services") or {}
    if runner in services or runner != DEFAULT_RUNNER:
        return {**config, "services": services}
    networks: dict[str, Any] = {name: None for one in services.values() for name in one.get("networks") or {}}
    return {**config, "services": {**services, runner: {"networks": networks}}}


def _profile(file: str, services: Mapping[str, Table], asked: Optional[str]) -> Optional[str]:
    known = sorted({profile for service in services.values() for profile in service.get("profiles") or ()})
    if asked is None:
        return DEFAULT_PROFILE if DEFAULT_PROFILE in known else None
    if asked not in known:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise UsageError(f"{file} has no profile {asked!r}; {has}", "name one of them, or leave --profile out")
    return asked


def _active(service: Table, profile: Optional[str]) -> bool:
    """Whether a service is started; one with no replicas has no container that anything could be asked of."""
    profiles = service.get("profiles") or ()
    replicas = service.get("scale", (service.get("deploy") or {}).get("replicas"))
    return replicas != 0 and (not profiles or profile in profiles)


def _awaited(services: Iterable[Table]) -> tuple[str, ...]:
    waits = (item for service in services for item in (service.get("depends_on") or {}).items())
    return tuple({name for name, how in waits if how.get("condition") == "service_completed_successfully"})


def _secrets(services: Iterable[Table]) -> tuple[str, ...]:
    found = (known_secrets(environment(service)) for service in services)
    return tuple(dict.fromkeys(value for values in found for value in values))


def _refuse_missing_files(file: str, services: Mapping[str, Table]) -> None:
    """The engine makes a folder of whatever does not exist: the service would read an empty folder as its file."""
    for name, service in services.items():
        for volume in service.get("volumes") or ():
            source = Path(volume.get("source") or "/")
            if volume.get("type") == "bind" and source.suffix and not source.exists():
                raise PlaceError(
                    f"{file}: {name} mounts {source}, which does not exist", "correct the path", cause="compose"
                )


def _attachment(config: Table, runner: str) -> box.Attachment:
    """What of the runner goes to the tests' container: its networks, variables, named volumes and names of hosts.

    Its image, command, user, source folders and working folder are the testground's.
    """
    service = config["services"][runner]
    if str(service.get("network_mode", "")).startswith(("service:", "container:")):
        raise PlaceError(
            f"the service {runner} shares another one's network by network_mode",
            "give it networks instead",
            cause="compose",
        )
    named = [volume for volume in service.get("volumes") or () if volume.get("type") == "volume"]
    return box.Attachment(
        networks=_networks(config, runner),
        environment={name: value for name, value in environment(service).items() if name not in OWN},
        mounts=tuple(_mount(config, volume) for volume in named if volume.get("source")),
        host=_host(service),
    )


def _networks(config: Table, runner: str) -> dict[str, tuple[str, ...]]:
    networks = config.get("networks") or {}
    joined = config["services"][runner].get("networks") or {}
    return {
        str((networks.get(key) or {}).get("name", key)): (runner, *((how or {}).get("aliases") or ()))
        for key, how in joined.items()
    }


def _mount(config: Table, volume: Table) -> Table:
    name = (config.get("volumes") or {}).get(volume["source"], {}).get("name", volume["source"])
    read_only = bool(volume.get("read_only"))
    return {"Type": "volume", "Source": name, "Target": volume["target"], "ReadOnly": read_only}


def _host(service: Table) -> Table:
    hosts = [str(line).replace("=", ":", 1) for line in service.get("extra_hosts") or ()]
    mode = service.get("network_mode")
    wanted = {
        "ExtraHosts": hosts,
        "Dns": service.get("dns"),
        "CapAdd": service.get("cap_add"),
        "NetworkMode": mode,
    }
    return {key: value for key, value in wanted.items() if value}
