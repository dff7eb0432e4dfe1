"""The classical system: pseudo-intensity says where, a pretrained tagger says what, arithmetic answers. Nothing in it was trained on our scenes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from twnm.audio import SAMPLE_RATE_HZ
from twnm.bench.costs import Sounding
from twnm.bench.intensity import Field, Place, places, separated
from twnm.bench.symbolic import Estimate
from twnm.bench.systems.base import Labels, Question, Recording, Reply
from twnm.bench.systems.told import hear_and_tell
from twnm.bench.tags import Tagger
from twnm.errors import InputError
from twnm.model.fetch import get_model
from twnm.model.yamnet import YamNet
from twnm.questions.evidence import Heard
from twnm.questions.facts import Motion


class Intensity:
    """`load` gives one with YAMNet from the cache."""

    name = "intensity"
    labels = Labels(
        input="foa",
        trained_on="other data",
        output="constrained",
        spatial_access="all four channels, by fixed signal processing; sounds are named by a pretrained tagger (YAMNet, AudioSet), constants set by hand",
    )

    def __init__(self, tagger: Tagger) -> None:
        self.tagger = tagger

    def listen(self, foa: Float32[np.ndarray, "4 samples"]) -> Estimate:
        """The objects and the room of a recording, AmbiX at 24 kHz."""
        field = Field.of(foa)
        found = places(field)
        alone = separated(foa, found) if found else ()
        objects = tuple(self._sounding(it, beam) for it, beam in zip(found, alone, strict=True))
        return Estimate(objects, foa.shape[1] / SAMPLE_RATE_HZ, field.rt60_s)

    def _sounding(self, it: Place, beam: Float32[np.ndarray, " samples"]) -> Sounding:
        chances = self.tagger.chances(beam[round(it.onset_s * SAMPLE_RATE_HZ) : round(it.offset_s * SAMPLE_RATE_HZ)])
        label = max(chances, key=lambda name: chances[name])

        def at(direction_deg: tuple[float, float]) -> Heard:
            return Heard(label, *direction_deg, it.distance_m, it.onset_s, it.offset_s)

        whole = at(it.direction_deg)
        return Sounding(whole, chances, Motion(at(it.begin_deg), whole, at(it.end_deg)))

    def answer(self, recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        """Listens once, then answers every question."""
        return hear_and_tell(self.listen, recording, questions)


def load() -> Intensity:
    """The system with YAMNet from the cache; raises InputError naming `twnm models get` when it is neither there nor to be downloaded."""
    try:
        return Intensity(Tagger(YamNet.from_folder(get_model("yamnet"))))
    except InputError as error:
        raise InputError(f"intensity names sounds by YAMNet, which is absent; get it with `twnm models get` ({error})") from None
