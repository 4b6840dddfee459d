"""Values that never print: references to secrets, and masks over every stream, message and argument list."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shlex
import subprocess
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, AnyStr

from noxlib.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MASK = "***"
#: Shorter values are no secrets worth the name, and masking them would riddle every text with holes.
MINIMUM = 6
_SHORTEST = 4  # form that is masked at all
_LIMIT = 1 << 20  # bytes of a secret
_SECONDS = 60.0  # for a command that prints one

_SECRET_NAME = re.compile(r"TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL|APIKEY|WEBHOOK", re.IGNORECASE)
_SECRET_WORDS = {"KEY", "KEYS", "PASS", "PWD", "PAT", "AUTH"}
_NO_SECRETS = {"PWD", "OLDPWD", "SSH_AUTH_SOCK"}
#: Values that everybody knows; masking ``postgres`` would hide half of a project's test names.
_PUBLIC = {"postgres", "password", "secret", "example", "changeme", "testing", "default", "username", "minioadmin"}
_CREDENTIALS = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://([^\s/@:?#]*)(?::([^\s/@?#]*))?@")
_TOKEN_LENGTH = 20  # a user name as long as this is a token


class Secret:
    """A reference to a secret: ``env:NAME``, ``file:PATH`` or ``command:ARGV``; its value prints nowhere."""

    __slots__ = ("_kind", "_reference")

    def __init__(self, text: str) -> None:
        """Parse; raises ConfigError, which does not repeat the text: it may be the secret itself."""
        kind, _, reference = text.partition(":")
        if kind not in {"env", "file", "command"} or not reference.strip():
            raise ConfigError(
                "a secret must be given by reference, not by value",
                "write env:NAME, file:PATH or command:PROGRAM ARGUMENTS",
            )
        self._kind = kind
        self._reference = reference

    def __repr__(self) -> str:
        return f"Secret({self._kind}:{MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, _: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._kind, self._reference) == (other._kind, other._reference)

    def __hash__(self) -> int:
        return hash((self._kind, self._reference))

    def reveal(self) -> str:
        """The value, without the newline at its end; looked up anew each time. Raises ConfigError."""
        value = {"env": _of_environment, "file": _of_file, "command": _of_command}[self._kind](self._reference)
        if not value:
            raise ConfigError(f"the secret of kind {self._kind} is empty", "give it a value, or remove its reference")
        return value


def _of_environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise ConfigError(f"the environment variable {name} with a secret is not set", "set it") from None


def _of_file(name: str) -> str:
    try:
        with Path(name).expanduser().open(encoding="utf-8", newline="") as stream:
            return stream.read(_LIMIT).rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(f"the file {name} with a secret cannot be read: {reason}", "make it readable") from None


def _of_command(line: str) -> str:
    """Standard output of a command; its standard error goes to the user, who may be asked something there."""
    try:
        argv = shlex.split(line)
        done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=_SECONDS, check=True)
        return done.stdout.decode().rstrip("\r\n")
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        reason = {
            subprocess.CalledProcessError: "it failed",
            subprocess.TimeoutExpired: f"it took more than {_SECONDS:.0f} s",
        }.get(type(error), "it cannot be started or read")
        raise ConfigError(f"the command for a secret gave none: {reason}", "run it by hand to see why") from None


class Masker:
    """Masks secrets in a stream of bytes, also where a secret is split over chunks.

    Each value is masked as it is and as base64, percent, JSON and shell quoting make it; of a value of several lines
    also each line. Occurrences that overlap become one mask. Only the beginning of a possible secret is held back.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._texts = tuple({form for value in values for form in _forms(value) if len(form) >= _SHORTEST})
        self._forms = tuple({_encoded(text) for text in self._texts})
        self._buffer = b""
        self._covered = 0  # so many bytes at the buffer's beginning belong to a mask that was given out

    def feed(self, chunk: bytes) -> bytes:
        """What can be told by now, masked; the rest comes with a later call."""
        if not self._forms:
            return chunk
        self._buffer += chunk
        return self._emit(min(_incomplete(self._buffer, form) for form in self._forms))

    def flush(self) -> bytes:
        """The rest, at the stream's end."""
        return self._emit(len(self._buffer))

    def mask(self, text: str) -> str:
        """A whole text, masked; the stream's state is not touched."""
        return _masked(text, self._texts, 0, len(text), MASK)[0] if self._texts else text

    def _emit(self, end: int) -> bytes:
        """Give out the buffer up to ``end``; note how far a mask that was begun reaches beyond it."""
        out, reach = _masked(self._buffer, self._forms, self._covered, end, MASK.encode())
        self._buffer = self._buffer[end:]
        self._covered = max(0, reach - end)
        return out


