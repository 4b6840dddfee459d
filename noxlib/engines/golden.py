"""The golden image of virtual machines: made once of Debian's packages, known by what it is made from, only read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib import atomic, temporary
from noxlib.cache import Cache, state_folder
from noxlib.config import scaffold
from noxlib.engines import guestkernel, offline, process
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

SUITE = "bookworm"
#: Beside a machine's own base: what a guest of ours needs, and what tests of a machine usually ask for.
PACKAGES = (
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "busybox-static",
    "qemu-guest-agent",
    "openssh-server",
    "python3",
    "python3-pytest",
    "iproute2",
    "iputils-ping",
    "curl",
    "procps",
    "ca-certificates",
)
TEMPLATES = ("init", "inittab", "start", "agent", "sshd_config", "initramfs-init")
BUDGET = 12 * 1024**3  #: bytes of images, saved RAM and disks kept on this machine
DISK = "2G"
_FORMAT = 1  # of what the code here makes; part of the key
_EXCLUDED = ("/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/doc/*")
_TIMEOUT = 1800.0  # seconds for one tool


class Golden(msgspec.Struct, frozen=True):
    """A golden image on this machine."""

    key: str  #: of everything that it is made from
    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinux"

    @property
    def initramfs(self) -> Path:
        return self.folder / "initramfs"

    @property
    def disk(self) -> Path:
        """A qcow2 image that nothing writes to; runs have overlays of it."""
        return self.folder / "golden.qcow2"

    @property
    def identity(self) -> Path:
        """The private key that the guest's root takes."""
        return self.folder / "id_ed25519"

    @property
    def host_key(self) -> str:
        """The guest's public host key: type and key."""
        return (self.folder / "host_key").read_text(encoding="ascii").strip()


def cache() -> Cache:
    """What machines are made from: golden images, saved RAM, testgrounds as disks."""
    return Cache(state_folder() / "machines", BUDGET)


def key() -> str:
    """The key of the image that this version of noxlib makes: a hash of packages, templates and modules."""
    parts = [str(_FORMAT), SUITE, os.uname().machine, *PACKAGES, *_EXCLUDED, *guestkernel.INPUTS]
    parts += [template(name) for name in TEMPLATES]
    return f"golden-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"


def template(name: str) -> str:
    """The text of one of the guest's own files."""
    return scaffold.template(name, "golden")


def find() -> Optional[Golden]:
    """The golden image, None where it is not made yet."""
    folder = cache().get(key())
    return Golden(key(), folder) if folder is not None else None


def find_or_make(say: Callable[[str], None]) -> Golden:
    """The golden image, made where it is not there yet: about a minute, by one process while others wait.

    Raises:
        EngineError: This user may not make one, a tool is missing or fails, or the package mirror does.
        CacheError: The disk is full.
    """
    return Golden(key(), cache().make(key(), lambda target: _make(target, say)))


def _make(target: Path, say: Callable[[str], None]) -> None:
    if os.geteuid() != 0:
        raise EngineError("only root can make a golden image", "sudo nox -s golden_image, or copy one that is made")
    mirror = _mirror()
    with temporary.folder(target.parent, "root-") as folder:
        root = folder / "root"
        say(f"noxlib: making the golden image {key()}: packages of {SUITE}")
        _packages(root, mirror)
        say("noxlib: making the golden image: kernel and initramfs")
        guestkernel.make(root, target, template("initramfs-init"))
        _configure(root, target)
        say("noxlib: making the golden image: disk")
        to_disk(root, target / "golden.qcow2", DISK)


def _mirror() -> str:
    """The mirror that this machine's own apt takes the suite from."""
    offline.forbid("the golden image of virtual machines", "the mirror of Debian's packages")
    wanted = ("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)")
    lines = [line.split() for line in process.run(wanted, check=True, timeout=60).stdout.splitlines()]
    found = [words[1] for words in lines if len(words) == 2 and words[0] == SUITE]  # noqa: PLR2004 - release, address
    if not found:
        raise EngineError(f"apt has no source for Debian's {SUITE}", f"add its mirror with the suite {SUITE} to apt")
    return found[0]


