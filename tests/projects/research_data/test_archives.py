import tarfile

import pytest


@pytest.mark.parametrize("part", range(4))
def test_archive_is_whole(test_data, part):
    path = test_data.archive(mb=1, files=20)
    with tarfile.open(path) as archive:
        sizes = [member.size for member in archive]
    assert (len(sizes), sum(sizes)) == (20, 1 << 20)
    with (path.parent / "asked").open("a") as asked:  # outside of what the cache watches
        asked.write(f"{part}\n")


def test_large_file(test_data, tmp_path):
    path = test_data.sparse(tmp_path / "large.nc", gb=6)
    assert path.stat().st_size == 6 << 30
    assert path.stat().st_blocks < 1000
