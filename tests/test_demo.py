from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import twnm.model.fetch
import twnm.model.loading
from twnm import demo
from twnm.audio import read_foa
from twnm.errors import InputError
from twnm.model.hear import HeardRoom
from twnm.model.hearing import HeardScene
from twnm.model.twnm import Answer
from twnm.questions.evidence import heard_of, write_evidence
from twnm.scene import Scene
from twnm.sounds.catalogue import Catalogue, load_catalogue


@pytest.fixture(scope="module")
def made() -> demo.DemoScene:
    return demo.make_scene(load_catalogue())


def test_the_demo_scene_has_three_sounds_of_different_classes_and_a_question_of_each_level(made: demo.DemoScene) -> None:
    assert made.foa.shape == (4, 5 * 24_000)
    assert len({event.label for event in made.scene.events}) == 3
    assert [item.level for item in made.items] == ["L1", "L2", "L3"]


def test_the_demo_scene_is_the_same_every_time(made: demo.DemoScene) -> None:
    again = demo.make_scene(load_catalogue())
    assert again.scene == made.scene and again.items == made.items
    np.testing.assert_array_equal(again.foa, made.foa)


def test_a_bank_of_two_classes_is_refused() -> None:
    catalogue = load_catalogue()
    with pytest.raises(InputError, match="needs 3"):
        demo.make_scene(Catalogue(clip for clip in catalogue.clips if clip.label in ("bell", "dog")))


def test_the_demo_says_that_sounds_are_procedural_marks_wrong_answers_and_writes_its_files(
    made: demo.DemoScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Half:
        """Right about the first question only."""

        def scene(self, foa: np.ndarray) -> HeardScene:
            return HeardScene(5.0, (), HeardRoom(0.3, 80.0))

        def listen(self, audio: object) -> str:
            return "heard"

        def answer(self, heard: str, question: str, options: tuple[str, ...]) -> Answer:
            item = next(item for item in made.items if item.question == question)
            right = item.letters.index(item.answer_letter)
            chosen = right if item is made.items[0] else (right + 1) % len(options)
            return Answer(options[chosen], item.letters[chosen], write_evidence(heard_of(made.scene)), "because", 0.1)

    def unreachable(name: str, console: Console) -> None:
        raise InputError("no network")

    monkeypatch.setattr(twnm.model.loading, "load", lambda name: Half())
    monkeypatch.setattr(twnm.model.fetch, "get_all", lambda console: None)
    monkeypatch.setattr("twnm.sounds.fetch.get_bank", unreachable)
    console, notes = Console(record=True, width=120, quiet=False), Console(record=True, width=120)
    demo.run_demo(tmp_path, console, notes)
    shown = console.export_text()
    assert "PROCEDURAL" in shown and "no network" in notes.export_text()
    assert shown.count("WRONG") == 2 and shown.count("truth:") == 2 and "1 of 3 right" in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["binaural.wav", "foa.wav", "plan.png", "scene.json"]
    np.testing.assert_allclose(read_foa(tmp_path / "foa.wav"), made.foa, atol=1 / 32_000)
    assert Scene.from_json((tmp_path / "scene.json").read_bytes()) == made.scene
