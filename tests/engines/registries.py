"""Registries of a test's own: on a free port of this machine, with a user, deletion and a log; three programs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import urljoin

import requests

from noxlib.engines.index import ca_bundle
from noxlib.engines.registry import Manifest, Registry
from noxlib.engines.registryauth import Credentials

from .conftest import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

TESTBED = Path(__file__).resolve().parents[2] / "scripts" / "testbed"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "noxlib" / "testbed"
USER, PASSWORD = "noxlib", "only-for-tests-7Qv2"
HTPASSWD = "noxlib:$2y$05$G9NKVH.IVzKvCn83pu1ZEukdz5XOmbO95OU57Hzf1J5h/oIB7qP.e\n"  # bcrypt of the password above
IMAGE, INDEX = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
LAYER = b"a layer that nobody unpacks"


_given: set[int] = set()  # the ports of this process


def free_port() -> int:
    """A port that nobody has, below those that the kernel gives out: it stays free while its server is stopped.

    Each worker of pytest-xdist has a thousand of its own, and gives none of them twice.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").strip("gw"))
    while True:
        port = 20_000 + worker % 12 * 1000 + secrets.randbelow(1000)
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


class RegistryServer:
    """One process over one folder; it can be stopped, killed and started again at the same address."""

    scheme = "http"
    expected = requests.codes.unauthorized  #: of one that does not know us

    def __init__(self, folder: Path, *, deletes: bool = True) -> None:
        self.folder = folder
        self.deletes = deletes
        self.tls: dict[str, Any] = {}  #: of distribution's configuration
        self._repositories: dict[str, Registry] = {}
        self._blobs: set[tuple[str, str]] = set()  #: name and digest of those that came already
        self.http = requests.Session()
        self.http.auth = (USER, PASSWORD)
        self.variables: dict[str, str] = {}  #: with which a client trusts it
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.host = f"127.0.0.1:{free_port()}"
        folder.mkdir(parents=True)
        (folder / "htpasswd").write_text(HTPASSWD)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> RegistryServer:
        """Start it and wait until it asks who we are."""
        config = {
            "version": "0.1",
            "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "data")},
                "delete": {"enabled": self.deletes},
            },
            "auth": {"htpasswd": {"realm": "tests", "path": str(self.folder / "htpasswd")}},
            "http": {"addr": self.host, **self.tls},
        }
        (self.folder / "config.json").write_text(json.dumps(config))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._program(), "serve", str(self.folder / "config.json")],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, f"the registry at {self.host}")
        return self

    def _program(self) -> str:
        return tool("registry")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            return bool(self._asked() == self.expected)
        except requests.RequestException:
            return False

    def _asked(self) -> int:
        return int(requests.get(f"{self.scheme}://{self.host}/v2/", timeout=60, verify=self.http.verify).status_code)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def repository(self, name: str) -> Registry:
        """A repository; the same one each time, whose connection stays open."""
        if name not in self._repositories:
            self._repositories[name] = self._open(name)
        return self._repositories[name]

    def _open(self, name: str) -> Registry:
        return Registry(f"{self.host}/{name}", Credentials(USER, PASSWORD))

    def put_blob(self, name: str, data: bytes) -> str:
        """Upload a blob; its digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if (name, digest) in self._blobs:
            return digest
        self._blobs.add((name, digest))
        begun = self.http.post(f"{self.scheme}://{self.host}/v2/{name}/blobs/uploads/", timeout=300)
        begun.raise_for_status()
        url = urljoin(begun.url, begun.headers["Location"])
        done = self.http.put(url, params={"digest": digest}, data=data, timeout=300)
        done.raise_for_status()
        return digest

    def put_image(self, name: str, tags: Sequence[str], *, days: Optional[float], mark: str = "") -> str:
        """Publish an image that was made some days ago (None: it does not say); its digest."""
        made = (
            {}
            if days is None
            else {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86400))}
        )
        config = json.dumps({**made, "mark": mark or tags[0], "rootfs": {}, "os": "linux"}).encode()
        layer = {
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "size": len(LAYER),
            "digest": self.put_blob(name, LAYER),
        }
        described = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(config)}
        content = {"config": {**described, "digest": self.put_blob(name, config)}, "layers": [layer]}
        return self._put(name, tags, IMAGE, content)

    def put_index(self, name: str, tags: Sequence[str], children: Sequence[str]) -> str:
        """Publish an index of images that are there; its digest."""
        sizes = {child: len(_body(self.repository(name).manifest(child))) for child in children}
        parts = [{"mediaType": IMAGE, "digest": child, "size": size} for child, size in sizes.items()]
        return self._put(name, tags, INDEX, {"manifests": parts})

    def _put(self, name: str, tags: Sequence[str], media_type: str, content: dict[str, Any]) -> str:
        body = json.dumps({"schemaVersion": 2, "mediaType": media_type, **content}).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        for reference in tags or (digest,):
            self.repository(name).put(reference, Manifest(media_type, body, digest))
        return digest

    def damage(self, name: str, digest: str) -> None:
        """Make a manifest unreadable, as a disk would."""
        blob = (
            self.folder / "data" / "docker" / "registry" / "v2" / "blobs" / "sha256" / digest[7:9] / digest[7:] / "data"
        )
        assert blob.is_file(), name
        blob.unlink()


def _body(manifest: Optional[Manifest]) -> bytes:
    assert manifest is not None
    return manifest.body


def tool(name: str) -> str:
    """The path of a tool, built where it is not there yet."""
    subprocess.run([str(TESTBED / "go-tools"), name], check=True, stdout=subprocess.DEVNULL)
    return str(CACHE / "bin" / name)


class OtherServer(RegistryServer):
    """A second implementation, go-containerregistry's: anonymous, and a tag is a manifest of its own there."""

    expected = requests.codes.ok

    @property
    def argv(self) -> list[str]:
        return [tool("crane"), "registry", "serve", "--address", self.host]

    def start(self) -> OtherServer:
        argv = self.argv
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._answers, f"the registry at {self.host}")
        return self


