"""What git knows of a checkout, with as few subprocesses as possible. No git, or no repository, is no error."""

from __future__ import annotations

import functools
import os
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib.engines import process
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


class Head(msgspec.Struct, frozen=True):
    """The commit under test. On a pull request of GitHub Actions the head's commit, not the merge commit."""

    commit: str
    branch: Optional[str]  #: None for a detached head
    dirty: bool
    changed: tuple[str, ...]  #: paths with uncommitted changes, untracked ones included, relative to the repository


def environment() -> dict[str, str]:
    """English messages, no locks taken, no prompt, and a tree of another owner is trusted for this call only."""
    count = int(os.environ.get("GIT_CONFIG_COUNT", "0") or "0")
    return {
        **os.environ,
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(count + 2),
        f"GIT_CONFIG_KEY_{count}": "safe.directory",
        f"GIT_CONFIG_VALUE_{count}": "*",
        f"GIT_CONFIG_KEY_{count + 1}": "core.fsmonitor",  # a repository's own hook is no part of a question
        f"GIT_CONFIG_VALUE_{count + 1}": "false",
    }


def _git(root: Path, *arguments: str, text: Optional[str] = None, timeout: Optional[float] = None) -> Optional[str]:
    """Standard output, or None: no git, no repository, no such thing; no answer within so many seconds."""
    if not shutil.which("git"):
        return None
    try:
        done = process.run(["git", *arguments], cwd=root, env=environment(), input=text, timeout=timeout)
    except EngineError:
        return None  # git is there and cannot start: what it would know stays unknown, as without git
    return done.stdout if done.returncode == 0 else None


