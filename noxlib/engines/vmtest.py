"""vmtest (the Rust program): its configuration, the devices that it gives a machine, and one run of it.

What was learned of it stands here: it takes one command as a text for bash, adds KVM only where the architecture is the
host's by name, has no deadline, ends with the command's code or 69 where the machine never ran it, leaves QEMU behind
where it is killed alone, and its sockets in /tmp in any case. So the guest tells how a command ended by a file on the
share, QEMU is started by a wrapper that ties it to vmtest's life and notes its words, and the whole group is killed.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from noxlib.engines import qemu
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from noxlib.engines.golden import Golden
    from noxlib.engines.qemu import Files, Shape

SHARE = "/mnt/vmtest"  #: where the guest sees the folder of the configuration
_TARGET = "noxlib"
_WRAPPER = '#!/bin/sh\nprintf "%s\\n" "$@" >{}\nexec setpriv --pdeathsig KILL -- {} "$@"\n'
_SOCKET = re.compile(r"unix:(/tmp/qmp-\d+\.sock),.*|socket,path=(/tmp/(?:qga|cmdout)-\d+\.sock),.*")


def configuration(shape: Shape, *, command: str, wrapper: Path, extra: list[str]) -> str:
    """The text of vmtest.toml. Pure.

    Args:
        shape: CPUs and memory. ``tcg`` as architecture is no host's: the accelerator stands in ``extra``.
        command: For bash in the guest.
        wrapper: What vmtest starts instead of QEMU; it must not lie in the share, which the guest's root may write.
        extra: More words for QEMU.
    """
    # A TOML basic string is a JSON string without surrogates; DEL, which JSON leaves as it is, must be escaped.
    words = (command, str(wrapper), *extra)
    texts = [json.dumps(word, ensure_ascii=False).replace("\x7f", "\\u007f") for word in words]
    return (
        f'[[target]]\nname = "{_TARGET}"\nimage = "root.qcow2"\narch = "tcg"\nqemu_command = {texts[1]}\n'
        f'command = {texts[0]}\n\n[target.vm]\nnum_cpus = {shape.cpus}\nmemory = "{shape.memory}M"\n'
        f"extra_args = [{', '.join(texts[2:])}]\n"
    )


def beyond(made: Golden, shape: Shape, files: Files, *, incoming: Optional[Path] = None) -> list[str]:
    """The words beyond vmtest's own devices. Pure."""
    return [
        *qemu.common(made, shape),
        # Killed as soon as the guest is done, QEMU must have written what the guest has synced.
        *("-drive", qemu.disk(files.ground, cache="writeback")),
        # vmtest's own drive: where it is full QEMU would stop the machine, and nobody would know why.
        *("-global", "virtio-blk-device.werror=report"),
        *qemu.devices(),
        *qemu.monitor(files),  # vmtest's own has room for one client
        *(("-incoming", qemu.incoming_from(incoming)) if incoming else ()),
    ]


def same_machine(made: Golden, shape: Shape, files: Files) -> list[str]:
    """QEMU's command line for a machine with the devices of vmtest 0.18, in its order: what RAM is saved from. Pure."""
    sockets = files.sockets
    return [
        *(qemu.PROGRAM, "-nodefaults", "-display", "none", "-serial", f"file:{qemu.option(files.console)}"),
        *("-chardev", f"socket,path={qemu.option(sockets / 'agent')},server=on,wait=off,id=qga0"),
        *("-device", "virtio-serial", "-device", "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0"),
        *("-device", "virtio-serial"),
        *("-chardev", f"socket,path={qemu.option(sockets / 'output')},server=on,wait=off,id=cmdout"),
        *("-device", "virtserialport,chardev=cmdout,name=org.qemu.virtio_serial.0"),
        *("-drive", f"file={qemu.option(files.root)},index=1,media=disk,if=none,id=root"),
        *("-device", "virtio-blk-pci,drive=root,bootindex=1", "-virtfs"),
        f"local,id=shared,path={qemu.option(sockets)},mount_tag=vmtest-shared,security_model=none,multidevs=remap",
        *beyond(made, shape, files),
    ]


def start(share: Path, files: Files, mark: str) -> subprocess.Popen[bytes]:
    """Start vmtest on the configuration in ``share``, in a process group of its own that dies with this process.

    Raises:
        EngineError: There is no vmtest, or no setpriv.
    """
    program = shutil.which("vmtest")
    if program is None:
        raise EngineError("the program 'vmtest' is not on PATH", "cargo install vmtest --locked, or take --rung qemu")
    wrapper = files.sockets / "qemu"
    wrapper.write_text(_WRAPPER.format(shlex.quote(str(_words(files.folder))), qemu.PROGRAM), encoding="utf-8")
    wrapper.chmod(0o700)
    words = (program, "-c", "vmtest.toml", "-f", f"^{_TARGET}$")
    return qemu.spawn(words, share, files.log, {"TMPDIR": str(files.sockets), qemu.MARK: mark, "TERM": "dumb"})


def remove_sockets(folder: Path) -> None:
    """Remove what vmtest left in /tmp of a machine whose folder of overlays this is; it must have ended.

    Their names are known from the words that QEMU was started with.
    """
    try:
        words = _words(folder).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for found in filter(None, map(_SOCKET.fullmatch, words)):
        Path(found[1] or found[2]).unlink(missing_ok=True)


def _words(folder: Path) -> Path:
    return folder / "words"
