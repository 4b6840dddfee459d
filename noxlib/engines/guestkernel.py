"""The kernel of a golden image, its modules, and the initramfs that takes it to its root disk."""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

from noxlib import temporary
from noxlib.engines import process
from noxlib.errors import EngineError

#: What the initramfs inserts, with all that these need, in modprobe's order. Part of a golden image's key.
EARLY = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "ext4",
    "9p",
    "9pnet_virtio",
    "virtio_rng",
    "overlay",
    "vmgenid",
)
#: Folders and files of the kernel's modules that go into the image: no drivers of hardware that no guest has.
MODULES = (
    "arch/x86/crypto",
    "crypto",
    "lib",
    "fs",
    "net",
    "drivers/virtio",
    "drivers/virt",
    "drivers/block",
    "drivers/char",
    "drivers/net/virtio_net.ko",
    "drivers/net/net_failover.ko",
    "drivers/net/tun.ko",
    "drivers/net/veth.ko",
    "drivers/net/dummy.ko",
    "drivers/net/macvlan.ko",
    "drivers/net/ipvlan",
    "drivers/net/vxlan",
    "drivers/net/wireguard",
    "drivers/net/ifb.ko",
    "net/core/failover.ko",
)
INPUTS = (*EARLY, *MODULES)
_XZ = bytes.fromhex("fd377a585a00")  # the magic bytes before the kernel's packed payload


def make(root: Path, target: Path, init: str) -> None:
    """Make ``vmlinux`` and ``initramfs`` in ``target``, and put the modules into ``root``.

    ``root/kernel`` is the kernel's package, unpacked; it is gone afterwards.

    Raises:
        EngineError: A tool is missing or fails, or this kernel is packed in another way.
    """
    package = root / "kernel"
    (packed,) = (package / "boot").glob("vmlinuz-*")
    version = packed.name.partition("-")[2]
    unpack(packed, target / "vmlinux")
    _modules(package, root, version)
    with temporary.folder(target.parent, "initramfs-") as folder:
        _initramfs(root, version, folder, target / "initramfs", init)
    shutil.rmtree(package)
    (target / "kernel_version").write_text(f"{version}\n", encoding="ascii")


def unpack(packed: Path, elf: Path) -> None:
    """Unpack a kernel once: done by each boot of an emulated machine it is half of the boot's time.

    Raises:
        EngineError: It is not packed with XZ, or damaged.
    """
    data = packed.read_bytes()
    start = data.find(_XZ)
    if start < 0:
        raise EngineError(f"the kernel {packed.name} is not packed with XZ", "use Debian 12's own kernel")
    try:
        elf.write_bytes(lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data[start:]))
    except lzma.LZMAError as error:
        raise EngineError(f"the kernel {packed.name} cannot be unpacked: {error}", "fetch its package again") from error


def _modules(package: Path, root: Path, version: str) -> None:
    source = package / "lib" / "modules" / version
    target = root / "lib" / "modules" / version
    for name in MODULES:
        found = source / "kernel" / name
        if found.is_dir():
            shutil.copytree(found, target / "kernel" / name, dirs_exist_ok=True)
        elif found.is_file():
            (target / "kernel" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, target / "kernel" / name)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copyfile(source / name, target / name)
    process.run(("depmod", "-b", str(root), version), check=True, timeout=120)


def _initramfs(root: Path, version: str, folder: Path, target: Path, init: str) -> None:
    for name in ("bin", "dev", "proc", "sys", "sysroot", "modules"):
        (folder / name).mkdir()
    shutil.copy(root / "bin" / "busybox", folder / "bin" / "busybox")
    for at, module in enumerate(_early(root, version)):
        shutil.copyfile(module, folder / "modules" / f"{at:02}-{module.name}")
    (folder / "init").write_text(init, encoding="utf-8")
    (folder / "init").chmod(0o755)
    names = [".", *sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))]
    argv = ("cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "-D", str(folder), "-F", str(target))
    process.run(argv, input="\n".join(names) + "\n", check=True, timeout=120)


def _early(root: Path, version: str) -> list[Path]:
    """The files of the early modules and of all that they need, each once, what is needed first."""
    found: dict[Path, None] = {}
    for name in EARLY:
        shown = process.run(
            ("modprobe", "-d", str(root), "-S", version, "--show-depends", name), check=True, timeout=60
        )
        for line in shown.stdout.splitlines():
            verb, _, path = line.partition(" ")
            if verb == "insmod":
                found[Path(path.split()[0])] = None
    return list(found)
