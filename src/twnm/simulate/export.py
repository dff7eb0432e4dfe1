"""A data set as a DCASE folder: what systems for sound event localisation and detection are trained on.

    DEST/foa_dev/dev-train-sim/fold3_room1_mix001.wav        4 channels, AmbiX, 24 kHz, 16 bits
    DEST/metadata_dev/dev-train-sim/fold3_room1_mix001.csv   frame,class,source,azimuth,elevation,distance (cm); no header
    DEST/classes.txt                                         the labels by class number, from 0

As in STARSS23, fold 3 is for training and fold 4 for testing: scenes of the splits "val" and "test" go to fold 4 (`dev-test-sim`), all others to fold 3. Every
scene has a room of its own, so room N + 1 is scene N. The source of the format is named in `dcase`.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import soundfile

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.files import CHECKSUMS_NAME, atomic_write, write_checksums
from twnm.scene import Scene
from twnm.simulate import layout
from twnm.simulate.dataset import SceneSet
from twnm.simulate.dcase import dcase_rows

SOURCE_NAME = "source.json"


def export_dcase(folder: Path | str, dest: Path | str, progress: Callable[[Iterator[int], int], Iterator[int]] | None = None) -> Path:
    """Write a data set as DCASE audio and metadata; files that are there already are kept, so that a stopped export goes on.

    Args:
        folder: a data set that `dataset.write` made.
        dest: a new or empty folder, or one that an earlier export of the same set began.
        progress: given 1 for each scene, and how many scenes there are; passes the counts on.

    Returns:
        `dest`.

    Raises:
        InputError: `folder` is no complete data set, a shard of it is damaged, or `dest` holds something else or cannot be written.
    """
    scenes, dest = SceneSet(folder), Path(dest)
    fold = "fold4" if scenes.config.split in ("val", "test") else "fold3"
    part = "dev-test-sim" if fold == "fold4" else "dev-train-sim"
    _prepare(dest, scenes.config, part)
    counts = _write_all(scenes, dest, part, fold)
    for _ in counts if progress is None else progress(counts, len(scenes)):
        pass
    write_checksums(dest)
    return dest


def _prepare(dest: Path, config: layout.Config, part: str) -> None:
    """`dest` remembers which set it comes from, without its number of scenes: an extended set is exported further."""
    source = config.model_dump_json(indent=1, exclude={"scenes"}) + "\n"
    memory = dest / SOURCE_NAME
    if dest.is_dir() and any(not path.name.startswith(".twnm-") for path in dest.iterdir()) and not memory.is_file():
        raise InputError(f"{dest} is not empty and holds no export; choose another folder")
    if memory.is_file() and memory.read_text(encoding="utf-8") != source:
        raise InputError(f"{dest} holds an export of another data set; choose another folder or remove it")
    try:
        dest.mkdir(parents=True, exist_ok=True)
        (dest / CHECKSUMS_NAME).unlink(missing_ok=True)
        with atomic_write(memory) as temporary:
            temporary.write_text(source, encoding="utf-8")
        for kind in ("foa_dev", "metadata_dev"):
            (dest / kind / part).mkdir(parents=True, exist_ok=True)
        for leftover in dest.rglob(".twnm-*"):
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {dest}: {error.strerror}; choose another folder") from None
    with atomic_write(dest / "classes.txt") as temporary:
        temporary.write_text("".join(f"{label}\n" for label in config.classes), encoding="utf-8")


def _write_all(scenes: SceneSet, dest: Path, part: str, fold: str) -> Iterator[int]:
    for index, (flac, scene) in enumerate(scenes.raw()):
        name = f"{fold}_room{index + 1}_mix001"
        audio, labels = dest / "foa_dev" / part / f"{name}.wav", dest / "metadata_dev" / part / f"{name}.csv"
        if not audio.exists():
            _write_wav(audio, flac, scene)
        if not labels.exists():
            rows = dcase_rows(scene, scenes.config.classes)
            with atomic_write(labels) as temporary:
                temporary.write_text("".join(",".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
        yield 1


def _write_wav(path: Path, flac: bytes, scene: Scene) -> None:
    """The same integers in another container."""
    try:
        samples, _ = soundfile.read(io.BytesIO(flac), dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"the audio of scene {scene.scene_id} is damaged ({error.error_string.rstrip('.')}); `twnm verify` names the shard") from None
    with atomic_write(path) as temporary:
        soundfile.write(temporary, samples, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
