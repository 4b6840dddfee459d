"""Results of model runs, kept in any file system of fsspec: each with its checksum, never half a file."""

import hashlib
import json


class Damaged(Exception):
    """A result is not what was stored."""


def store(filesystem, run, name, data):
    """Write a result beside its checksum: under its own name only once it is whole."""
    filesystem.makedirs(run, exist_ok=True)
    with filesystem.open(f"{run}/{name}.part", "wb") as stream:
        stream.write(data)
    filesystem.mv(f"{run}/{name}.part", f"{run}/{name}")
    about = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    filesystem.pipe_file(f"{run}/{name}.json", json.dumps(about).encode())


def load(filesystem, run, name):
    """Read a result; raises Damaged where it is not what was stored."""
    about = json.loads(filesystem.cat_file(f"{run}/{name}.json"))
    data = filesystem.cat_file(f"{run}/{name}")
    if hashlib.sha256(data).hexdigest() != about["sha256"]:
        raise Damaged(f"{run}/{name}")
    return data


def results(filesystem, run):
    """Names of the whole results of a run."""
    found = filesystem.glob(f"{run}/*.json")
    return sorted(path.rpartition("/")[2][: -len(".json")] for path in found)
