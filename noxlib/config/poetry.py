"""Poetry's own dependency tables as requirement strings of PEP 508, which uv reads."""

from __future__ import annotations

import re
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from noxlib.config.files import Sources, wrong_type
from noxlib.config.poetry_versions import one_specifier, python_marker
from noxlib.config.values import check_name, normalise
from noxlib.errors import ConfigError


class NotExpressible(Exception):
    """PEP 508 has no word for it; the text is the line that the user may write instead."""


def poetry_groups(sources: Sources) -> tuple[str, ...]:
    """The names of poetry's own groups, ``dev`` for the old dev-dependencies."""
    names = list(sources.table("tool", "poetry", "group"))
    if sources.table("tool", "poetry", "dev-dependencies"):
        names.append("dev")
    return tuple(dict.fromkeys(names))


def group_table(sources: Sources, group: str, seen: tuple[str, ...] = ()) -> dict[str, tuple[str, Any]]:
    """A group's dependencies with those of the groups that it includes: name -> (key in the file, constraint)."""
    key = f"tool.poetry.group.{group}.dependencies"
    table = {
        name: (f"{key}.{name}", value)
        for name, value in sources.table("tool", "poetry", "group", group, "dependencies").items()
    }
    if group == "dev":
        old = sources.table("tool", "poetry", "dev-dependencies")
        table.update((name, (f"tool.poetry.dev-dependencies.{name}", value)) for name, value in old.items())
    for other in sources.strings("tool", "poetry", "group", group, "include-groups"):
        if other not in seen:
            table = {**group_table(sources, other, (*seen, group)), **table}
    return table


def main_table(sources: Sources, extras: tuple[str, ...]) -> dict[str, tuple[str, Any]]:
    """The main dependencies: all but the optional ones that no wanted extra names."""
    wanted = {normalise(extra) for extra in extras}
    named = {
        normalise(name)
        for extra, names in sources.table("tool", "poetry", "extras").items()
        if normalise(extra) in wanted and isinstance(names, list)
        for name in (re.split(r"[^\w.-]", str(item).strip(), maxsplit=1)[0] for item in names)
    }
    return {
        name: (f"tool.poetry.dependencies.{name}", value)
        for name, value in sources.table("tool", "poetry", "dependencies").items()
        if not _is_optional(value) or normalise(name) in named
    }


def _is_optional(value: Any) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, dict) and first.get("optional") is True


def requirements(table: dict[str, tuple[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The requirement strings, and a line to write for each dependency that has none.

    Raises:
        ConfigError: a constraint cannot be read; names the key.
    """
    strings: list[str] = []
    unread: list[str] = []
    for name, (key, value) in table.items():
        if name == "python" or _is_self(value):
            continue
        for one in value if isinstance(value, list) else [value]:
            try:
                strings.append(requirement(name, one, key))
            except NotExpressible as line:
                unread.append(str(line))
    return tuple(strings), tuple(unread)


def _is_self(value: Any) -> bool:
    return isinstance(value, dict) and value.get("path") in (".", "./")


def requirement(name: str, value: Any, key: str) -> str:
    """One of poetry's constraints, text or table, as a requirement string.

    >>> requirement("a", {"version": "^1.2", "extras": ["x"], "python": "<3.11"}, "key")
    'a[x]<2.0,>=1.2; python_version < "3.11"'

    Raises:
        ConfigError: it is no constraint.
        NotExpressible: it is one that PEP 508 cannot say.
    """
    table = {"version": value} if isinstance(value, str) else value
    if not isinstance(table, dict):
        raise wrong_type(key, "a version constraint or a table", value)
    try:
        return str(Requirement(_text(name, table)))
    except (ValueError, TypeError, AttributeError, InvalidRequirement):
        _refuse_or_report(name, table, key)
        raise ConfigError(
            f"pyproject.toml: {key}: expected a version constraint, found {value!r:.80}", f"correct {key}"
        ) from None


def _refuse_or_report(name: str, table: dict[str, Any], key: str) -> None:
    """Raise NotExpressible where each alternative alone is a valid constraint."""
    version = table.get("version")
    if not isinstance(version, str) or "|" not in version:
        return
    last = version.rpartition("|")[2]
    only = requirement(name, {**table, "version": last}, key)
    raise NotExpressible(f"{key} = {version!r} has no form in PEP 508; write packages = [{only!r}] in [tool.noxlib]")


def _text(name: str, table: dict[str, Any]) -> str:
    check_name(name)
    extras = table.get("extras", [])
    if not isinstance(extras, list):
        raise TypeError(extras)
    start = f"{name}[{','.join(extras)}]" if extras else name
    address = _address(name, table)
    marker = _marker(table)
    if address:
        return f"{start} @ {address}" + (f" ; {marker}" if marker else "")
    return f"{start}{one_specifier(table.get('version', '*'))}" + (f" ; {marker}" if marker else "")


def _address(name: str, table: dict[str, Any]) -> str:
    """The URL of a dependency that comes from a repository or an address, else nothing."""
    folder = f"#subdirectory={table['subdirectory']}" if "subdirectory" in table else ""
    if "git" in table:
        revision = table.get("rev") or table.get("tag") or table.get("branch")
        return f"git+{_git_url(table['git'])}" + (f"@{revision}" if revision else "") + folder
    if "url" in table:
        return f"{table['url']}{folder}"
    if "path" in table or "file" in table:
        path = table.get("path", table.get("file"))
        raise NotExpressible(
            f"{name} comes from the local path {path!r}; name a release in [tool.noxlib]: packages = [{name!r}]"
        )
    return ""


def _git_url(url: str) -> str:
    """``git@host:owner/repo`` is ssh's short form, which PEP 508 does not know."""
    short = re.fullmatch(r"([\w.-]+@[\w.-]+):(?!//)(.+)", url)
    return f"ssh://{short[1]}/{short[2]}" if short else url


def _marker(table: dict[str, Any]) -> str:
    parts = [table.get("markers", "")]
    if "python" in table:
        parts.append(python_marker(table["python"]))
    if "platform" in table:
        parts.append(f'sys_platform == "{table["platform"]}"')
    parts = [part for part in parts if part]
    return " and ".join(f"({part})" if len(parts) > 1 else part for part in parts)
