"""A recipe: what scenes are drawn from. One frozen model, TOML on disk; the built-in ones are files that can be copied and changed.

Every key has a default (those of `indoor`), so that a file need only say what differs. Ranges are (lowest, highest), drawn uniformly if nothing else is
said; metres, seconds, degrees, dB. `Recipe.of` takes a name, a file, a dictionary or a recipe.
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, get_args

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from twnm.errors import InputError
from twnm.scene import Finite, Positive
from twnm.simulate.rooms import GROUNDS

MOST_EVENTS: Final = 6
NEAREST_M: Final = 0.5
"""Sources are never drawn nearer to the listener than this, nor do they come nearer on their way."""
Motion = Literal["linear", "arc", "walk_by", "radial"]
MOTIONS: Final[tuple[Motion, ...]] = get_args(Motion)
Fidelity = Literal["direct", "images", "tail", "microphone"]
"""How much of the physics there is, each with what the ones before it have: the direct sound, reflections until they lie dense, the diffuse tail, what a
real microphone does (if the scene has one). The ambience is always there."""


def _rising(value: Any) -> Any:
    if value[0] > value[1]:
        raise ValueError(f"the lowest value {value[0]} is above the highest, {value[1]}")
    return value


Range = Annotated[tuple[Finite, Finite], AfterValidator(_rising)]
Sizes = Annotated[tuple[Positive, Positive], AfterValidator(_rising)]
Count = Annotated[int, Field(ge=0, le=MOST_EVENTS)]
Distances = Annotated[tuple[Annotated[float, Field(ge=NEAREST_M, le=200)], Annotated[float, Field(ge=NEAREST_M, le=200)]], AfterValidator(_rising)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Celsius = Annotated[tuple[Annotated[float, Field(ge=-30, le=60)], Annotated[float, Field(ge=-30, le=60)]], AfterValidator(_rising)]
Humidity = Annotated[tuple[Annotated[float, Field(ge=1, le=100)], Annotated[float, Field(ge=1, le=100)]], AfterValidator(_rising)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Weights(_Part):
    """A part with weights for alternatives."""

    alternatives: ClassVar[tuple[str, ...]]

    @model_validator(mode="after")
    def _some(self) -> "_Weights":
        if not any(getattr(self, name) for name in self.alternatives):
            raise ValueError(f"{', '.join(self.alternatives)}: at least one must be above 0")
        return self

    def draw(self, rng: np.random.Generator) -> str:
        """One of the alternatives, in proportion to the weights."""
        weights = [getattr(self, name) for name in self.alternatives]
        left = float(rng.random()) * sum(weights)
        for name, weight in zip(self.alternatives, weights, strict=True):
            if left < weight:
                return name
            left -= weight
        return next(name for name, weight in zip(self.alternatives, weights, strict=True) if weight)  # rounding left nothing


class PlacesRecipe(_Weights):
    """Weights of the kinds of place: a room of four walls, floor and ceiling; outdoors above a ground; the free field."""

    alternatives = ("shoebox", "ground", "free")
    shoebox: Weight = 0.9
    ground: Weight = 0.0
    free: Weight = 0.1


class RoomRecipe(_Part):
    """Rooms: their sizes, the reverberation time at 500 Hz to 1 kHz, how often their walls are named materials, scattering, and the air."""

    length_m: Sizes = (3.0, 15.0)
    width_m: Sizes = (3.0, 12.0)
    height_m: Sizes = (2.3, 5.0)
    rt60_s: Sizes = (0.15, 1.2)
    materials_probability: Share = 0.5
    scattering: Annotated[tuple[Share, Share], AfterValidator(_rising)] = (0.15, 0.6)
    temperature_c: Celsius = (16.0, 27.0)
    humidity_percent: Humidity = (30.0, 70.0)


class OutdoorRecipe(_Part):
    """Outdoors: the grounds to choose from, how far and how high sources are, and the air."""

    grounds: Annotated[tuple[str, ...], Field(min_length=1)] = tuple(GROUNDS)
    distance_m: Distances = (1.0, 30.0)
    height_m: Sizes = (0.2, 4.0)
    temperature_c: Celsius = (-5.0, 32.0)
    humidity_percent: Humidity = (30.0, 95.0)

    @field_validator("grounds")
    @classmethod
    def _known(cls, value: Any) -> Any:
        unknown = sorted(set(value) - set(GROUNDS))
        if unknown:
            raise ValueError(f"unknown ground {', '.join(unknown)}; choose from {', '.join(GROUNDS)}")
        return value


class ListenerRecipe(_Part):
    """The listener: height, distance to the walls, and how often and how fast it walks or turns while it listens."""

    height_m: Sizes = (1.2, 1.7)
    to_wall_m: Annotated[float, Field(ge=0.1, allow_inf_nan=False)] = 0.5
    moving_probability: Share = 0.0
    speed_m_s: Sizes = (0.2, 1.2)
    turning_probability: Share = 0.0
    turning_deg_s: Sizes = (10.0, 60.0)


class SourcesRecipe(_Part):
    """Sources: where they stand (distance log-uniform), how far apart in direction simultaneous ones are, how loud, and how often not omnidirectional."""

    distance_m: Distances = (0.5, 6.0)
    height_m: Sizes = (0.2, 2.6)
    to_wall_m: Annotated[float, Field(ge=0.05, allow_inf_nan=False)] = 0.15
    min_separation_deg: Annotated[float, Field(ge=0, lt=60)] = 15.0
    level_db: Range = (-34.0, -18.0)
    directivity_probability: Share = 1.0


class MotionRecipe(_Part):
    """The share of events that move, and how: on a line, around the listener, past it, or straight towards or away from it."""

    probability: Share = 0.25
    kinds: Annotated[tuple[Motion, ...], Field(min_length=1)] = MOTIONS


class AmbienceRecipe(_Weights):
    """The background's level under the loudest event, and the weights of its kinds: coloured noise, many voices, recordings of rain, engines, ..."""

    alternatives = ("noise", "babble", "recording")
    snr_db: Range = (10.0, 30.0)
    noise: Weight = 0.5
    babble: Weight = 0.2
    recording: Weight = 0.3