def mask(text: str, secrets: Iterable[str]) -> str:
    """``text`` with each of the secrets, in all their forms, replaced by ``***``."""
    return Masker(secrets).mask(text)


def known_secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Values of variables whose names look secret, and the credentials in URLs of any variable; the longest first."""
    found = {value for name, value in environ.items() if _sounds_secret(name)}
    for user, password in itertools.chain.from_iterable(map(_CREDENTIALS.findall, environ.values())):
        found |= {password, urllib.parse.unquote(password)}
        found |= {user} if len(user) >= _TOKEN_LENGTH else set()
    kept = {value.strip() for value in found if len(value.strip()) >= MINIMUM and value.strip() not in _PUBLIC}
    return tuple(sorted(kept, key=lambda value: (-len(value), value)))


def _sounds_secret(name: str) -> bool:
    if name.startswith("GIT_CONFIG_KEY_"):  # the name of a setting, as git-config(1) passes it
        return False
    words = set(name.upper().split("_"))
    return name not in _NO_SECRETS and bool(_SECRET_NAME.search(name) or words & _SECRET_WORDS)


def _forms(value: str) -> Iterator[str]:
    """A value as it may stand in a text: itself, its lines, and quoted by the usual means."""
    value = value.strip()
    data = _encoded(value)
    yield value
    yield from (line.strip() for line in value.splitlines() if not line.startswith("-----"))
    for quoted in (urllib.parse.quote(data), urllib.parse.quote(data, safe=""), urllib.parse.quote_plus(data)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1])
    import html  # noqa: PLC0415 - 1 ms of each start, and most runs have no secret

    yield from (shlex.quote(value).strip("'"), html.escape(value), html.escape(value, quote=False))
    yield from _base64(data)


def _base64(data: bytes) -> Iterator[str]:
    """The characters that ``data`` alone determines, at each of its three alignments (RFC 4648, both alphabets)."""
    for offset in range(3):
        first, last = -(-8 * offset // 6), 8 * (offset + len(data)) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(offset) + data).decode()[first:last]


def _encoded(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")  # as the environment and file names hold bytes that are no UTF-8
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")


def _masked(data: AnyStr, forms: tuple[AnyStr, ...], covered: int, end: int, cover: AnyStr) -> tuple[AnyStr, int]:
    """``data[covered:end]`` with every occurrence that begins before ``end`` covered, and where the last one ends."""
    parts: list[AnyStr] = []
    reach = covered
    for start, stop in sorted(span for form in forms for span in _occurrences(data, form)):
        if start >= end:
            break
        if start >= reach:  # else it overlaps the one before: one mask for both
            parts += [data[reach:start], cover]
        reach = max(reach, stop)
    parts.append(data[reach:end])
    return data[:0].join(parts), reach


def _occurrences(data: AnyStr, form: AnyStr) -> Iterator[tuple[int, int]]:
    start = data.find(form)
    while start != -1:
        yield start, start + len(form)
        start = data.find(form, start + 1)


def _incomplete(data: bytes, form: bytes) -> int:
    """Where an occurrence begins that the end of ``data`` cuts off; its length if there is none."""
    start = data.find(form[:1], max(0, len(data) - len(form) + 1))
    while start != -1:
        if form.startswith(data[start:]):
            return start
        start = data.find(form[:1], start + 1)
    return len(data)
