"""Recipes survive TOML, and a wrong one is refused with all its faults at once."""

from pathlib import Path

import numpy as np
import pytest

from twnm.errors import InputError
from twnm.simulate.recipe import RECIPES, Recipe


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_written_as_toml_and_read_again_is_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(RECIPES[name].to_toml(), encoding="utf-8")
    assert Recipe.of(tmp_path / "mine.toml") == RECIPES[name] == Recipe.of(RECIPES[name].model_dump(mode="json"))
    assert Recipe.of(str(tmp_path / "mine.toml")).name == name


def test_built_in_recipes_are_the_files_of_their_names_and_indoor_shows_all_defaults() -> None:
    assert list(RECIPES) == ["indoor", "outdoor", "reverberant", "moving", "anechoic", "benchmark"]
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert RECIPES["indoor"] == Recipe(name="indoor")
    assert Recipe.of(RECIPES["moving"]) is RECIPES["moving"]


def test_a_file_need_only_say_what_differs_and_is_named_after_itself(tmp_path: Path) -> None:
    (tmp_path / "cellar.toml").write_text("[room]\nrt60_s = [1, 2]\n", encoding="utf-8")
    recipe = Recipe.of(tmp_path / "cellar.toml")
    assert recipe.name == "cellar" and recipe.room.rt60_s == (1.0, 2.0)
    assert recipe.model_copy(update={"name": "indoor", "room": RECIPES["indoor"].room}) == RECIPES["indoor"]


def test_all_faults_of_a_recipe_are_told_at_once() -> None:
    wrong = {
        "name": "mine",
        "colour": "red",
        "events": (3, 9),
        "room": {"rt60_s": (2.0, 1.0), "carpets": 3},
        "places": {"shoebox": 0.0, "free": 0.0},
        "outdoor": {"grounds": ["mud"]},
        "sources": {"distance_m": (0.2, 3.0)},
        "motion": {"kinds": ["spiral"]},
    }
    with pytest.raises(InputError) as caught:
        Recipe.of(wrong)
    text = str(caught.value)
    for fault in (
        "colour: unknown key; the keys here are name, duration_s",
        "room.carpets: unknown key; the keys here are length_m",
        "events.1: Input should be less than or equal to 6",
        "room.rt60_s: the lowest value 2.0 is above the highest, 1.0",
        "places: shoebox, ground, free: at least one must be above 0",
        "outdoor.grounds: unknown ground mud; choose from asphalt",
        "sources.distance_m.0: Input should be greater than or equal to 0.5",
        "motion.kinds.0: Input should be 'linear'",
    ):
        assert fault in text
    assert "\n" not in text


def test_unreadable_files_and_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"choose one of indoor, outdoor, .* or give a file whose name ends in \.toml"):
        Recipe.of("cellar")
    with pytest.raises(InputError, match=r"cellar\.toml cannot be read: No such file"):
        Recipe.of(tmp_path / "cellar.toml")
    (tmp_path / "torn.toml").write_text("[room\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"torn\.toml is not valid TOML: .*line 1"):
        Recipe.of(tmp_path / "torn.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.toml is not valid TOML"):
        Recipe.of(tmp_path / "binary.toml")


def test_a_room_too_small_for_the_listener_is_refused() -> None:
    with pytest.raises(InputError, match=r"leaves no place 0\.5 m from its walls"):
        Recipe.of({"name": "booth", "room": {"width_m": (0.9, 2.0)}})


def test_alternatives_are_drawn_by_their_weights() -> None:
    rng = np.random.default_rng(0)
    places = Recipe.of({"name": "mine", "places": {"shoebox": 3.0, "ground": 1.0, "free": 0.0}}).places
    drawn = [places.draw(rng) for _ in range(2000)]
    assert set(drawn) == {"shoebox", "ground"}
    assert drawn.count("shoebox") / 2000 == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / 2000))
