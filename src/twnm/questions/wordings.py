"""How each task is asked: wordings for training, and others that only validation and test use.

`{a}` and `{b}` are spoken labels; the other fields are phrases that the task fills in. An open question ends with a sentence that says how to reply.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from twnm.errors import InputError
from twnm.questions.options import pick
from twnm.questions.paraphrases import paraphrase

HELD_OUT_SPLITS = ("val", "test")
SPLITS = ("train", "lessons", *HELD_OUT_SPLITS)
PARAPHRASED_SHARE = 0.75


@dataclass(frozen=True)
class Wordings:
    """The sentences of one task: those for training and those held out."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


def wording(task: str, split: str, rng: np.random.Generator) -> str:
    """A sentence for a task, with its fields in braces.

    Those of training for "train", mostly paraphrases (`twnm.questions.paraphrases`) for "lessons", held-out ones for "val" and "test".

    Raises InputError for an unknown task or split.
    """
    if task not in WORDINGS:
        raise InputError(f"unknown task {task!r}; allowed: {', '.join(sorted(WORDINGS))}")
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}; allowed: {', '.join(SPLITS)}")
    if split == "lessons" and rng.random() < PARAPHRASED_SHARE:
        return paraphrase(task, rng)
    return pick(rng, WORDINGS[task].held_out if split in HELD_OUT_SPLITS else WORDINGS[task].train)


def _of(train: str, held_out: str) -> Wordings:
    return Wordings(*(tuple(line.strip() for line in block.strip().splitlines()) for block in (train, held_out)))


