"""What tests do with services beside them; where those are is told by variables."""

import os
import socket
import time
import urllib.error
import urllib.request

import pytest


def asked(method, path):
    try:
        with urllib.request.urlopen(urllib.request.Request(os.environ["PEER_URL"] + path, method=method)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def echoed(word=b"word"):
    host, _, port = os.environ["ECHO"].partition(":")
    begin = time.monotonic()
    with socket.create_connection((host, int(port)), 300) as connection:
        connection.sendall(word)
        assert connection.recv(len(word), socket.MSG_WAITALL) == word
    return time.monotonic() - begin


def test_expected():
    assert asked("GET", "/known") == 200


def test_unexpected():
    assert asked("GET", "/nobody/knows") == 404
    assert asked("GET", "/known") == 200


def test_adds(mock_peer):
    peer = mock_peer("peer").expect("GET", "/known", status=203).expect("GET", "/more", times=1)
    assert asked("GET", "/known") == 203
    assert asked("GET", "/more") == 200
    assert [str(request) for request in peer.requests()] == ["GET /known", "GET /more"]
    peer.verify("/more", times=1)
    with pytest.raises(AssertionError, match="POST /more at least once, found 0 times; it was asked GET /known, GET /more"):
        peer.verify("/more", method="POST")
    with pytest.raises(LookupError, match="did you mean peer"):
        mock_peer("pear")


def test_added_is_gone():
    assert asked("GET", "/known") == 200


def test_latency(bad_network):
    service = bad_network("echo")
    with service.use(latency=0.3):
        assert echoed() >= 0.3
    with service.use("down"), pytest.raises(OSError):
        echoed()
    echoed()
    service.use(latency=1e6)  # and so the next test finds it as it was
    with pytest.raises(LookupError, match="did you mean echo"):
        bad_network("ecko")
    with pytest.raises(ValueError, match="no fault 'latncy'"):
        service.use(latncy=1)


def test_latency_is_gone():
    echoed()  # it would take days
