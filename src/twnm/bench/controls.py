"""Controls: what is changed about a recording or a question so that one way to the right answer is closed. What a system still scores then, it does not owe
to that way.

    question-only    no recording is given
    w-only           Y, Z and X are silent: what was recorded, without where (also called xyz-zeroed)
    shuffled         Y, Z and X change places: all the spatial sound, in false directions
    wrong-clip       another recording of the same split
    options-rotated  the options change places; who knows the answer is not touched by it
    noise-floor      diffuse noise as loud as the recording

Of a recording with two channels w-only leaves the mean in both ears, noise-floor puts independent noise into each, and shuffled is not applicable: the one
way to exchange two channels is their mirror image, in which every direction is true again.

Yaw and mirror twins are items of the benchmark themselves. Every control is a function of the recording, the item and a name: it draws from the recording's
name and the transform, so that questions about one recording are asked about one altered recording, and from the item's name where options are moved.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float32

from twnm.corpora.shared import UnansweredItem
from twnm.errors import InputError
from twnm.questions.answer import LETTERS
from twnm.questions.schema import Item

Foa = Float32[np.ndarray, "4 samples"]
Audio = Float32[np.ndarray, "channels samples"]
ALIASES: Mapping[str, str] = MappingProxyType({"xyz-zeroed": "w-only"})
_ORDERS = ((0, 2, 3, 1), (0, 3, 1, 2))  # no directional channel stays where it was


@dataclass(frozen=True)
class Control:
    """What is done to the audio, given where to draw from and how to get another recording; what is done to the item; whether two channels will do."""

    audio: Callable[[Audio, np.random.Generator, Callable[[], Audio]], Audio | None] = lambda audio, rng, other: audio
    item: Callable[[Item, np.random.Generator], Item] = lambda item, rng: item
    two_channels: bool = True


def silenced(audio: Audio) -> Audio:
    """W alone, the other channels silent; of two channels the mean in both."""
    if len(audio) == 2:
        return np.repeat(audio.mean(axis=0, keepdims=True), 2, axis=0)
    return audio * np.array([[1], [0], [0], [0]], np.float32)


def shuffled(foa: Foa, rng: np.random.Generator) -> Foa:
    """Y, Z and X each in the place of another."""
    return foa[list(_ORDERS[int(rng.integers(len(_ORDERS)))])]


def noise_floor(audio: Audio, rng: np.random.Generator) -> Audio:
    """Diffuse white noise: independent channels, W as loud as the recording's, Y, Z and X with a third of its energy each (an isotropic field in SN3D).

    Of two channels each is as loud as both are on average.
    """
    pair = len(audio) == 2
    level = float(np.sqrt(np.mean(np.square(audio if pair else audio[0], dtype=float))))
    weights = np.ones((2, 1)) if pair else np.array([[1.0], [3**-0.5], [3**-0.5], [3**-0.5]])
    return (level * weights * rng.standard_normal(audio.shape)).astype(np.float32)


def rotated(item: Item, rng: np.random.Generator) -> Item:
    """The options moved on by one or more places, the letter with them; an open question as it is."""
    if not item.options:
        return item
    places = int(rng.integers(1, len(item.options)))
    options = item.options[places:] + item.options[:places]
    return item.model_copy(update={"options": options, "answer_letter": LETTERS[options.index(item.answer_text)]})


CONTROLS: Mapping[str, Control] = MappingProxyType(
    {
        "": Control(),
        "question-only": Control(audio=lambda audio, rng, other: None),
        "w-only": Control(audio=lambda audio, rng, other: silenced(audio)),
        "shuffled": Control(audio=lambda audio, rng, other: shuffled(audio, rng), two_channels=False),
        "wrong-clip": Control(audio=lambda audio, rng, other: other()),
        "options-rotated": Control(item=rotated),
        "noise-floor": Control(audio=lambda audio, rng, other: noise_floor(audio, rng)),
    }
)


def control_name(name: str) -> str:
    """The name of a control in the results; raises InputError for an unknown one."""
    known = ALIASES.get(name, name)
    if known not in CONTROLS:
        raise InputError(f"unknown control {name!r}; choose from {', '.join(filter(None, CONTROLS))}")
    return known


def controlled_audio(name: str, audio: Audio, item: Item | UnansweredItem, other: Callable[[], Audio] = lambda: np.zeros((4, 0), np.float32)) -> Audio | None:
    """A recording, after the item's transform, under a control; None where nothing is given. The same for all items of a recording and transform.

    `other` gives the recording that `other_place` names; it is called by wrong-clip only.
    """
    return CONTROLS[name].audio(audio, _rng(name, item.file_name, item.transform), other)


def controlled_item(name: str, item: Item) -> Item:
    """An item under a control; twins are changed alike."""
    return CONTROLS[name].item(item, _rng(name, item.sample_id.partition("~")[0]))


def other_place(item: Item | UnansweredItem, place: int, count: int) -> int:
    """Which of `count` recordings stands for recording `place` in wrong-clip: never itself, unless it is the only one."""
    return (place + 1 + int(_rng("other", item.file_name).integers(max(count - 1, 1)))) % count


def _rng(*names: str) -> np.random.Generator:
    return np.random.default_rng(list(hashlib.sha256("|".join(names).encode()).digest()[:16]))
