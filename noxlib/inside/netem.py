"""Bad networks below TCP: netem of the kernel, in a virtual machine of noxlib's own, which goes away after the run.

The kernel is asked by rtnetlink(7), as tc asks it, since few testgrounds have tc. The numbers are those of
linux/rtnetlink.h and linux/pkt_sched.h.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from . import faults as faults_

if TYPE_CHECKING:
    from collections.abc import Mapping

GUEST = "noxlib.guest"  #: word of the kernel's command line in such a machine
FIELDS = ("latency", "jitter", "bandwidth", "loss")  #: of Faults; the others are a proxy's
LIMIT = 100_000  # packets that wait; netem's own 1000 would lose what a long, fast line holds
PATIENCE = 60.0  # seconds for the kernel's answer, which comes at once
NEW_QDISC, DELETE_QDISC = 36, 37
REQUEST_AND_ACK, CREATE_OR_REPLACE = 0x5, 0x500
ROOT = 0xFFFFFFFF
KIND, OPTIONS = 1, 2  # attributes of a queueing discipline
RATE, LATENCY, JITTER = 6, 10, 11  # attributes of netem: bytes a second, nanoseconds, nanoseconds


def refusal(command_line: Path = Path("/proc/cmdline")) -> str | None:
    """Why there is no netem here; None where there is. Elsewhere it would hurt a network that others use."""
    try:
        words = command_line.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        words = []
    return None if GUEST in words else "netem needs a virtual machine of the run's own: mark the test vmtest"


def checked(faults: faults_.Faults) -> faults_.Faults:
    """The same faults. Raises ValueError for one that netem does not know."""
    plain: Mapping[str, object] = vars(faults_.Faults())
    beyond = [name for name, value in vars(faults).items() if name not in FIELDS and value != plain[name]]
    if beyond:
        raise ValueError(f"a link has no {beyond[0]}; it has {', '.join(FIELDS)}")
    return faults


def hold(device: str, faults: faults_.Faults) -> None:
    """Let a device have these faults. Raises OSError where there is no such device, or the kernel refuses."""
    share = 0.5 if device == "lo" else 1.0  # the loopback is passed on both ways of a round trip, any other on one
    _ask(NEW_QDISC, CREATE_OR_REPLACE, device, attribute(KIND, b"netem\0") + attribute(OPTIONS, options(faults, share)))


def release(device: str) -> None:
    """Take the faults of a device away. Raises OSError where the kernel refuses."""
    _ask(DELETE_QDISC, 0, device, b"")


def options(faults: faults_.Faults, share: float) -> bytes:
    """``struct tc_netem_qopt`` and the attributes behind it. Pure."""
    loss = min(round(faults.loss * 0xFFFFFFFF), 0xFFFFFFFF)
    found = struct.pack("=6I", 0, LIMIT, loss, 0, 0, 0)
    found += attribute(LATENCY, struct.pack("=q", round(faults.latency * share * 1e9)))
    found += attribute(JITTER, struct.pack("=q", round(faults.jitter * share * 1e9)))
    if faults.bandwidth:
        found += attribute(RATE, struct.pack("=IiIi", min(round(faults.bandwidth), 0xFFFFFFFF), 0, 0, 0))
    return found


def attribute(number: int, value: bytes) -> bytes:
    """``struct rtattr``: length and number, the value, padded to four bytes."""
    return struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)


def _ask(kind: int, flags: int, device: str, attributes: bytes) -> None:
    body = struct.pack("=BxxxiIII", socket.AF_UNSPEC, socket.if_nametoindex(device), 0, ROOT, 0) + attributes
    head = struct.pack("=IHHII", 16 + len(body), kind, REQUEST_AND_ACK | flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(PATIENCE)
        kernel.send(head + body)
        (error,) = struct.unpack_from("=i", kernel.recv(65536), 16)
    if error:
        raise OSError(-error, f"the kernel refuses netem: {os.strerror(-error)}", device)
