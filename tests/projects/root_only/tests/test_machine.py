"""Tests that only root on a machine of its own can pass, and one that anybody can."""

import ctypes
import os
import socket
import time
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


def answered(server, client):
    """Seconds of a round trip on the loopback."""
    began = time.monotonic()
    client.sendto(b"there", server.getsockname())
    data, address = server.recvfrom(10)
    server.sendto(data, address)
    assert client.recv(10) == b"there"
    return time.monotonic() - began


@pytest.mark.vmtest
def test_packets_are_late_by_the_kernel(network):
    with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        server.bind(("127.0.0.1", 0))
        with network.link("lo", latency=0.2):
            assert answered(server, client) >= 0.2
        with network.link("lo", loss=1):
            server.settimeout(0.1)
            with pytest.raises(socket.timeout):
                answered(server, client)


@pytest.mark.vmtest
def test_root_is_root():
    assert os.getuid() == 0
    with open("/dev/kmsg", "w") as log:
        log.write("a test was here\n")
