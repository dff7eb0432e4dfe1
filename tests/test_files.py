import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from twnm.errors import InputError
from twnm.files import atomic_write, cache_dir, sha256_file, verify_checksums, write_checksums


def test_atomic_write_creates_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a.txt").exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".txt"
    assert (tmp_path / "a.txt").read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_atomic_write_keeps_the_old_content_when_interrupted(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_atomic_write_survives_a_kill_with_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    write_checksums(tmp_path)
    program = f"import os, twnm.files\nwith twnm.files.atomic_write({str(path)!r}) as t:\n    t.write_text('half')\n    os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert path.read_text() == "old"
    assert verify_checksums(tmp_path) == [], "the temporary file that a kill leaves behind is not part of a data set"


def test_atomic_write_of_two_threads_gives_one_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    barrier = threading.Barrier(2)

    def write(text: str) -> None:
        with atomic_write(path) as temporary:
            temporary.write_text(text)
            barrier.wait()

    threads = [threading.Thread(target=write, args=(letter * 100_000,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in ("a" * 100_000, "b" * 100_000)
    assert os.listdir(tmp_path) == ["a.txt"]


def test_atomic_write_gives_the_permissions_of_an_ordinary_file_and_keeps_those_of_a_replaced_one(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with atomic_write(tmp_path / "new") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "plain").chmod(0o600)
    with atomic_write(tmp_path / "plain") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "plain").stat().st_mode & 0o777 == 0o600


def test_atomic_write_refuses_a_missing_folder_and_a_folder_as_target(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"folder .*no does not exist; create it first"), atomic_write(tmp_path / "no" / "a.txt"):
        pytest.fail("the block must not run")
    with pytest.raises(InputError, match="it is a folder"), atomic_write(tmp_path):
        pytest.fail("the block must not run")


def test_atomic_write_refuses_a_folder_that_cannot_be_written() -> None:
    # /proc refuses new files to every user, root included, so the test needs no permissions.
    with pytest.raises(InputError, match="choose a folder that can be written"), atomic_write("/proc/a.txt"):
        pytest.fail("the block must not run")


def test_sha256_file_agrees_with_the_published_vector(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_verify_checksums_names_missing_extra_and_changed_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("kept", "sub/lost", "edited"):
        (tmp_path / name).write_text(name)
    write_checksums(tmp_path)
    assert verify_checksums(tmp_path) == []
    (tmp_path / "sub" / "lost").unlink()
    (tmp_path / "edited").write_text("other")
    (tmp_path / "sub" / "added").write_text("")
    assert verify_checksums(tmp_path) == ["changed: edited", "extra: sub/added", "missing: sub/lost"]


def test_checksums_are_read_by_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_text("content")
    write_checksums(tmp_path)
    assert subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=False, capture_output=True).returncode == 0


def test_verify_checksums_says_what_is_wrong_with_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        verify_checksums(tmp_path / "none")
    with pytest.raises(InputError, match="nothing can be verified"):
        verify_checksums(tmp_path)
    (tmp_path / "SHA256SUMS").write_text("torn")
    with pytest.raises(InputError, match="line 1 is not"):
        verify_checksums(tmp_path)


def test_cache_dir_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWNM_CACHE", str(tmp_path / "deep" / "cache"))
    assert cache_dir() == tmp_path / "deep" / "cache"
    assert cache_dir().is_dir()
    monkeypatch.setenv("TWNM_CACHE", "/proc/cache")
    with pytest.raises(InputError, match="set TWNM_CACHE"):
        cache_dir()
    monkeypatch.delenv("TWNM_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "twnm"