WORDINGS: Mapping[str, Wordings] = MappingProxyType(
    {
        "l1_identify_event": _of(
            """Which of these sounds is heard?
            Which sound do you hear?
            What can be heard?
            Which sound is present?
            Which of these is in the recording?
            What do you hear?
            Which sound occurs?
            Name the sound that is heard.""",
            """Which one of these can you make out?
            Which sound does the clip contain?
            Pick the sound that is audible.""",
        ),
        "l1_identify_absent": _of(
            """Which of these sounds is not heard?
            Which sound is missing?
            Which sound is absent?
            What is not in the recording?
            Which of these do you not hear?
            Which sound does not occur?
            Name the sound that is not there.
            Which one is not present?""",
            """Which of these never sounds?
            Which sound does the clip lack?
            Pick the sound that cannot be heard.""",
        ),
        "l1_count_sources": _of(
            """How many sounds are heard?
            How many sound sources are there?
            How many sources do you hear?
            Count the sounds.
            How many different sounds occur?
            What is the number of sounds?
            How many sounds are present?
            How many sources are in the scene?""",
            """How many things make a sound?
            Give the number of sources around you.
            How many separate sounds can be told apart?""",
        ),
        "l1_estimate_azimuth": _of(
            """Where is the {a}?
            In which direction is the {a}?
            From which direction do you hear the {a}?
            What is the direction of the {a}?
            Where does the {a} come from?
            Which way is the {a}?
            Locate the {a}.
            Where do you hear the {a}?""",
            """Whereabouts is the {a} as you face forward?
            The {a} reaches you from where?
            Point to the {a}: which direction?""",
        ),
        "l1_estimate_elevation": _of(
            """Is the {a} above, level or below?
            At what height is the {a}?
            How high is the {a}?
            What is the elevation of the {a}?
            Is the {a} above or below you?
            Does the {a} come from above or below?
            Where is the {a} in height?
            Is the {a} level with you?""",
            """Relative to your ears, how high does the {a} sound?
            Would you look up or down for the {a}?
            Vertically, where is the {a}?""",
        ),
        "l1_estimate_distance": _of(
            """How far is the {a}?
            How far away is the {a}?
            What is the distance of the {a}?
            At what distance is the {a}?
            About how far is the {a} from you?
            How distant is the {a}?
            Estimate the distance of the {a}.
            How many metres away is the {a}?""",
            """How long is the way to the {a}?
            Roughly how many metres lie between you and the {a}?
            How near is the {a}?""",
        ),
        "l1_identify_by_direction": _of(
            """Which sound is {where}?
            What do you hear {where}?
            Which sound comes from the {side}?
            What comes from the {side}?
            Which source is {where}?
            What is {where}?
            Name the sound from the {side}.
            Which sound do you hear from the {side}?""",
            """What is sounding {where}?
            The sound from the {side} is which one?
            Looking to the {side}, what would you find?""",
        ),
        "l1_locate_in_time": _of(
            """When does the {a} start?
            When does the {a} begin?
            At what time does the {a} start?
            What is the onset of the {a}?
            When is the {a} first heard?
            When do you first hear the {a}?
            After how many seconds does the {a} start?
            At which second does the {a} begin?""",
            """When does the {a} set in?
            How long into the clip does the {a} appear?
            The {a} starts at what moment?""",
        ),
        "l1_describe_room": _of(
            """What are the surroundings like?
            What do the surroundings sound like?
            In what surroundings are you?
            Which surroundings do you hear?
            Where was this recorded?
            How reverberant are the surroundings?
            Describe the room.
            What kind of place do you hear?""",
            """By its echo, what place is this?
            What does the reverberation tell of the place?
            Which acoustics fit the recording?""",
        ),
        "l2_relative_direction_between_objects": _of(
            """Where is the {a} relative to the {b}?
            Seen from you, where is the {a} relative to the {b}?
            Where is the {a} compared with the {b}?
            How does the {a} lie relative to the {b}?
            In which direction from the {b} is the {a}?
            Relative to the {b}, where is the {a}?
            On which side of the {b} is the {a}?
            Facing the {b}, where is the {a}?""",
            """If you look at the {b}, where do you hear the {a}?
            With the {b} as your front, where is the {a}?
            Taking the {b} as reference, where does the {a} lie?""",
        ),
        "l2_compare_object_distances": _of(
            """Which is {more}, the {a} or the {b}?
            Which sound is {more}, the {a} or the {b}?
            Is the {a} or the {b} {more}?
            The {a} or the {b}: which is {more}?
            Which source is {more} to you, the {a} or the {b}?
            What is {more}, the {a} or the {b}?
            Of the {a} and the {b}, which is {more}?
            Compare the {a} and the {b}: which is {more}?""",
            """Between the {a} and the {b}, which is {more} in distance?
            In terms of distance, is the {a} or the {b} {more}?
            Take the {a} and the {b}. Which one is {more}?""",
        ),
        "l2_compare_object_elevations": _of(
            """Which is {more}, the {a} or the {b}?
            Which sound is {more}, the {a} or the {b}?
            Which comes from {more}, the {a} or the {b}?
            The {a} or the {b}: which is {more}?
            Is the {a} or the {b} {more}?
            Of the {a} and the {b}, which is {more}?
            Which has the {more} elevation, the {a} or the {b}?
            Compare the {a} and the {b}: which is {more}?""",
            """Between the {a} and the {b}, which is {more} in height?
            In terms of height, is the {a} or the {b} {more}?
            By elevation, which of the {a} and the {b} is {more}?""",
        ),
        "l2_bind_identity_location_distance": _of(
            """Which binding of the {a} and the {b} is right?
            Where and how far are the {a} and the {b}?
            Which description of the {a} and the {b} is right?
            Match the {a} and the {b} with place and distance.
            What are the places of the {a} and the {b}?
            Which is true of the {a} and the {b}?
            Bind the {a} and the {b} to direction and distance.
            How are the {a} and the {b} placed?""",
            """Which option puts the {a} and the {b} where they are?
            Assign direction and distance to the {a} and the {b}.
            Which line fits the {a} and the {b}?""",
        ),
        "l2_order_in_time_and_space": _of(
            """In what order and where are the {a} and the {b}?
            Which comes first, the {a} or the {b}, and where?
            When and where do the {a} and the {b} start?
            Order the {a} and the {b} in time and space.
            What happens first, and where, of the {a} and the {b}?
            Which sequence of the {a} and the {b} is right?
            How do the {a} and the {b} follow each other, and where?
            Tell the order and the places of the {a} and the {b}.""",
            """Put the {a} and the {b} in sequence, with their places.
            Of the {a} and the {b}, which sets in first, and on which side?
            Which account of the {a} and the {b} has order and place right?""",
        ),
        "l2_same_side": _of(
            """Are the {a} and the {b} on the same side?
            Are the {a} and the {b} on the same side, left or right?
            Is the {a} on the same side as the {b}?
            Do the {a} and the {b} come from the same side?
            Do you hear the {a} and the {b} on the same side?
            Same side for the {a} and the {b}?
            Are both the {a} and the {b} on one side of you?
            Does the {a} share a side with the {b}?""",
            """Are the {a} and the {b} both left or both right?
            Would one ear face both the {a} and the {b}?
            Do the {a} and the {b} lie on one and the same side?""",
        ),
        "l2_track_motion": _of(
            """How does the {a} move?
            What is the motion of the {a}?
            In which way does the {a} move?
            Describe the motion of the {a}.
            Follow the {a}: how does it move?
            What does the {a} do in space?
            How does the place of the {a} change?
            Which motion does the {a} make?""",
            """Track the {a}. What is its course?
            Where is the {a} going, if anywhere?
            Over time, how does the {a} travel?""",
        ),
        "l2_angular_separation": _of(
            """How far apart in angle are the {a} and the {b}?
            What is the angle between the {a} and the {b}?
            How many degrees separate the {a} and the {b}?
            What angle separates the {a} from the {b}?
            By how many degrees do the {a} and the {b} differ?
            How large is the angle from the {a} to the {b}?
            Estimate the angle between the {a} and the {b}.
            How many degrees lie between the {a} and the {b}?""",
            """How wide apart, in azimuth, are the {a} and the {b}?
            From the {a} to the {b}, how many degrees do you turn?
            Seen from you, what angle do the {a} and the {b} span?""",
        ),
        "l3_rotate_listener": _of(
            """If you {turn}, where is the {a}?
            You {turn}. Where is the {a} now?
            Where is the {a} if you {turn}?
            After you {turn}, where is the {a}?
            Suppose you {turn}: where is the {a}?
            Where would the {a} be if you {turn}?
            When you {turn}, where do you hear the {a}?
            You {turn}. Where do you hear the {a}?""",
            """Imagine that you {turn}; in which direction is the {a}?
            Once you {turn}, from where does the {a} come?
            What is the direction of the {a} after you {turn}?""",
        ),
        "l3_plan_action": _of(
            """How should you turn to {goal}?
            How do you turn to {goal}?
            You want to {goal}. How do you turn?
            What turn makes you {goal}?
            To {goal}, how should you turn?
            Which turn is needed to {goal}?
            How must you turn to {goal}?
            What should you do to {goal}?""",
            """What is the right move in order to {goal}?
            Choose the turn that lets you {goal}.
            In order to {goal}, what do you do?""",
        ),
        "l3_remove_source": _of(
            """If the {a} were silent, which sound would be {kind}?
            Without the {a}, which sound is {kind}?
            Remove the {a}: which sound is {kind}?
            If the {a} is removed, which sound is {kind}?
            Ignoring the {a}, which sound is {kind}?
            Which sound is {kind} without the {a}?
            Suppose the {a} stops. Which sound is {kind}?
            Which sound would be {kind} if the {a} were gone?""",
            """Apart from the {a}, what is {kind}?
            Mute the {a}. Which of the rest is {kind}?
            Had there been no {a}, what would be {kind}?""",
        ),
        "l3_move_listener": _of(
            """If you {walk}, is the {a} closer or farther?
            You {walk}. Is the {a} now closer or farther?
            Is the {a} closer or farther if you {walk}?
            After you {walk}, is the {a} closer or farther?
            Suppose you {walk}: is the {a} closer or farther?
            Does the {a} get closer or farther when you {walk}?
            When you {walk}, is the {a} closer or farther?
            Would the {a} be closer or farther if you {walk}?""",
            """Imagine that you {walk}; how does your distance to the {a} change?
            Do you approach or leave the {a} when you {walk}?
            Once you {walk}, is the {a} nearer or farther off?""",
        ),
        "l3_compound_condition": _of(
            """Which sound {conditions}?
            Which source {conditions}?
            What {conditions}?
            Name the sound that {conditions}.
            Find the sound that {conditions}.
            Which one {conditions}?
            Which of the sounds {conditions}?
            Tell which sound {conditions}.""",
            """One sound {conditions}: which?
            Choose the sound for which all of this holds: it {conditions}.
            All of this holds: it {conditions}. What is it?""",
        ),
        "l3_abduct_scene": _of(
            """Which story fits the sounds?
            What explains what you hear?
            Which story explains the sounds?
            What is going on?
            What happens here?
            Which account fits the recording?
            What is the most likely scene?
            Which scene do you hear?""",
            """Which of these tales accounts for every sound?
            What would best explain this recording?
            Pick the situation behind the sounds.""",
        ),
        "l3_check_plausibility": _of(
            """Is it plausible that {claim}?
            Can it be that {claim}?
            Is it possible that {claim}?
            Could it be true that {claim}?
            Does it fit the scene that {claim}?
            Someone says that {claim}. Can that be?
            Is it right to think that {claim}?
            May one believe that {claim}?""",
            """Would you accept that {claim}?
            A friend claims that {claim}. Is that plausible?
            Do the sounds allow that {claim}?""",
        ),
    }
)