def _ask(root: Path, *arguments: str) -> Callable[[], Optional[str]]:
    """As ``_git``, but git works until the answer is taken."""
    import subprocess  # noqa: PLC0415 - as for ``contents``

    try:
        asked = subprocess.Popen(
            ["git", *arguments],
            cwd=root,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return lambda: None  # no git, or it cannot start

    def answer() -> Optional[str]:
        output, _ = asked.communicate()
        return output.decode("utf-8", "replace") if asked.returncode == 0 else None

    return answer


def head(root: Path) -> Optional[Head]:
    """The commit that is checked out, and whether the tree differs from it; None without git."""
    return ask_head(root)()


def ask_head(root: Path) -> Callable[[], Optional[Head]]:
    """``head`` asked now and answered later: git looks at a large tree while something else is done.

    The answer is to be taken, any number of times: it ends the subprocess.
    """
    answer = _ask(root, "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--no-renames", ".")
    return functools.cache(lambda: _head(answer()))


def _head(output: Optional[str]) -> Optional[Head]:
    fields = [line for line in (output or "").split("\0") if line]
    told = dict(line[2:].split(" ", 1) for line in fields if line.startswith("# branch."))
    if told.get("branch.oid", "(initial)") == "(initial)":
        return None
    branch = told.get("branch.head")
    changed = tuple(_path(line) for line in fields if not line.startswith("#"))
    commit = _pull_request_head() or told["branch.oid"]
    return Head(commit, None if branch == "(detached)" else branch, bool(changed), changed)


def _path(line: str) -> str:
    """The path of an entry of porcelain version 2: the last of 2, 9 or 11 fields (git-status(1))."""
    return line.split(" ", {"?": 1, "!": 1, "u": 10}.get(line[0], 8))[-1]


def _pull_request_head() -> Optional[str]:
    if os.environ.get("GITHUB_ACTIONS") != "true" or not os.environ.get("GITHUB_EVENT_PATH"):
        return None
    try:
        event: Any = msgspec.json.decode(Path(os.environ["GITHUB_EVENT_PATH"]).read_bytes())
        commit = event["pull_request"]["head"]["sha"]
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return None  # no pull request: the checked out commit is the right one
    return commit if isinstance(commit, str) and _is_commit(commit) else None


def _is_commit(text: str) -> bool:
    return len(text) in (40, 64) and all(letter in "0123456789abcdef" for letter in text)


def commit(root: Path) -> Optional[str]:
    """The commit that is checked out; None without git and before the first commit."""
    output = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    return output.strip() if output else None


def message(root: Path, commit: str) -> Optional[str]:
    """The whole message of a commit, given by its full id; None if it is not here."""
    if not _is_commit(commit):
        return None
    return _git(root, "show", "--no-patch", "--format=%B", commit, "--")


def commit_time(root: Path, commit: str) -> Optional[str]:
    """When a commit was made, RFC 3339 in UTC; None if it is not here."""
    output = _git(root, "show", "--no-patch", "--format=%ct", commit, "--")
    return _utc(output.strip()) if output else None


def _utc(seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def touching(root: Path, paths: Sequence[str], *, limit: int) -> list[tuple[str, str]]:
    """The newest commits that touched the paths, newest first: commit, and its time in RFC 3339."""
    output = _git(root, "log", f"--max-count={limit}", "--format=%H %ct", "--", *_literal(paths))
    lines = (line.split(" ") for line in (output or "").splitlines())
    return [(commit, _utc(seconds)) for commit, seconds in lines]


def _literal(paths: Sequence[str]) -> list[str]:
    """File names are no patterns."""
    return [f":(literal){path}" for path in paths]


def boundary(root: Path) -> frozenset[str]:
    """Commits at which a shallow clone ends."""
    folder = _git(root, "rev-parse", "--git-common-dir")
    try:
        return frozenset((root / (folder or "").strip() / "shallow").read_text("ascii").split())
    except OSError:
        return frozenset()


def contents(root: Path, wanted: Sequence[tuple[str, str]]) -> list[Optional[bytes]]:
    """File contents at commits, in one subprocess, of ``(commit, path below root)`` each; None: no such file."""
    import subprocess  # noqa: PLC0415 - the answer is bytes with sizes, which a text runner would spoil

    prefix = (_git(root, "rev-parse", "--show-prefix") or "").rstrip("\n")
    lines = "".join(f"{commit}:{prefix}{path}\n" for commit, path in wanted if "\n" not in path)
    done = subprocess.run(
        ["git", "cat-file", "--batch"],
        cwd=root,
        env=environment(),
        input=lines.encode(),
        capture_output=True,
        check=False,
    )
    answers = _batch(done.stdout)
    return [None if "\n" in path else next(answers, None) for _, path in wanted]


def _batch(output: bytes) -> Iterator[Optional[bytes]]:
    """Answers of ``git cat-file --batch``: ``<id> blob <size>``, the content, a line feed; or one line."""
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        words = output[position:end].split(b" ")
        position = end + 1
        if len(words) == 3 and words[1] in (b"blob", b"tree", b"commit", b"tag"):  # noqa: PLR2004 - id, type, size
            size = int(words[2])
            yield output[position : position + size] if words[1] == b"blob" else None
            position += size + 1
        else:
            yield None


def remote_url(root: Path) -> Optional[str]:
    """The URL of ``origin``, or of the only remote, without user and password."""
    output = _git(root, "config", "--get-regexp", r"^remote\..*\.url$")
    urls = dict(line.split(" ", 1) for line in (output or "").splitlines() if " " in line)
    url = urls.get("remote.origin.url") or (next(iter(urls.values())) if len(urls) == 1 else None)
    return without_credentials(url) if url else None


def without_credentials(url: str) -> str:
    """``https://user:secret@host/path`` without ``user:secret@``; ssh's ``git@host:path`` holds no secret and stays."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("http", "https", "ftp", "ftps"):
        return url
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def describe(root: Path) -> Optional[str]:
    """The head by its nearest tag, with distance, commit and ``-dirty``: what a version from tags is made of."""
    output = _git(root, "describe", "--tags", "--long", "--always", "--dirty", "--abbrev=40")
    return output.strip() if output else None


def ignored(root: Path, names: Iterable[str]) -> frozenset[str]:
    """Those of the names (relative to ``root``) that git ignores; none without git."""
    output = _git(root, "check-ignore", "-z", "--stdin", text="".join(f"{name}\0" for name in names))
    return frozenset((output or "").split("\0")) - {""}


def owned(root: Path) -> Optional[frozenset[str]]:
    """Files that git tracks or would track: all but the ignored ones; None without git."""
    output = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return None if output is None else frozenset(output.split("\0")) - {""}