def _packages(root: Path, mirror: str) -> None:
    """Debian's packages, and the kernel's unpacked beside them: installed, it would bring a maker of initramfs."""
    fetch = (
        'cd "$1" && export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" && name=$(apt-cache depends --no-recommends '
        "--no-suggests linux-image-amd64 | sed -n 's/^ *Depends: *\\(linux-image-[0-9].*\\)$/\\1/p' | head -n 1) "
        '&& apt-get -qq -o APT::Sandbox::User=root download "$name" && dpkg-deb -x linux-image-*.deb kernel '
        "&& rm linux-image-*.deb"
    )
    argv = [
        # In a pid namespace of its own, which ends with its first process, and that with this one.
        *("setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--pid", "--fork", "--kill-child"),
        *("--mount-proc", "--"),
        *("mmdebstrap", "--quiet", "--variant=minbase", "--format=directory", f"--include={','.join(PACKAGES)}"),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _EXCLUDED),
        *("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", f"--customize-hook={fetch}"),
        *(SUITE, str(root), f"deb {mirror} {SUITE} main"),
    ]
    tool(argv, timeout=_TIMEOUT)


def _configure(root: Path, target: Path) -> None:
    """Give the guest its own files and its keys, and note what it is made of."""
    own = root / "usr" / "lib" / "noxlib"
    own.mkdir(parents=True)
    for name in ("init", "start", "agent"):
        (own / name).write_text(template(name), encoding="utf-8")
        (own / name).chmod(0o755)
    (root / "etc" / "inittab").write_text(template("inittab"), encoding="utf-8")
    (root / "etc" / "ssh" / "sshd_config").write_text(template("sshd_config"), encoding="utf-8")
    (root / "etc" / "hostname").write_text("noxlib\n", encoding="utf-8")
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost noxlib\n::1 localhost\n", encoding="utf-8")
    (root / "etc" / "resolv.conf").unlink(missing_ok=True)  # the building machine's, or a link to a service's
    (root / "etc" / "resolv.conf").write_text("nameserver 10.0.2.3\n", encoding="utf-8")
    _keys(root, target)
    listed = process.run(("dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W"), check=True, timeout=60).stdout
    atomic.write(target / "packages.txt", listed.encode(), mode=0o644)
    for stale in (root / "var" / "cache" / "apt").glob("*.bin"):
        stale.unlink()


def _keys(root: Path, target: Path) -> None:
    for old in (root / "etc" / "ssh").glob("ssh_host_*"):
        old.unlink()
    host = root / "etc" / "ssh" / "ssh_host_ed25519_key"
    for path in (host, target / "id_ed25519"):
        tool(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "noxlib", "-f", str(path)))
    kind, public, *_ = host.with_suffix(".pub").read_text(encoding="ascii").split()
    (target / "host_key").write_text(f"{kind} {public}\n", encoding="ascii")
    allowed = root / "root" / ".ssh"
    allowed.mkdir(mode=0o700, exist_ok=True)
    atomic.write(allowed / "authorized_keys", (target / "id_ed25519.pub").read_bytes())


def to_disk(root: Path, disk: Path, size: str, *, before: tuple[str, ...] = ()) -> None:
    """Make a qcow2 disk with an ext4 file system of a folder, without mounting anything.

    Args:
        root: The folder; it becomes the disk's root.
        disk: The image's path.
        size: Of the disk as the guest sees it; what is empty takes no room.
        before: Words before the tool that reads the folder.

    Raises:
        EngineError: A tool is missing or fails.
    """
    raw = disk.with_suffix(".raw")
    try:
        tool(("truncate", "-s", size, str(raw)))
        # No journal: nobody needs the disk after a crash. Inode tables are left to the kernel, which finds them zero.
        options = ("-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-E", "lazy_itable_init=1,nodiscard")
        tool((*before, "mke2fs", *options, "-d", str(root), str(raw)))
        tool(("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(disk)))
    finally:
        raw.unlink(missing_ok=True)


def tool(argv: tuple[str, ...] | list[str], *, timeout: float = _TIMEOUT) -> str:
    """Run one of the tools that ``scripts/testbed/vm`` installs; what it printed.

    Raises:
        EngineError: It is missing or fails.
    """
    try:
        return process.run(argv, check=True, timeout=timeout).stdout
    except EngineError as error:
        missing = "not on PATH" in error.what
        todo = "apt-get install qemu-system-x86 qemu-utils mmdebstrap busybox-static cpio kmod e2fsprogs openssh-client"
        raise EngineError(error.what, todo if missing else error.todo) from error
