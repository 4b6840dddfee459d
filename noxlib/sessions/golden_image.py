"""``golden_image``: the image that virtual machines start from, made where it is not there yet."""

from __future__ import annotations

from noxlib.engines import golden
from noxlib.engines.golden import Golden
from noxlib.sessions import reaping
from noxlib.sessions.arguments import DRY_RUN, no_rest
from noxlib.sessions.context import Context, say


def run(context: Context) -> None:
    """Carry the step out. Raises EngineError and CacheError."""
    arguments = context.parse(DRY_RUN)
    no_rest(context.session, arguments)
    reaping.sweep(context.root)
    found = golden.find()
    if found is None and arguments["dry_run"]:
        say(f"{context.session}: would make {golden.key()} of Debian's {golden.SUITE}: {', '.join(golden.PACKAGES)}")
        return
    say(f"{context.session}: {described(found or golden.find_or_make(say))}")


def described(found: Golden) -> str:
    """One line on an image that is there."""
    packages = len((found.folder / "packages.txt").read_text(encoding="utf-8").splitlines())
    kernel = (found.folder / "kernel_version").read_text(encoding="ascii").strip()
    size = found.disk.stat().st_size // 1024**2
    return f"{found.key}: Debian {golden.SUITE}, kernel {kernel}, {packages} packages, {size} MiB, in {found.folder}"
