"""The pure parts of the prepared editable install: trees, wheels, names."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from noxlib.inside import backend, editable, mesonpy, names, tree, wheel


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_only_what_the_build_made_is_copied(tmp_path: Path) -> None:
    workspace = write(tmp_path / "w", {"a.py": "", "owned.py": "1", "ignored.txt": "old", ".git/index": ""})
    output = tmp_path / "out"
    before = tree.snapshot(workspace, output)
    write(
        workspace,
        {
            "owned.py": "changed",
            "ignored.txt": "changed",
            "b/_version.py": "",
            "b/__pycache__/x.pyc": "",
            ".git/index": "new",
        },
    )
    copied = tree.copy_changes(workspace, before, {"a.py", "owned.py"}, output / "tree", output)
    assert copied == ["b/_version.py", "ignored.txt"]
    assert not (output / "tree/owned.py").exists()


def test_modification_times_are_kept(tmp_path: Path) -> None:
    workspace = write(tmp_path / "w", {"a.o": ""})
    os.utime(workspace / "a.o", ns=(1, 1_000_000_000))
    tree.copy_changes(workspace, {}, (), tmp_path / "tree", tmp_path / "out")
    assert (tmp_path / "tree/a.o").stat().st_mtime_ns == 1_000_000_000


def test_links_are_never_followed_out_of_the_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = write(tmp_path / "w", {"a.txt": "", "folder/b.txt": ""})
    write(tmp_path / "outside", {"secret": "x"})
    before = tree.snapshot(workspace, tmp_path / "out")
    (workspace / "file").symlink_to(tmp_path / "outside/secret")
    (workspace / "folder-out").symlink_to(tmp_path / "outside")
    (workspace / "folder-in").symlink_to("folder")
    assert tree.copy_changes(workspace, before, (), tmp_path / "tree", tmp_path / "out") == ["folder-in"]
    assert (tmp_path / "tree/folder-in").readlink() == Path("folder") if hasattr(Path, "readlink") else True
    assert "leads out of the workspace" in capsys.readouterr().out


def test_an_output_folder_inside_the_workspace_is_not_part_of_it(tmp_path: Path) -> None:
    write(tmp_path, {"out/site/a.py": "", "b.py": ""})
    assert list(tree.snapshot(tmp_path, tmp_path / "out")) == ["b.py"]


def make_wheel(folder: Path, files: dict[str, str]) -> Path:
    path = folder / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {"demo-1.0.dist-info/METADATA": "Name: demo\nVersion: 1.0\n", **files}.items():
            archive.writestr(name, text)
    return path


def test_a_wheel_is_unpacked_as_an_installer_does(tmp_path: Path) -> None:
    site = tmp_path / "site"
    file = make_wheel(
        tmp_path,
        {
            "demo.pth": "/workspace/src\n",
            "demo-1.0.data/purelib/pure.py": "",
            "demo-1.0.data/platlib/plat.py": "",
            "demo-1.0.data/scripts/tool": "#!python\nprint('tool')\n",
            "demo-1.0.data/data/share/man.1": "",
            "demo-1.0.dist-info/entry_points.txt": "[console_scripts]\nDemo = this_demo:main.run [x]\n[other]\na = b\n",
        },
    )
    distribution = wheel.unpack(file, site)
    wheel.write_scripts(site, distribution, sys.executable)
    wheel.finish(site, distribution, Path("/workspace"))
    found = PathDistribution(distribution)
    assert found.version == "1.0"
    assert {str(file) for file in found.files or ()} == {
        *("demo.pth", "pure.py", "plat.py", "bin/tool", "bin/Demo"),
        *(
            f"demo-1.0.dist-info/{name}"
            for name in ("METADATA", "entry_points.txt", "INSTALLER", "direct_url.json", "RECORD")
        ),
    }
    assert json.loads(found.read_text("direct_url.json") or "")["url"] == "file:///workspace"
    assert subprocess.check_output([site / "bin/tool"]) == b"tool\n"
    (site / "bin/this_demo.py").write_text("class main:\n    run = staticmethod(lambda: print('ran'))\n")
    assert subprocess.check_output([site / "bin/Demo"]) == b"ran\n"


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "demo-1.0.data/purelib/../../../evil.py"])
def test_a_wheel_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="leads out of it"):
        wheel.unpack(make_wheel(tmp_path, {name: ""}), tmp_path / "site")


def test_interpreters_with_spaces_start_through_the_shell(tmp_path: Path) -> None:
    python = tmp_path / "a folder/python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    script = tmp_path / "script"
    script.write_text(wheel.shebang(str(python)) + "print('ran')\n")
    script.chmod(0o755)
    assert subprocess.check_output([script]) == b"ran\n"
    assert wheel.shebang("/usr/bin/python3") == "#!/usr/bin/python3\n"


SETUPTOOLS = "MAPPING: dict[str, str] = {'demo_pkg': '/workspace/lib'}\nNAMESPACES: dict[str, list[str]] = {'ns': []}\n"
SCIKIT_BUILD = (
    "def install(a, b):\n    pass\n\n\ninstall({'demo_pkg.part': '/workspace/a.py'}, {'demo_pkg.fast': 'x.so'})\n"
)
OLD_MESON = "install('demo', {'demo_pkg'}, ['/opt/build/bin/ninja'], '/workspace/build/cp310', False)\n"
NEW_MESON = (
    "def init():\n    finder = MesonpyMetaFinder('demo', {'demo_pkg'}, '/workspace/build', "
    "['/opt/build/bin/ninja', '-j2'], False)\n"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SETUPTOOLS, {"demo_pkg", "ns"}),
        (SCIKIT_BUILD, {"demo_pkg"}),
        (OLD_MESON, {"demo_pkg"}),
        (NEW_MESON, {"demo_pkg"}),
    ],
)
def test_generated_hooks_tell_the_names_that_they_import(text: str, expected: set[str]) -> None:
    found = {name.split(".")[0] for table in names.tables(ast.parse(text)) for name in table}
    assert found == expected


@pytest.mark.parametrize("text", [OLD_MESON, NEW_MESON])
def test_meson_loaders_do_not_run_ninja_in_the_testground(tmp_path: Path, text: str) -> None:
    loader = tmp_path / "_demo_editable_loader.py"
    loader.write_text(text)
    mesonpy.leave_built(tmp_path)
    assert "ninja" not in loader.read_text()
    assert "['true']" in loader.read_text()


def of(tmp_path: Path, site_files: dict[str, str], workspace_files: dict[str, str]) -> list[str]:
    workspace = write(tmp_path / "workspace", workspace_files)
    filled = {name: text.replace("/workspace", str(workspace)) for name, text in site_files.items()}
    site = write(tmp_path / "site", {"demo_pkg-1.0.dist-info/METADATA": "", **filled})
    return names.of_distribution(site, site / "demo_pkg-1.0.dist-info", workspace)


def test_top_level_txt_counts_first_without_tests_and_docs(tmp_path: Path) -> None:
    site = {"demo_pkg-1.0.dist-info/top_level.txt": "demo_pkg\n_demo_fast\ntests\ndocs\nnot-a-name\n"}
    assert of(tmp_path, site, {}) == ["_demo_fast", "demo_pkg"]


def test_a_project_that_is_named_tests_keeps_its_name(tmp_path: Path) -> None:
    assert of(tmp_path, {"demo_pkg-1.0.dist-info/top_level.txt": "testing\n"}, {}) == ["testing"]


def test_packages_below_the_paths_of_pth_files(tmp_path: Path) -> None:
    files = {
        "src/one/__init__.py": "",
        "src/name_space/deep/a.py": "",
        "src/single.py": "",
        "src/one.egg-info/PKG-INFO": "",
    }
    site = {"_demo.pth": "import something\n# a comment\n/workspace/src\n"}
    assert of(tmp_path, site, files) == ["name_space", "one", "single"]


def test_in_the_projects_root_only_packages_and_modules_count(tmp_path: Path) -> None:
    files = {
        "demo_pkg/part.py": "",
        "other/__init__.py": "",
        "tests/__init__.py": "",
        "data/x.py": "",
        "setup.py": "",
        "noxfile.py": "",
        "json.py": "",
        "README.md": "",
    }
    found = of(tmp_path, {"demo.pth": "/workspace\n"}, files)
    assert [name for name in found if name != "json"] == ["demo_pkg", "other"]


def test_modules_in_the_wheel_itself_count(tmp_path: Path) -> None:
    ending = names.MODULE_ENDINGS[0]
    site = {f"native{ending}": "", "package/__init__.py": "", "_demo_editable_loader.py": NEW_MESON, "bin/demo": ""}
    assert of(tmp_path, site, {}) == ["demo_pkg", "native", "package"]


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [("pytest", True), ("pytest>=1; python_version>'3'", True), ("no-such-thing~=1", False)],
)
def test_requirements_that_are_there(requirement: str, expected: bool) -> None:
    assert backend.is_installed(requirement) is expected


def test_what_is_asked_for_with_another_extra_or_python_is_no_hindrance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # flit_core 3 names every extra's requirements with their markers, where the version is dynamic
    (tmp_path / "asking_back_end.py").write_text(
        "def get_requires_for_build_editable(settings):\n    return ['no-such-thing ; extra == \"diagrams\"']\n"
    )
    backend.Backend("asking_back_end", ["."], tmp_path).install_requirements(None, None)
    assert "no-such-thing" in capsys.readouterr().out


def test_an_error_is_told_without_our_frames(tmp_path: Path) -> None:
    (tmp_path / "setup_helper.py").write_text("def fail():\n    raise ValueError('no moon')\n")
    scope: dict[str, object] = {}
    exec(compile((tmp_path / "setup_helper.py").read_text(), str(tmp_path / "setup_helper.py"), "exec"), scope)
    with pytest.raises(ValueError, match="no moon") as caught:
        scope["fail"]()  # type: ignore[operator]
    text = backend.last_words(caught.value, tmp_path)
    assert text.endswith("ValueError: no moon")
    assert "setup_helper.py" in text
    assert "test_inside_prepare" not in text


def test_an_error_while_importing_is_told_without_the_import_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old_setuptools.py").write_text("import pkgutil\npkgutil.no_such_importer\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(AttributeError) as caught:
        importlib.import_module("old_setuptools")
    text = backend.last_words(caught.value, tmp_path)
    assert "old_setuptools.py" in text
    assert "frozen" not in text


def test_a_project_without_a_build_gets_its_root_on_the_path(tmp_path: Path) -> None:
    workspace = write(tmp_path / "workspace", {"application.py": "", "tests/test_a.py": ""})
    request = {"workspace": str(workspace), "output": str(tmp_path / "out"), "backend": None, "python": sys.executable}
    prepared = editable.prepare(request)
    assert prepared["import_names"] == ["application"]
    assert prepared["files"] == []
    assert (tmp_path / "out/site/noxlib_root.pth").read_text() == f"{workspace}\n"


@pytest.mark.parametrize("text", ["", "[]", "{}", None])
def test_a_request_that_is_none_ends_in_one_line(
    tmp_path: Path, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "request.json").write_text(text)
    assert editable.main(["prepare.py", str(tmp_path / "request.json")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
