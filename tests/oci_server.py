"""A registry in memory, by the OCI distribution specification 1.1: blobs, manifests, tags, and a list of referrers.

It can keep that list or not, and can be told to refuse. Real ones: tests/engines.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import parse_qs, urlsplit

from tests import answering

if TYPE_CHECKING:
    from collections.abc import Iterator

INDEX = "application/vnd.oci.image.index.v1+json"


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Oci:
    """What is in it, and how it behaves. One repository name is as good as any other."""

    def __init__(self, *, referrers: bool = False) -> None:
        self.referrers = referrers
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}  #: by digest
        self.tags: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.page = 1000  #: referrers in one answer
        #: Told of each request before it is answered; a code is the answer then.
        self.refusing: Callable[[str, str], Optional[int]] = lambda *_: None
        self.location = ""  #: where uploads are sent, instead of here
        self.host = ""

    def referring(self, digest: str) -> list[dict[str, Any]]:
        found = []
        for own, (media_type, body) in sorted(self.manifests.items()):
            content = json.loads(body)
            if (content.get("subject") or {}).get("digest") == digest:
                entry = {"mediaType": media_type, "digest": own, "size": len(body)}
                told = {key: content[key] for key in ("artifactType", "annotations") if key in content}
                found.append({**entry, **told})
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: Oci

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.world.asked.append((self.command, self.path))
        code = self.world.refusing(self.command, parts.path)
        found = re.fullmatch(r"/v2/.+?/(blobs|manifests|referrers)/(.+)", parts.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if code is not None:
            self.answer(code)
        elif found is None:
            self.answer(200 if parts.path == "/v2/" else 404)
        else:
            getattr(self, found[1])(found[2], query, body)

    do_GET = do_HEAD = do_PUT = do_POST = handle_any  # noqa: N815 - the standard library's names

    def blobs(self, name: str, query: dict[str, str], body: bytes) -> None:
        if self.command == "POST":
            self.answer(
                202, headers={"Location": self.world.location or f"/v2/x/blobs/uploads/{len(self.world.asked)}"}
            )
        elif self.command == "PUT":
            if sha256(body) != query["digest"]:
                self.answer(400)
                return
            self.world.blobs[query["digest"]] = body
            self.answer(201)
        elif name in self.world.blobs:
            self.answer(200, self.world.blobs[name])
        else:
            self.answer(404)

    def manifests(self, name: str, _: dict[str, str], body: bytes) -> None:
        if self.command == "PUT":
            digest = sha256(body)
            self.world.manifests[digest] = (str(self.headers["Content-Type"]), body)
            if name != digest:
                self.world.tags[name] = digest
            subject = (json.loads(body).get("subject") or {}).get("digest")
            headers = {"OCI-Subject": subject} if subject and self.world.referrers else {}
            self.answer(201, headers={"Docker-Content-Digest": digest, **headers})
            return
        digest = self.world.tags.get(name, name)
        if digest not in self.world.manifests:
            self.answer(404)
            return
        media_type, content = self.world.manifests[digest]
        self.answer(200, content, {"Content-Type": media_type, "Docker-Content-Digest": digest})

    def referrers(self, name: str, query: dict[str, str], _: bytes) -> None:
        if not self.world.referrers:
            self.answer(404)
            return
        every, first = self.world.referring(name), int(query.get("from", "0"))
        last = first + self.world.page
        more = f'</v2/x/referrers/{name}?from={last}>; rel="next"'
        content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": every[first:last]}
        self.answer(200, json.dumps(content).encode(), {"Link": more} if last < len(every) else {})

    def answer(self, code: int, body: bytes = b"", headers: Optional[dict[str, str]] = None) -> None:
        self.send_response(code)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@contextlib.contextmanager
def serving(world: Oci) -> Iterator[Oci]:
    """Let it answer on a port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"world": world}))
    server.daemon_threads = True
    world.host = f"127.0.0.1:{server.server_port}"
    with answering.serving(server):
        yield world
