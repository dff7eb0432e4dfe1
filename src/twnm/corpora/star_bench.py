"""STAR-Bench (arXiv 2510.24693): multiple choice about binaural recordings; huggingface.co/datasets/internlm/STAR-Bench, version 1.0.

    DIR/meta_info/holistic_reasoning_spatial.json     a list of questions
    DIR/meta_info/foundation_perception.json          the same
    DIR/starbench_audios/...                          the recordings that `audio_paths` names, relative to DIR

Fields: id, task, category, sub-category, question, options (a list), answer (one of the options), audio_paths. Names after the authors' evaluation code
(github.com/InternLM/StarBench); the files themselves were not at hand. Questions about space are read, each of which needs one recording of two channels; of
the questions about perception those that have one, others are counted and left out. Temporal reasoning (order three clips) is left out as a whole.
"""

import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, Final

from twnm.audio import read_stereo
from twnm.corpora.shared import Clip, Corpus, UnansweredItem, audio_below, audio_name, check_audio, check_folder, family_of, make_item, read_json, safe_name
from twnm.errors import InputError
from twnm.questions.answer import LETTERS
from twnm.questions.schema import Item, Level

FILES: Final = {"spatial": "holistic_reasoning_spatial.json", "perception": "foundation_perception.json"}
NOT_APPLICABLE: Final = "systems that hear first-order Ambisonics: these recordings have two channels"


def read_star_bench(folder: Path | str, split: str = "") -> Corpus:
    """Read STAR-Bench.

    Args:
        folder: as above.
        split: "spatial", "perception", or empty for both.

    Returns:
        Binaural clips. `notes` has how many questions were left out and why, and for which systems it is not applicable.

    Raises:
        InputError: an unknown split, no questions, a question without fields it needs, an answer that is none of the options, a recording that is missing, or
            (questions about space) several recordings or another number of channels than two.
    """
    if split not in ("", *FILES):
        raise InputError(f"STAR-Bench has no split {split!r} that is read here; allowed: {', '.join(FILES)}, or none for both")
    folder = Path(folder)
    check_folder(folder)
    found = {part: folder / "meta_info" / name for part, name in FILES.items() if split in ("", part) and (folder / "meta_info" / name).is_file()}
    if not found:
        raise InputError(f"{folder / 'meta_info'} has none of {', '.join(name for part, name in FILES.items() if split in ('', part))}")
    left_out: Counter[str] = Counter()
    clips: dict[Path, tuple[str, list[Item | UnansweredItem]]] = {}
    for part, path in found.items():
        for number, row in enumerate(_rows(path), 1):
            where = f"{path} question {number}"
            audio, reason = _recording(folder, row, where)
            if audio is None and part == "spatial":
                raise InputError(f"{where} has {reason}; this part of STAR-Bench has one recording of two channels for each")
            if audio is None:
                left_out[f"{part}: {reason}"] += 1
                continue
            name, items = clips.setdefault(audio, (safe_name(audio.relative_to(os.path.normpath(folder)).with_suffix("").as_posix()), []))
            items.append(_item(where, part, row, name))
    notes = {"left_out": dict(left_out), "not_applicable": NOT_APPLICABLE}
    return Corpus("star-bench", "binaural", [Clip(name, "test", partial(read_stereo, path), tuple(items)) for path, (name, items) in clips.items()], notes)


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path} is no file of STAR-Bench: it needs a list of objects")
    return rows


def _recording(folder: Path, row: dict[str, Any], where: str) -> tuple[Path | None, str]:
    """The one binaural recording of a question, or None and what it has instead."""
    paths = row.get("audio_paths")
    if not isinstance(paths, list) or not paths:
        raise InputError(f"{where} names no recording: `audio_paths` needs a list of them")
    if len(paths) > 1:
        return None, "several recordings"
    path = audio_below(folder, str(paths[0]))
    try:
        check_audio(path, "binaural")
    except InputError as error:
        if "channel" not in str(error):
            raise
        return None, "a recording with another number of channels"
    return path, ""


def _item(where: str, part: str, row: dict[str, Any], name: str) -> Item | UnansweredItem:
    missing = [field for field in ("id", "question", "options", "category") if not row.get(field)]
    if missing or not isinstance(row["options"], list):
        raise InputError(f"{where} lacks {', '.join(missing) or 'a list of options'}; is it a question of STAR-Bench?")
    options, answer = [str(option) for option in row["options"]], row.get("answer")
    if answer is not None and str(answer) not in options:
        raise InputError(f"{where}: the answer {answer!r} is none of the options {options}")
    words = f"{row['category']} {row.get('sub-category') or ''}"
    return make_item(
        where,
        None if answer is None else LETTERS[options.index(str(answer))],
        sample_id=f"{part}-{row['id']}",
        scene_id=name,
        file_name=audio_name(name),
        level=_level(part, words),
        task=f"star_bench_{safe_name(str(row['category'])).casefold()}",
        family="spatial" if part == "spatial" else family_of(words),
        question=str(row["question"]),
        options=tuple(options),
    )


def _level(part: str, words: str) -> Level:
    """Ours: one sound is L1, relations and courses of several places are L2."""
    related = any(word in words.casefold() for word in ("relation", "multi", "trajector", "dynamic"))
    return "L2" if part == "spatial" and related else "L1"