class MicrophoneRecipe(_Part):
    """How often the microphone is a real one, and how far its capsules then depart from ideal ones."""

    probability: Share = 0.5
    self_noise_db: Range = (-95.0, -75.0)
    gain_spread_db: Annotated[float, Field(ge=0, le=6)] = 0.5
    delay_spread_us: Annotated[float, Field(ge=0, le=50)] = 3.0
    aliasing_hz: Sizes = (5000.0, 10000.0)


class Recipe(_Part):
    """What scenes are drawn from."""

    name: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[\w.-]+$")]
    duration_s: Annotated[float, Field(gt=0.5, le=3600)] = 5.0
    events: Annotated[tuple[Count, Count], AfterValidator(_rising)] = (1, 4)
    longest_event_s: Annotated[float, Field(ge=0.5, le=3600)] = 4.0
    overlap_probability: Share = 0.6
    simultaneous_max: Annotated[int, Field(ge=2, le=MOST_EVENTS)] = 3
    distinct_labels_probability: Share = 0.95
    situation_probability: Share = 0.5
    places: PlacesRecipe = PlacesRecipe()
    room: RoomRecipe = RoomRecipe()
    outdoor: OutdoorRecipe = OutdoorRecipe()
    listener: ListenerRecipe = ListenerRecipe()
    sources: SourcesRecipe = SourcesRecipe()
    motion: MotionRecipe = MotionRecipe()
    ambience: AmbienceRecipe = AmbienceRecipe()
    microphone: MicrophoneRecipe = MicrophoneRecipe()

    @model_validator(mode="after")
    def _room_for_listener(self) -> "Recipe":
        smallest_m = min(self.room.length_m[0], self.room.width_m[0], self.room.height_m[0])
        if self.places.shoebox and smallest_m <= 2 * self.listener.to_wall_m:
            raise ValueError(f"a room of {smallest_m} m leaves no place {self.listener.to_wall_m} m from its walls: lower listener.to_wall_m or widen room")
        return self

    @classmethod
    def of(cls, recipe: "str | Path | dict[str, Any] | Recipe") -> "Recipe":
        """A built-in recipe by name, one from a TOML file or a dictionary, or a recipe as it is; raises InputError naming every problem."""
        if isinstance(recipe, Recipe):
            return recipe
        if isinstance(recipe, dict):
            return _validated(recipe, "recipe")
        if isinstance(recipe, str) and recipe in RECIPES:
            return RECIPES[recipe]
        if isinstance(recipe, str) and not recipe.endswith(".toml"):
            raise InputError(f"unknown recipe {recipe!r}; choose one of {', '.join(RECIPES)}, or give a file whose name ends in .toml")
        return _read(Path(recipe))

    def to_toml(self) -> str:
        """The recipe as TOML; `Recipe.of` the file gives an equal recipe."""
        keys = self.model_dump(mode="json")
        sections = {name: value for name, value in keys.items() if isinstance(value, dict)}
        top = {name: value for name, value in keys.items() if name not in sections}
        return "\n".join([_toml_lines(top), *(f"[{name}]\n{_toml_lines(section)}" for name, section in sections.items())])


def _toml_lines(keys: dict[str, Any]) -> str:
    """Numbers, lists and texts are written in TOML as in JSON."""
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in keys.items())


def _read(path: Path) -> Recipe:
    try:
        keys = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"the recipe {path} cannot be read: {error.strerror}; built-in recipes are {', '.join(RECIPES)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    return _validated({"name": path.stem, **keys}, str(path))


def _validated(keys: dict[str, Any], source: str) -> Recipe:
    try:
        return Recipe.model_validate(keys)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'recipe'}: {_explained(item)}" for item in error.errors())
        raise InputError(f"{source} is not a valid recipe: {problems}") from None


def _explained(problem: Any) -> str:
    if problem["type"] != "extra_forbidden":
        return str(problem["msg"]).removeprefix("Value error, ")
    known = Recipe.model_fields if len(problem["loc"]) == 1 else type(Recipe.model_fields[problem["loc"][0]].default).model_fields
    return f"unknown key; the keys here are {', '.join(known)}"


RECIPES: dict[str, Recipe] = {}
for _name in ("indoor", "outdoor", "reverberant", "moving", "anechoic", "benchmark"):
    RECIPES[_name] = _read(Path(__file__).parent / "recipes" / f"{_name}.toml")
