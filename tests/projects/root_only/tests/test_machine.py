"""Tests that only root on a machine of its own can pass, and one that anybody can."""

import ctypes
import os
import socket
from pathlib import Path

import pytest

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def test_anywhere():
    assert sum([1, 2]) == 3


@pytest.mark.vmtest
def test_a_network_namespace_has_a_loopback_only():
    child = os.fork()
    if child == 0:
        try:
            checked(libc.unshare(CLONE_NEWNET))
            os._exit([name for _, name in socket.if_nameindex()] != ["lo"])
        finally:
            os._exit(9)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.vmtest
def test_a_file_system_is_mounted_and_unmounted(tmp_path):
    checked(libc.mount(b"none", bytes(tmp_path), b"tmpfs", 0, b"size=64k"))
    (tmp_path / "file").write_text("there")
    with pytest.raises(OSError):
        (tmp_path / "large").write_bytes(bytes(200_000))
    checked(libc.umount(bytes(tmp_path)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.vmtest
def test_the_kernel_is_the_machines_own():
    (Path("/proc/sys/net/ipv4/ip_forward")).write_text("1")
    assert "noxlib" in Path("/proc/sys/kernel/hostname").read_text()


@pytest.mark.vmtest
def test_root_is_root():
    assert os.getuid() == 0
    with open("/dev/kmsg", "w") as log:
        log.write("a test was here\n")
