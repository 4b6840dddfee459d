"""What ``isolated_workspace`` gives, in a project with variables of its own."""

import os
import pathlib
import tempfile

SLEEP = ["sleep", "600"]


def note(name, text):
    pathlib.Path(os.environ["NOTES"], name).write_text(text)


def test_all_folders_are_the_tests_own(isolated_workspace):
    assert pathlib.Path.cwd() == isolated_workspace.path
    for name, variable in (("cache", "XDG_CACHE_HOME"), ("cache", "TELLUS_CACHE"), ("temp", "TMPDIR")):
        assert os.environ[variable] == str(getattr(isolated_workspace, name))
    assert pathlib.Path(tempfile.gettempdir()) == isolated_workspace.temp
    assert list(isolated_workspace.data.iterdir()) == []
    os.environ["FORGOTTEN"] = "1"
    os.chdir("/")


def test_afterwards_all_is_as_before():
    assert "FORGOTTEN" not in os.environ
    assert "XDG_CACHE_HOME" not in os.environ
    assert pathlib.Path.cwd() != pathlib.Path("/")
    assert os.path.isdir(tempfile.gettempdir())


def test_what_it_starts_and_registers_goes_though_the_test_fails(isolated_workspace):
    path = isolated_workspace.register(pathlib.Path(os.environ["NOTES"], "outside"))
    path.mkdir()
    note("pid", str(isolated_workspace.start(SLEEP).pid))
    raise AssertionError("on purpose")


def test_what_it_starts_and_registers_goes_after_a_kill(isolated_workspace):
    isolated_workspace.register(os.path.join(os.environ["NOTES"], "killed"))
    note("killed", str(isolated_workspace.start(SLEEP).pid))
    os.kill(os.getpid(), 9)
