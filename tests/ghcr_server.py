"""GitHub's container registry and the part of its REST API that retention uses, as documented; not more lenient.

https://docs.github.com/rest/packages/packages, …/rest/users/users, …/rest/pulls/pulls,
https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api and
https://docs.github.com/packages/learn-github-packages/deleting-and-restoring-a-package. Texts of refusals are those
that GitHub was seen to give. Where the documentation is silent it is strict: what is restored comes without its tags.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Optional
from urllib.parse import parse_qs, unquote, urlsplit

from typing_extensions import Self

IMAGE, INDEX = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
DAY = 86400.0
DOWNLOADS = 5000  #: of a public version, above which it stays
RESTORABLE = 30 * DAY
POINTS = 900  #: a minute; GET costs 1, what changes something 5
PRIMARY = 5000  #: requests an hour
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
BY_INTEGRATION = "Resource not accessible by integration"


class Token(NamedTuple):
    """Whose it is, and what it may do. ``login`` is None for a job's GITHUB_TOKEN, which is nobody's."""

    login: Optional[str] = None
    scopes: frozenset[str] = frozenset({"read:packages", "write:packages", "delete:packages"})
    admin: bool = True


class Version:
    """One version of a container package."""

    def __init__(self, number: int, digest: str, tags: list[str], made: float) -> None:
        self.id = number
        self.digest = digest
        self.tags = tags
        self.made = made
        self.downloads = 0
        self.deleted: Optional[float] = None


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, code: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers


class Ghcr:
    """One package of one owner. Times are ``clock()``, which ``sleep`` moves on without waiting."""

    def __init__(self, owner: str = "owner", package: str = "demo", *, kind: str = "Organization") -> None:
        self.owner, self.package, self.kind = owner, package, kind
        self.public = True
        self.tokens = {"ghs_of-a-job": Token()}
        self.versions: list[Version] = []
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.pulls: dict[int, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.too_early: list[str] = []  #: requests sent while a limit held: GitHub may ban for that
        self.points, self.primary = POINTS, PRIMARY
        self.secondary_code, self.says_when = 403, True
        self.restores_tags = False
        self.broken: list[int] = []  #: codes of the next answers of the REST API
        self._spent: list[tuple[float, int]] = []
        self._limited_until = 0.0
        self._skipped = 0.0
        self._lock = threading.Lock()
        handler = type("Bound", (_Handler,), {"world": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}/api"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    @property
    def image(self) -> str:
        return f"{self.host}/{self.owner}/{self.package}"

    def clock(self) -> float:
        return time.time() + self._skipped

    def sleep(self, seconds: float) -> None:
        self._skipped += seconds

    def put(self, *tags: str, days: float = 0.0, **content: Any) -> Version:
        """Publish an image, or an index by ``manifests=[digest, …]``, that came some days ago."""
        media_type, described = IMAGE, {"mark": len(self.versions), **content}
        if "manifests" in content:
            media_type = INDEX
            described["manifests"] = [{"mediaType": IMAGE, "digest": part} for part in content["manifests"]]
        body = json.dumps({"schemaVersion": 2, "mediaType": media_type, **described}).encode()
        return self.push(media_type, body, tags, self.clock() - days * DAY)

    def push(self, media_type: str, body: bytes, tags: tuple[str, ...], made: float) -> Version:
        """A manifest: a new version, unless there is one with that digest; a tag leaves the version that had it."""
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        self.manifests[digest] = (media_type, body)
        version = next((one for one in self.active() if one.digest == digest), None)
        if version is None:
            version = Version(1000 + len(self.versions), digest, [], made)
            self.versions.append(version)
        for tag in tags:
            for other in self.versions:
                other.tags = [one for one in other.tags if one != tag or other.deleted is not None]
            version.tags.append(tag)
        return version

    def active(self) -> list[Version]:
        """The newest first."""
        return [version for version in reversed(self.versions) if version.deleted is None]

    # The REST API

    def rest(self, method: str, path: str, query: dict[str, str], token: Optional[Token]) -> tuple[int, Any, str]:
        """Code, body and Link of an answer. Raises Refused."""
        if self.broken:
            raise Refused(self.broken.pop(0), "Server Error")
        if found := re.fullmatch(r"repos/[^/]+/[^/]+/pulls/([0-9]+)", path):
            return 200, self._pull(int(found[1])), ""
        if token is None:
            raise Refused(401, "Requires authentication")
        if path == "user":
            if token.login is None:
                raise Refused(403, BY_INTEGRATION)
            return 200, {"login": token.login, "type": "User"}, ""
        if path.lower() == f"users/{self.owner.lower()}":
            return 200, {"login": self.owner, "type": self.kind}, ""
        rest = self._of_package(path, token)
        return self._package(method, rest, query, token)

    def _pull(self, number: int) -> dict[str, Any]:
        if number not in self.pulls:
            raise Refused(404, "Not Found")
        return {"number": number, "state": self.pulls[number]}

    def _of_package(self, path: str, token: Token) -> str:
        """What follows ``…/versions`` in a path that shows this package to this token."""
        mine = self.kind == "User" and (token.login or "").lower() == self.owner.lower()
        shown = f"users/{self.owner}" if self.kind == "User" else f"orgs/{self.owner}"
        private_of_a_user = self.kind == "User" and not self.public
        for prefix, visible in ((shown, not private_of_a_user), ("user", mine)):
            start = f"{prefix}/packages/container/".lower()
            if visible and path.lower().startswith(start):
                name, _, rest = path[len(start) :].partition("/")
                if unquote(name) == self.package and re.match(r"versions(/|$)", rest):
                    return rest[len("versions") :]
        raise Refused(404, "Package not found.")

    def _package(self, method: str, rest: str, query: dict[str, str], token: Token) -> tuple[int, Any, str]:
        if "read:packages" not in token.scopes:
            raise Refused(403, "You need at least read:packages scope to get a package.")
        if method == "GET" and rest == "":
            return self._page(query, token)
        found = re.fullmatch(r"/([0-9]+)(/restore)?", rest)
        version = next((one for one in self.versions if found and one.id == int(found[1])), None)
        if found is None or version is None:
            raise Refused(404, "Package not found.")
        if found[2]:
            return self._restore(method, version, token)
        if version.deleted is not None:
            raise Refused(404, "Package not found.")
        if method == "GET":
            return 200, self._described(version), ""
        if method == "DELETE":
            return self._delete(version, token)
        raise Refused(404, "Not Found")

    def _page(self, query: dict[str, str], token: Token) -> tuple[int, Any, str]:
        size, page = min(100, int(query.get("per_page", "30"))), int(query.get("page", "1"))
        if query.get("state", "active") == "deleted":
            self._as_admin(token, "read:packages")
            since = self.clock() - RESTORABLE
            rows = [one for one in reversed(self.versions) if one.deleted is not None and one.deleted >= since]
        else:
            rows = self.active()
        shown = rows[(page - 1) * size : page * size]
        url = f"https://api.example.org/organizations/42/packages/container/{self.package}/versions"
        more = f'<{url}?page={page + 1}>; rel="next", <{url}?page=99>; rel="last"' if page * size < len(rows) else ""
        return 200, [self._described(one) for one in shown], more

    def _described(self, version: Version) -> dict[str, Any]:
        deleted = {"deleted_at": _iso(version.deleted)} if version.deleted is not None else {}
        return {
            "id": version.id,
            "name": version.digest,
            "created_at": _iso(version.made),
            "updated_at": _iso(version.made),
            **deleted,
            "metadata": {"package_type": "container", "container": {"tags": list(version.tags)}},
        }

    def _delete(self, version: Version, token: Token) -> tuple[int, Any, str]:
        self._as_admin(token, "delete:packages")
        if self.public and version.downloads > DOWNLOADS:
            raise Refused(
                400,
                "Publicly visible package versions with more than 5000 downloads cannot be deleted. "
                "Contact GitHub support for further assistance.",
            )
        if len(self.active()) == 1:
            raise Refused(400, "You cannot delete the last version of a package. You must delete the package instead.")
        if version.tags and sum(bool(one.tags) for one in self.active()) == 1:
            raise Refused(
                400, "You cannot delete the last tagged version of a package. You must delete the package instead."
            )
        version.deleted = self.clock()
        return 204, None, ""

    def _restore(self, method: str, version: Version, token: Token) -> tuple[int, Any, str]:
        self._as_admin(token, "write:packages")
        reused = any(one.digest == version.digest for one in self.active())
        if method != "POST" or version.deleted is None or version.deleted < self.clock() - RESTORABLE or reused:
            raise Refused(404, "Package not found.")
        version.deleted = None
        taken = {tag for one in self.active() if one is not version for tag in one.tags}
        version.tags = [tag for tag in version.tags if self.restores_tags and tag not in taken]
        return 204, None, ""

    def _as_admin(self, token: Token, scope: str) -> None:
        if not token.admin or scope not in token.scopes:
            raise Refused(403, BY_INTEGRATION if token.login is None else f"You need at least {scope} scope.")

    def limit(self, method: str, path: str) -> dict[str, str]:
        """Count a request; the headers of its answer. Raises Refused where a limit is reached."""
        with self._lock:
            now = self.clock()
            if now < self._limited_until:
                self.too_early.append(f"{method} {path}")
            self._spent = [(when, cost) for when, cost in self._spent if when > now - 60]
            reset = str(int(now) + 3600)
            if self.primary <= 0:
                self.primary, self._limited_until = PRIMARY, int(now) + 600
                raise Refused(
                    403,
                    "API rate limit exceeded for installation.",
                    **{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(now) + 600)},
                )
            cost = 1 if method == "GET" else 5
            if sum(spent for _, spent in self._spent) + cost > self.points:
                self._limited_until = now + 60
                raise Refused(self.secondary_code, SECONDARY, **({"Retry-After": "60"} if self.says_when else {}))
            self._spent.append((now, cost))
            self.primary -= 1
            return {"X-RateLimit-Remaining": str(self.primary), "X-RateLimit-Reset": reset}


class _Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True  # headers and body go in two parts: the second would wait for an acknowledgement
    protocol_version = "HTTP/1.1"
    world: Ghcr

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        self.world.asked.append((self.command, parts.path))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        try:
            if parts.path.startswith("/api/"):
                self._rest(parts.path[len("/api/") :], query)
            else:
                registry(self, self.world, parts.path, query, body)
        except Refused as refused:
            self.answer(refused.code, {"message": refused.message, "status": str(refused.code)}, refused.headers)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = handle_any  # noqa: N815 - the standard library's names

    def _rest(self, path: str, query: dict[str, str]) -> None:
        headers = self.world.limit(self.command, path)
        if self.headers.get("X-GitHub-Api-Version", "2022-11-28") != "2022-11-28" or not self.headers.get("User-Agent"):
            raise Refused(400, "This API version is not supported.")
        given = self.headers.get("Authorization", "").partition(" ")[2]
        if given and given not in self.world.tokens:
            raise Refused(401, "Bad credentials")
        code, body, link = self.world.rest(self.command, path, query, self.world.tokens.get(given))
        self.answer(code, body, {**headers, **({"Link": link} if link else {})})

    def answer(self, code: int, body: Any, headers: Optional[dict[str, str]] = None) -> None:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        return


def registry(handler: _Handler, world: Ghcr, path: str, query: dict[str, str], body: bytes) -> None:
    """The OCI half: a token for the asking, manifests, tags; DELETE is 405."""
    if path == "/token":
        _, _, given = handler.headers.get("Authorization", "").partition(" ")
        handler.answer(200, {"token": "registry-token" if given or world.public else ""})
        return
    if path != "/v2/" and handler.headers.get("Authorization") != "Bearer registry-token":
        realm = {"WWW-Authenticate": f'Bearer realm="http://{world.host}/token",service="ghcr.io"'}
        raise Refused(401, "authentication required", **realm)
    found = re.fullmatch(rf"/v2/{world.owner}/{world.package}/(manifests|blobs|tags)/(.+)", path)
    if found is None:
        handler.answer(200 if path == "/v2/" else 404, {})
    elif found[1] == "tags":
        _tags(handler, world, query)
    elif found[1] == "blobs":
        _send(handler, world.blobs.get(found[2]), found[2], "application/octet-stream")
    elif handler.command == "DELETE":
        raise Refused(405, "The operation is unsupported.")
    elif handler.command == "PUT":
        version = world.push(str(handler.headers["Content-Type"]), body, (found[2],), world.clock())
        handler.answer(201, None, {"Docker-Content-Digest": version.digest})
    else:
        version_of = (one for one in world.active() if found[2] in (one.digest, *one.tags))
        digest = next((one.digest for one in version_of), "")
        media_type, manifest = world.manifests.get(digest, ("", None))
        _send(handler, manifest, digest, media_type)


def _tags(handler: _Handler, world: Ghcr, query: dict[str, str]) -> None:
    tags = sorted(tag for version in world.active() for tag in version.tags if tag > query.get("last", ""))
    size = int(query.get("n", "100"))
    link = {"Link": f'</v2/x/tags/list?n={size}&last={tags[size - 1]}>; rel="next"'} if len(tags) > size else {}
    if not world.active():
        raise Refused(404, "name unknown")
    handler.answer(200, {"name": "x", "tags": tags[:size]}, link)


def _send(handler: _Handler, data: Optional[bytes], digest: str, media_type: str) -> None:
    if data is None:
        raise Refused(404, "manifest unknown")
    handler.answer(200, data, {"Content-Type": media_type, "Docker-Content-Digest": digest})


def _iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
