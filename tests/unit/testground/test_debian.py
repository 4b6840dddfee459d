"""Which files of an image are those of Debian packages."""

from __future__ import annotations

from noxlib.testground import debian
from noxlib.testground.tree import Compared

from .images import tar

INFO = "var/lib/dpkg/info/"
IMAGE = {
    f"{INFO}libpq5:amd64.list": b"/.\n/lib\n/lib/x86_64-linux-gnu/libpq.so.5\n/usr/share/doc/libpq5/copyright\n",
    f"{INFO}libpq5:amd64.md5sums": b"0  evil\n",
    f"{INFO}libc6:amd64.list": b"/usr/lib/libc.so.6\n",
    f"{INFO}more.list": "libc6:amd64.list",
}


def test_files_of_packages_that_differ_are_told_apart_from_all_others() -> None:
    owned = debian.paths(tar(IMAGE), {"libpq5", "more"})
    of_debian = {
        "usr/lib/x86_64-linux-gnu/libpq.so.5": "content",
        "usr/share/doc/libpq5/copyright": "only after",
        "var/lib/dpkg/status": "content",
        "var/cache/debconf/config.dat": "content",
        "etc/ld.so.cache": "content",
    }
    others = {"usr/lib/libc.so.6": "content", "evil": "only before", "var/lib/dpkgevil": "mode"}
    files, theirs = debian.apart(Compared({**of_debian, **others}, bytecode=("x",)), owned)
    assert (files, theirs) == (Compared(others, bytecode=("x",)), of_debian)


def test_where_no_package_differs_dpkgs_own_files_count_like_all_others() -> None:
    compared = Compared({"var/lib/dpkg/status": "mode"})
    assert debian.apart(compared, debian.paths(tar(IMAGE), set())) == (compared, {})
