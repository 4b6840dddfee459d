import os


def test_small():
    assert len(bytes(1024)) == 1024


def test_eats():
    megabytes = int(os.environ.get("EAT_MEGABYTES", "4096"))
    eaten = [os.urandom(1 << 20) for _ in range(megabytes)]
    assert len(eaten) == megabytes
