"""``python -m noxlib data``: make test data and print where they are. Runs alone too, with the path of this file."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
import tempfile
from typing import Any


def parser(forms: tuple[str, ...]) -> argparse.ArgumentParser:
    """The options."""
    about = "Make test data, the same for the same seed, and print where they are."
    made = argparse.ArgumentParser(prog="python -m noxlib data", description=about, allow_abbrev=False)
    made.add_argument("--format", choices=[*forms, "sparse"], default="tar.gz", help="default: %(default)s")
    made.add_argument(
        "--mb", type=float, default=10, metavar="N", help="size in MB of 2**20 bytes; default: %(default)s"
    )
    made.add_argument("--files", type=int, default=100, metavar="N", help="number of files; default: %(default)s")
    made.add_argument("--compressible", action="store_true", help="data that can be compressed")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    made.add_argument("--output", metavar="PATH", help="write it there, instead of into the cache")
    return made


def main() -> int:
    """Carry the command out; 2 for what cannot be, told in two lines."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.realpath(path or ".") != os.path.realpath(here)]
    sys.path.append(os.path.dirname(here))
    data: Any = importlib.import_module(os.path.basename(here) + ".data")
    files: Any = importlib.import_module(os.path.basename(here) + ".data_files")
    options = parser(data.FORMS).parse_args()
    try:
        print(made(options, data, files))
    except (ValueError, files.DataError) as error:
        text = str(error)
        print(f"noxlib: {text}" if "\n" in text else f"noxlib: {text}\n  --help shows what there is", file=sys.stderr)
        return 2
    except OSError as error:
        where = os.path.abspath(options.output) if options.output else error.filename
        print(f"noxlib: {where}: {error.strerror or error}\n  choose another --output", file=sys.stderr)
        return 2
    return 0


def made(options: argparse.Namespace, data: Any, files: Any) -> str:
    """Make what the options ask for; where it is."""
    if options.output == "":  # of a variable that is not set
        raise ValueError("--output was given an empty value")
    test_data = files.TestData()
    if options.format == "sparse":
        if not options.output:
            raise ValueError("a sparse file needs --output")
        return str(test_data.sparse(options.output, options.mb / 1024))
    what = data.wanted(options.format, options.mb, options.files, compressible=options.compressible, seed=options.seed)
    return str(test_data.make(what)) if not options.output else put(what, os.path.abspath(options.output), data)


def put(what: Any, path: str, data: Any) -> str:
    """Make it aside, and give it its name when it is whole."""
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "it is there already", path)
    with tempfile.TemporaryDirectory(prefix=".noxlib-", dir=os.path.dirname(path)) as folder:
        data.make(what, os.path.join(folder, what.name))
        os.replace(os.path.join(folder, what.name), path)
    return path


if __name__ == "__main__":
    sys.exit(main())
