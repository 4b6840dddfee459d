"""What the steps for a cluster share: which host, which folder, which run; nothing secret is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from noxlib.config.models import Config, HpcConfig
from noxlib.engines.process import Completed
from noxlib.engines.slurm import Here
from noxlib.errors import PlaceError, UsageError
from noxlib.places.scheduler import HostTask
from noxlib.places.slurm_job import Job
from noxlib.plan import Limits, Plan, Task
from noxlib.records import store
from noxlib.sessions import hpc, hpc_results, hpc_submit
from noxlib.sessions.arguments import Arguments

if TYPE_CHECKING:
    from pathlib import Path


class Home(Here):
    """A login node with a home of that name."""

    def __init__(self, home: str) -> None:
        self.home = home

    def run(self, *_: object, **__: object) -> Completed:
        return Completed(0, f"welcome to the site\nyou\n{self.home}\n", "")


def configured(**keys: object) -> Config:
    return Config(hpc=HpcConfig(**keys))  # type: ignore[arg-type]


def test_the_option_comes_before_the_configuration_and_none_is_refused() -> None:
    config = configured(host="you@login")
    assert hpc.host_of(config, Arguments({"host": "me@other"}, ())) == ("me@other", "asked for by --host")
    assert hpc.host_of(config, Arguments({"host": None}, ())) == ("you@login", "configured: host = 'you@login'")
    with pytest.raises(UsageError, match="no cluster is named"):
        hpc.host_of(Config(), Arguments({"host": None}, ()))


def test_the_folder_is_absolute_below_the_home_or_as_configured() -> None:
    assert hpc.account(Home("/h/you"), Config()) == ("you", "/h/you/.noxlib")
    assert hpc.account(Home("/h/you"), configured(folder="/scratch/you")) == ("you", "/scratch/you")


@pytest.mark.parametrize("folder", ["a b", "a:b", "a,b", "%a", "$(x)", "a\nb", ""])
def test_a_folder_that_could_not_be_told_to_slurm_or_apptainer_is_refused(folder: str) -> None:
    with pytest.raises(UsageError, match="holds a blank or a sign"):
        hpc.account(Home("/h/you"), configured(folder=folder))


def test_a_home_with_such_a_sign_is_refused_too() -> None:
    with pytest.raises(PlaceError, match="holds a blank"):
        hpc.account(Home("/h/y:ou"), Config())


def test_a_login_node_that_says_nothing_is_told_in_two_lines() -> None:
    silent = Home("")
    silent.run = lambda *_, **__: Completed(0, "\n", "")  # type: ignore[method-assign]
    with pytest.raises(PlaceError, match="does not answer to 'sh -c id -un && cd && pwd -P'"):
        hpc.account(silent, Config())


@pytest.mark.parametrize("text", ["0", "-1", "x", "1001", "1.5", ""])
def test_a_number_of_shards_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no number of shards"):
        hpc_submit._shards(text)


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))


def test_a_submission_that_our_ledger_does_not_know_is_not_ours(tmp_path: Path) -> None:
    folder = store.new_run(tmp_path, "hpc_submit")
    job = Job("7", "/h/you", 1.0, (HostTask((), log="/etc/passwd", results=(("result", "/etc"),)),))
    hpc.write(folder, hpc.Submission(folder.name, "evil@host", "3.10", job, "", hpc.Known()), ())
    assert hpc.submitted(tmp_path) == []
    hpc.note("you@login", folder, "/h/you", expires=1e12)
    assert hpc.submitted(tmp_path) == []
    found = hpc.read(folder)
    assert found is not None
    assert found.job.tasks[0].log.startswith(str(folder.path))
    assert found.job.tasks[0].results[0][1].startswith(str(folder.path))


def test_the_run_that_is_meant_is_found_and_no_secret_is_written(tmp_path: Path) -> None:
    names = []
    for number in ("7", "8"):
        folder = store.new_run(tmp_path, "hpc_submit")
        task = HostTask(("x",), {"TOKEN": "hunter2-hunter2"})
        job = Job(number, f"/h/{folder.name}", 1.0, (task,))
        hpc.write(folder, hpc.Submission(folder.name, "you@login", "3.10", job, "", hpc.Known()), ("hunter2-hunter2",))
        assert "hunter2" not in (folder.path / store.SUBMITTED).read_text()
        hpc.note("you@login", folder, job.folder, expires=1e12)
        names.append(folder.name)
    chosen = {
        word: hpc.chosen(tmp_path, Arguments({}, (word,) if word else ()), "hpc_fetch")[1].job.id
        for word in ("", "7", "8", names[0][-6:])
    }
    assert (chosen["7"], chosen["8"], chosen[names[0][-6:]]) == ("7", "8", "7")
    assert chosen[""] in {"7", "8"}
    with pytest.raises(UsageError, match="nothing called 'other'"):
        hpc.chosen(tmp_path, Arguments({}, ("other",)), "hpc_fetch")
    with pytest.raises(UsageError, match="a part of several names"):
        hpc.chosen(tmp_path, Arguments({}, ("hpc_submit",)), "hpc_cancel")
    with pytest.raises(UsageError, match="takes one run"):
        hpc.chosen(tmp_path, Arguments({}, ("7", "8")), "hpc_fetch")


def test_what_was_submitted_to_a_cluster_that_was_taken_down_is_recorded_as_lost(tmp_path: Path) -> None:
    task = Task("hpc_submit", "unit", "3.10", "/workspace", "result")
    plan = Plan("hpc_submit", "unit", "3.10", "demo", "slurm", "asked for", task, Limits())
    folders = {}
    for host in ("simulation", "you@login"):
        folder = folders[host] = store.new_run(tmp_path, "hpc_submit")
        store.write_plan(folder, plan)
        hpc.write(folder, hpc.Submission(folder.name, host, "3.10", Job("7", "/h", 1.0, ()), "", hpc.Known()), ())
        hpc.note(host, folder, "/h", expires=1e12)
    hpc_results.give_up(tmp_path, "simulation")
    record = store.read_record(folders["simulation"].path)
    assert (record.outcome, record.cause, record.project) == ("error", "lost", "demo")
    assert [submission.host for _, submission in hpc.submitted(tmp_path)] == ["you@login"]
    assert [entry.name for entry in hpc.entries(tmp_path)] == [folders["you@login"].name]


def test_partition_and_account_are_told_to_sbatch() -> None:
    assert hpc.options(configured(partition="p", account="a")) == ("--partition=p", "--account=a")
    assert hpc.options(Config()) == ()
    assert msgspec.structs.asdict(HpcConfig())["shards"] == 1
