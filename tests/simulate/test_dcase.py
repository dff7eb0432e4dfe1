"""Labels every 100 ms, and the exported folder, against the published definition (DCASE 2024 task 3, as the STARSS23 files are)."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from twnm.errors import InputError
from twnm.files import verify_checksums
from twnm.scene import Event, Listener, Room, Scene, Waypoint
from twnm.simulate import dataset
from twnm.simulate.dataset import SceneSet, write
from twnm.simulate.dcase import classes_of, dcase_rows
from twnm.simulate.export import export_dcase
from twnm.simulate.recipe import RECIPES
from twnm.sounds.catalogue import Catalogue, Clip
from twnm.sounds.classes import CLASSES

SHORT = RECIPES["indoor"].model_copy(update={"name": "short", "duration_s": 1.0})


def event(label: str, onset_s: float, offset_s: float, *places: tuple[float, float, float, float]) -> Event:
    path = tuple(Waypoint(time_s=time_s, position_m=(x, y, z)) for time_s, x, y, z in places)
    return Event(label=label, clip="a", onset_s=onset_s, offset_s=offset_s, path=path)


def test_rows_are_frames_classes_sources_whole_degrees_and_centimetres() -> None:
    scene = Scene(
        scene_id="a",
        duration_s=1.0,
        room=Room(kind="free"),
        listener=Listener(yaw_deg=90.0),
        events=(
            event("bell", 0.2, 0.4, (0.0, 0.0, 2.0, 0.0)),  # where the listener looks
            event("dog", 0.26, 0.44, (0.0, -3.0, 0.0, 4.0)),  # at its left, 53 degrees up; frame 2 is sounding for less than half, so is frame 4
            event("dog", 0.3, 0.4, (0.0, 1.0, 0.0, 0.0), (0.7, 1.0, 7.0, 0.0)),  # at 0.35 s it is at (1, 3.5)
        ),
    )
    assert dcase_rows(scene, CLASSES) == [
        (2, CLASSES.index("bell"), 0, 0, 0, 200),
        (3, CLASSES.index("bell"), 0, 0, 0, 200),
        (3, CLASSES.index("dog"), 1, 90, 53, 500),
        (3, CLASSES.index("dog"), 2, -16, 0, 364),
    ]


def test_labels_of_a_users_own_bank_have_numbers_after_the_known_ones() -> None:
    clips = [Clip(f"{label}/a.wav", label, "p", "s", "l", "train", None, 1.0, 1.0, False) for label in ("dog", "zither", "accordion")]
    assert classes_of(Catalogue(clips)) == (*CLASSES, "accordion", "zither")


@pytest.fixture(scope="module")
def made(bank: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "SHARD_SCENES", 4)
        return write(tmp_path_factory.mktemp("made") / "set", 6, seed=3, recipe=SHORT, catalogue=bank, split="train")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_export_has_the_layout_and_the_contents_of_a_dcase_set(made: Path, tmp_path: Path) -> None:
    dest = export_dcase(made, tmp_path / "dcase")
    assert (dest / "classes.txt").read_text().splitlines() == list(CLASSES)
    assert verify_checksums(dest) == []
    names = [path.stem for path in sorted((dest / "foa_dev" / "dev-train-sim").iterdir())]
    assert names == [path.stem for path in sorted((dest / "metadata_dev" / "dev-train-sim").iterdir())]
    assert len(names) == 6 and all(re.fullmatch(r"fold3_room[1-6]_mix001", name) for name in names)
    for index, (audio, scene) in enumerate(SceneSet(made)):
        name = f"dev-train-sim/fold3_room{index + 1}_mix001"
        samples, rate_hz = soundfile.read(dest / "foa_dev" / f"{name}.wav", dtype="float32")
        assert rate_hz == 24_000 and soundfile.info(dest / "foa_dev" / f"{name}.wav").subtype == "PCM_16"
        np.testing.assert_array_equal(samples.T, audio)
        text = (dest / "metadata_dev" / f"{name}.csv").read_text()
        assert re.fullmatch(r"(\d+,\d+,\d+,-?\d+,-?\d+,\d+\n)*", text)
        assert text == "".join(",".join(map(str, row)) + "\n" for row in dcase_rows(scene, CLASSES))


@pytest.mark.parametrize("split", ["val", "test"])
def test_scenes_for_validation_and_test_are_fold_4(bank: Catalogue, tmp_path: Path, split: str) -> None:
    write(tmp_path / "set", 1, recipe=SHORT, catalogue=bank, split=split)
    dest = export_dcase(tmp_path / "set", tmp_path / "dcase")
    assert [path.name for path in dest.glob("*/*/*")] == ["fold4_room1_mix001.wav", "fold4_room1_mix001.csv"]
    assert {path.parent.name for path in dest.glob("*/*/*")} == {"dev-test-sim"}


def test_a_stopped_export_goes_on_to_the_same_files_and_another_set_is_refused(made: Path, bank: Catalogue, tmp_path: Path) -> None:
    expected = contents(export_dcase(made, tmp_path / "whole"))

    class Stopped(BaseException):
        pass

    def stop(counts, total):
        for _ in range(3):
            yield next(counts)
        raise Stopped

    with pytest.raises(Stopped):
        export_dcase(made, tmp_path / "part", stop)
    assert len(list((tmp_path / "part").glob("foa_dev/*/*"))) == 3
    (tmp_path / "part" / "foa_dev" / "dev-train-sim" / ".twnm-left.wav").write_bytes(b"half a file")
    assert contents(export_dcase(made, tmp_path / "part")) == expected
    write(tmp_path / "other", 1, seed=4, recipe=SHORT, catalogue=bank)
    with pytest.raises(InputError, match="export of another data set"):
        export_dcase(tmp_path / "other", tmp_path / "part")
    with pytest.raises(InputError, match="holds no export"):
        export_dcase(made, tmp_path / "other")
    with pytest.raises(InputError, match=r"no config\.json"):
        export_dcase(tmp_path, tmp_path / "new")
    assert contents(tmp_path / "part") == expected and not (tmp_path / "new").exists()