class ReferringServer(OtherServer):
    """The same one, with a list of referrers of its own."""

    @property
    def argv(self) -> list[str]:
        return [tool("referrers-registry"), self.host]


class TlsServer(RegistryServer):
    """Under a certificate of a CA that nobody knows but ``ca``, made for the test."""

    scheme = "https"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ca = folder / "ca.pem"
        certificate, key = folder / "server.pem", folder / "server-key.pem"
        self._openssl("req", "-x509", "-subj", "/CN=a CA of the tests", "-out", "ca.pem", key="ca-key.pem")
        self._openssl(
            *("req", "-x509", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-addext", "basicConstraints=critical,CA:FALSE", "-CA", "ca.pem", "-CAkey", "ca-key.pem"),
            *("-out", certificate.name),
            key=key.name,
        )
        self.tls = {"tls": {"certificate": str(certificate), "key": str(key)}}
        here = ca_bundle(os.environ) or "/etc/ssl/certs/ca-certificates.crt"
        both = folder / "both.pem"  # what is fetched in a build is under this machine's own
        both.write_text(Path(here).read_text() + self.ca.read_text())
        self.variables = {"SSL_CERT_FILE": str(both)}
        self.http.verify = str(self.ca)
        self.http.trust_env = False  # a bundle of the environment would come before it

    def _openssl(self, *words: str, key: str) -> None:
        argv = ["openssl", *words, "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key]
        subprocess.run(argv, cwd=self.folder, check=True, capture_output=True)

    def _open(self, name: str) -> Registry:
        found = super()._open(name)
        found._trust = str(self.ca)
        return found


class DebianServer(TlsServer):
    """Debian's docker-registry, distribution 2.8: another program than the one that its successor became."""

    def _program(self) -> str:
        found = CACHE / "bin" / "docker-registry"
        if not found.exists():
            subprocess.run([str(TESTBED / "registry")], check=True, stdout=subprocess.DEVNULL)
        return str(found)
