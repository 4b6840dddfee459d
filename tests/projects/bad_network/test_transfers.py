import socket
import threading

import pytest


@pytest.fixture
def server():
    """The address of a server that says hello and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            try:
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.sendall(b"hello")
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def fetch(host, port):
    with socket.create_connection((host, port)) as connection:
        found = b""
        while part := connection.recv(100):
            found += part
        return found


def test_cut(network, server):
    network.require()
    proxy = network.proxy(*server)
    with proxy.use(cut_at=2, cut_by="close"):
        assert fetch(proxy.host, proxy.port) == b"he"
    assert fetch(proxy.host, proxy.port) == b"hello"


def test_down_and_up_again(network, server):
    proxy = network.proxy(*server, "down")
    if network.simulated:
        with pytest.raises(ConnectionRefusedError):
            fetch(proxy.host, proxy.port)
        proxy.use("good")
    assert fetch(proxy.host, proxy.port) == b"hello"
    assert proxy.counts.received == 5


def test_name(network, server):
    network.proxy(*server, redirect=True)
    proxy = network.proxy("archive.example", server[1], redirect=True)
    if network.simulated:
        with proxy.use(dns=True), pytest.raises(socket.gaierror):
            fetch("archive.example", server[1])
    assert socket.getaddrinfo("archive.example", server[1])[0][4] == proxy.address


def test_names_are_as_before():
    assert socket.getaddrinfo.__module__ == "socket"
