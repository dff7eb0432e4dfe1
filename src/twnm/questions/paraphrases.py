"""More ways to ask the tasks, for training alone: a language model that knows a task by eight sentences does not know it in a ninth.

Each task has sentences of its own and clauses ("where the dog is") that a frame turns into one ("Can you tell me where the dog is?"). The sentences of
`twnm.questions.wordings`, held out or not, are not among them, and no four words in a row are shared with a held-out one alone (a test says so), so that what
validation and test ask stays unseen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from twnm.questions.options import pick

_FRAMED_SHARE, _OPENED_SHARE = 0.4, 0.25

CLAUSE_FRAMES = (
    "Tell me {clause}.",
    "Please say {clause}.",
    "Can you tell me {clause}?",
    "Could you say {clause}?",
    "I would like to know {clause}.",
    "Say {clause}.",
    "I wonder {clause}.",
    "Listen and report {clause}.",
    "From the recording, work out {clause}.",
    "Judging by the sound, say {clause}.",
    "Find out {clause}.",
    "Do you know {clause}?",
    "I need to know {clause}.",
    "Decide {clause}.",
    "Can one hear {clause}?",
    "Your task is to say {clause}.",
)
OPENINGS = (
    "In this recording, {sentence}",
    "Listen carefully: {sentence}",
    "Judging by ear, {sentence}",
    "A question about the scene: {sentence}",
    "Here is what I want to know: {sentence}",
    "As you hear it, {sentence}",
    "Based on this audio, {sentence}",
    "Next question: {sentence}",
)


@dataclass(frozen=True)
class Paraphrases:
    """Sentences of one task, and clauses that a frame turns into sentences."""

    sentences: tuple[str, ...]
    clauses: tuple[str, ...]


def paraphrase(task: str, rng: np.random.Generator) -> str:
    """A sentence for a task, with its fields in braces. Raises KeyError for an unknown task."""
    known = PARAPHRASES[task]
    if rng.random() < _FRAMED_SHARE:
        return pick(rng, CLAUSE_FRAMES).replace("{clause}", pick(rng, known.clauses))
    sentence = pick(rng, known.sentences)
    if rng.random() < _OPENED_SHARE:
        return pick(rng, OPENINGS).replace("{sentence}", sentence if sentence.startswith("{") else sentence[0].lower() + sentence[1:])
    return sentence


def _of(sentences: str, clauses: str) -> Paraphrases:
    return Paraphrases(*(tuple(line.strip() for line in block.strip().splitlines()) for block in (sentences, clauses)))


PARAPHRASES: Mapping[str, Paraphrases] = MappingProxyType(
    {
        "l1_identify_event": _of(
            """Which of the following is audible?
            One of these really occurs. Which?
            Identify a sound from the scene.
            Which of these options can you hear?
            Which sound belongs to the scene?
            What is making noise here?
            Which of the named sounds is really there?
            Recognise the sound.
            Which of the candidates sounds in the audio?
            What kind of sound is this?
            Which of these is among the sounds?
            Tell a sound that is present.""",
            """which of these sounds is there
            what is audible
            which sound occurs in the recording
            which of the listed sounds is present
            what one hears
            which of these you recognise""",
        ),
        "l1_identify_absent": _of(
            """One of these does not occur. Which?
            Which of the following is inaudible?
            All but one of these are heard. Which is the exception?
            Which sound is not part of the scene?
            Which of these options is not there?
            Identify the sound that is missing here.
            Which of these cannot be found in the audio?
            Which of the named sounds never occurs?
            What is listed here but not heard?
            Which sound has been left out?
            Find the one that is absent.
            Which of the candidates stays silent?""",
            """which of these is missing
            which of the listed sounds is absent
            which sound does not occur
            what cannot be heard among these
            which one is not there
            which of these is not part of the recording""",
        ),
        "l1_count_sources": _of(
            """How many sources sound here?
            Count what you hear.
            How many objects are audible?
            What is the count of the sound sources?
            How many distinct sounds does one hear?
            How many sounding objects are there?
            How large is the total of sounds?
            Give a count of all sounds.
            How many of them are sounding in total?
            Altogether, how many sources are heard?
            How many noises occur?
            The scene has how many sounds?""",
            """how many sounds there are
            how many sources are heard
            the number of sounds
            how many different things are audible
            the count of the sources
            how many objects sound""",
        ),
        "l1_estimate_azimuth": _of(
            """On which side of you is the {a}?
            The {a} is heard from which side?
            Give the direction of the {a}.
            Is the {a} in front, behind, left or right of you?
            Which way would you face to see the {a}?
            Say the bearing of the {a}.
            Where around you does the {a} sound?
            The {a} comes from which direction?
            Attend to the {a}. What side is it on?
            What is the azimuth of the {a}?
            Find the {a}: on what side is it?
            Where would you look for the {a}?
            Seen from the listener, where is the {a}?
            The {a}: what is its horizontal direction?""",
            """where the {a} is
            from which direction the {a} comes
            in which direction the {a} lies
            the direction of the {a}
            on what side the {a} is heard
            where you hear the {a}
            the bearing of the {a}""",
        ),
        "l1_estimate_elevation": _of(
            """Is the {a} over you, beneath you or at your height?
            Does the sound of the {a} come from up high or down low?
            What is the vertical position of the {a}?
            Is the {a} higher or lower than your head?
            Say the height of the {a}.
            The {a}: above, level or below?
            At which elevation do you hear the {a}?
            Does the {a} come from overhead?
            How is the {a} placed in height?
            Estimate the elevation of the {a}.
            Is the source of the {a} raised or lowered?
            In the vertical, does the {a} lie up or down?""",
            """how high the {a} is
            whether the {a} is above, level or below
            the height of the {a}
            at which elevation the {a} is
            whether the {a} is higher than you
            the elevation of the {a}""",
        ),
        "l1_estimate_distance": _of(
            """What distance separates you from the {a}?
            How many metres off is the {a}?
            Give the distance to the {a}.
            The {a} is how far away?
            How remote is the {a}?
            How close is the {a}?
            Judge how far the {a} is.
            What is the range to the {a}?
            How much space is there up to the {a}?
            In metres, how far is it to the {a}?
            Guess the distance to the {a}.
            At how many metres does the {a} sound?""",
            """how far the {a} is
            how far away the {a} is
            the distance of the {a}
            how many metres the {a} is away
            at what distance the {a} sounds
            how close the {a} is
            the distance from you to the {a}""",
        ),
        "l1_identify_by_direction": _of(
            """What is heard from the {side}?
            Which object sounds {where}?
            Which sound would you find {where}?
            Identify what is {where}.
            What is the sound {where}?
            There is a sound {where}. Which?
            What is it that you hear {where}?
            Which of these has its place {where}?
            Which sound reaches you from the {side}?
            Turn to the {side}: which sound is there?
            Who or what sounds from the {side}?
            Which of the sources lies {where}?""",
            """which sound is {where}
            what sounds from the {side}
            what you hear {where}
            which source lies {where}
            the sound that is {where}
            what comes from the {side}""",
        ),
        "l1_locate_in_time": _of(
            """At what point does the {a} start?
            How many seconds pass before the {a}?
            Give the start of the {a} in seconds.
            When is the beginning of the {a}?
            How late does the {a} come?
            The {a} can be heard from which time on?
            How long must one wait for the {a}?
            Say the starting time of the {a}.
            When is the first moment of the {a}?
            From which second on does the {a} sound?
            What time marks the start of the {a}?
            After what delay does the {a} occur?""",
            """when the {a} starts
            when the {a} begins
            at which time the {a} is first heard
            the onset of the {a}
            after how many seconds the {a} comes
            how long it takes until the {a} starts""",
        ),
        "l1_describe_room": _of(
            """How much does the room echo?
            Is this outdoors, a dry room or a reverberant one?
            What sort of space is this?
            How long does sound linger here?
            Which kind of space surrounds you?
            How live or dead is the room?
            Describe the acoustics.
            In what space was this made?
            Is there much reverberation?
            What can be said about the space?
            Which environment is it?
            How strong are the echoes around you?
            What room are you in?
            Judge the acoustics of the place.""",
            """what kind of place this is
            how reverberant the room is
            in what surroundings this was recorded
            what the acoustics are like
            how much echo there is
            which space surrounds you
            the kind of environment""",
        ),
        "l2_relative_direction_between_objects": _of(
            """You face the {b}. Where is the {a}?
            Going by the direction of the {b}, where is the {a}?
            If the {b} were straight ahead, on which side would the {a} be?
            Turn to face the {b}. On which side is the {a} then?
            How is the {a} oriented with respect to the {b}?
            Starting from the {b}, which way is the {a}?
            The {a} is where, measured from the {b}?
            To which side of the {b} does the {a} lie?
            With your nose to the {b}, where would the {a} be?
            Is the {a} to the left of the {b}, to its right, or elsewhere?
            When the {b} is ahead of you, where is the {a}?
            What is the place of the {a} as measured from the {b}?
            Let the {b} be ahead. Where do you find the {a}?
            Looking towards the {b}, on which hand is the {a}?""",
            """where the {a} is relative to the {b}
            on which side of the {b} the {a} is
            how the {a} lies with respect to the {b}
            where the {a} would be if you faced the {b}
            where, seen from you, the {a} is compared with the {b}
            in which direction from the {b} the {a} lies""",
        ),
        "l2_compare_object_distances": _of(
            """Is it the {a} that is {more}, or the {b}?
            What is {more}: {a} or {b}?
            Does the {a} or the {b} sound {more}?
            Who is {more}, the {a} or the {b}?
            {a} or {b}: which of these two is {more}?
            Compare how far the {a} and the {b} are. Which is {more}?
            Say whether the {a} or the {b} is {more}.
            Listening to the {a} and the {b}, which do you find {more}?
            The {a} and the {b} are heard. Which is {more}?
            Of two sounds, the {a} and the {b}, which is {more}?
            Considering the {a} and the {b}, which is {more}?
            Name the {more} one of the {a} and the {b}.""",
            """which is {more}, the {a} or the {b}
            whether the {a} or the {b} is {more}
            which of the {a} and the {b} is {more}
            which of the two is {more}, the {a} or the {b}
            what is {more}, the {a} or the {b}""",
        ),
        "l2_compare_object_elevations": _of(
            """Is it the {a} that is {more}, or the {b}?
            What is {more}: {a} or {b}?
            Does the {a} or the {b} come from {more} up or down?
            {a} or {b}: which of these two is {more}?
            Compare the heights of the {a} and the {b}. Which is {more}?
            Say which has a {more} place: {a} or {b}.
            Listening to the {a} and the {b}, which do you find {more}?
            The {a} and the {b} are heard. Which is {more}?
            Considering the {a} and the {b}, which is {more}?
            Name the {more} one of the {a} and the {b}.
            Which of the two has a {more} place, the {a} or the {b}?
            Comparing elevations, is it the {a} or the {b} that is {more}?""",
            """which is {more}, the {a} or the {b}
            whether the {a} or the {b} comes from {more}
            what comes from {more}, the {a} or the {b}
            which of the two is {more}, the {a} or the {b}
            which has the {more} elevation, the {a} or the {b}""",
        ),
        "l2_bind_identity_location_distance": _of(
            """Which option describes the {a} and the {b} correctly?
            Give the place and the distance of both the {a} and the {b}.
            For the {a} and the {b}, which placement is correct?
            Where is the {a}, where is the {b}, and how far is each?
            Which statement about the {a} and the {b} is correct?
            Pair the {a} and the {b} with their directions and distances.
            Which of these arrangements of the {a} and the {b} do you hear?
            Locate both the {a} and the {b}, with distances.
            What is correct for the {a} and the {b}?
            Which layout of the {a} and the {b} is the real one?
            How do the {a} and the {b} lie, in direction and in distance?
            Choose the description that agrees with the {a} and the {b}.""",
            """where and how far the {a} and the {b} are
            which description of the {a} and the {b} is correct
            how the {a} and the {b} are placed
            the places and distances of the {a} and the {b}
            which arrangement of the {a} and the {b} is heard""",
        ),
        "l2_order_in_time_and_space": _of(
            """Does the {a} start before the {b}, and where is each?
            Which of the {a} and the {b} begins earlier, and from where?
            Give the order of the {a} and the {b} and their sides.
            What is the right order and place of the {a} and the {b}?
            Which course of events with the {a} and the {b} do you hear?
            How does it go: {a}, then {b}, or the other way, and where?
            Who begins, the {a} or the {b}, and from which side?
            Choose the correct sequence of the {a} and the {b}.
            In which order do the {a} and the {b} begin, and on what sides?
            Which starts earlier and where, the {a} or the {b}?
            Describe the {a} and the {b} by time and by place.
            Which version of the {a} and the {b} is true?""",
            """in what order and where the {a} and the {b} start
            which begins first, the {a} or the {b}, and where
            how the {a} and the {b} follow each other
            which sequence of the {a} and the {b} is correct
            the order and the sides of the {a} and the {b}""",
        ),
        "l2_same_side": _of(
            """Do the {a} and the {b} share a side?
            Is it the same side for both the {a} and the {b}?
            Would you find the {a} and the {b} on a common side?
            Are the {a} and the {b} to one hand of you?
            Left or right: is it the same for the {a} as for the {b}?
            Is the {b} on that side too where the {a} is?
            Are the {a} and the {b} on the same hand?
            Do both the {a} and the {b} sound from one half?
            Is the side of the {a} also the side of the {b}?
            Could a wall through you from front to back leave the {a} and the {b} together?
            Does one half of space hold both the {a} and the {b}?
            Is there no side change between the {a} and the {b}?""",
            """whether the {a} and the {b} are on the same side
            if the {a} and the {b} share a side
            whether both the {a} and the {b} come from one side
            if the {a} is on the side of the {b}
            whether the side of the {a} and that of the {b} agree""",
        ),
        "l2_track_motion": _of(
            """Does the {a} move, and how?
            What path does the {a} take?
            Which movement does the {a} perform?
            Is the {a} coming closer, leaving, passing or standing?
            In what manner is the {a} moving?
            Where does the {a} start and where does it end?
            Describe the path of the {a}.
            How is the place of the {a} changing?
            What happens to the position of the {a}?
            Say how the {a} changes its place.
            The {a} moves in which way?
            What movement do you notice in the {a}?
            From where to where does the {a} move?
            Does the {a} come nearer or move away?""",
            """how the {a} moves
            what motion the {a} makes
            which way the {a} moves
            how the position of the {a} changes
            what the {a} does in space
            the path of the {a}""",
        ),
        "l2_angular_separation": _of(
            """What is the difference in direction between the {a} and the {b}?
            How many degrees is the {a} away from the {b}?
            Give the angle that separates the {a} and the {b}.
            The {a} and the {b} are separated by how many degrees?
            How big is the gap in degrees from the {a} to the {b}?
            By what angle are the {a} and the {b} apart?
            Measure the angle from the {a} to the {b}.
            How far, in degrees, is it from the {a} to the {b}?
            How great is the angular distance of the {a} and the {b}?
            What is the angular difference between the {a} and the {b}?
            In degrees, how distant is the {a} from the {b}?
            How many degrees are between the {a} and the {b}?""",
            """how many degrees separate the {a} and the {b}
            the angle between the {a} and the {b}
            how far apart in angle the {a} and the {b} are
            how large the angle between the {a} and the {b} is
            by how many degrees the {a} and the {b} differ""",
        ),
        "l3_rotate_listener": _of(
            """Say you {turn}. Where will the {a} be?
            You {turn}. On which side is the {a} then?
            Assume you {turn}: from which side do you hear the {a}?
            Let us say you {turn}. Which way is the {a}?
            As soon as you {turn}, on which side is the {a}?
            Now {turn}. Where do you find the {a}?
            Should you {turn}, where would you hear the {a}?
            Given that you {turn}, which direction has the {a}?
            The {a} stays where it is, and you {turn}. Where is it now?
            You first {turn}. From which direction comes the {a} now?
            Where will the {a} end up when you {turn}?
            Having heard the {a}, you {turn}. Where is it then?
            In your new orientation, after you {turn}, where is the {a}?
            Were you to {turn}, on which side would the {a} be?""",
            """where the {a} is if you {turn}
            where the {a} would be after you {turn}
            on which side you hear the {a} when you {turn}
            from which direction the {a} comes if you {turn}
            where you find the {a} when you {turn}
            in which direction the {a} would be should you {turn}""",
        ),
        "l3_plan_action": _of(
            """By how much and which way do you turn to {goal}?
            Your aim is to {goal}. Which turn do you make?
            You are asked to {goal}. What turn is it?
            Which movement of your body lets you {goal}?
            You would like to {goal}. Which way do you turn?
            In what way must you rotate to {goal}?
            Suppose you want to {goal}. What turn does it take?
            A listener wishes to {goal}. How should the listener turn?
            What rotation is necessary to {goal}?
            Say the turn with which you {goal}.
            Turn so as to {goal}: which turn is that?
            How far left or right do you turn to {goal}?
            Which of these turns will make you {goal}?""",
            """how to turn to {goal}
            which turn you need to {goal}
            by which turn you {goal}
            how you should turn if you want to {goal}
            what turn it takes to {goal}
            which way to turn to {goal}""",
        ),
        "l3_remove_source": _of(
            """Take away the {a}. Which sound is then {kind}?
            Leave out the {a}: which other sound is {kind}?
            Of all sounds but the {a}, which is {kind}?
            If we delete the {a}, which source is {kind}?
            Not counting the {a}, which sound is {kind}?
            Switch off the {a}. Which one would be {kind}?
            With the {a} gone, which source is {kind}?
            Except for the {a}, which sound is {kind}?
            Were the {a} not there, which would be {kind}?
            Disregard the {a}. Which one is {kind}?
            Among the other sounds than the {a}, which is {kind}?
            Once the {a} is taken out, which sound is {kind}?""",
            """which sound is {kind} without the {a}
            which sound would be {kind} if the {a} were silent
            what is {kind} if one leaves out the {a}
            which would be {kind} with the {a} removed
            which one is {kind} when the {a} is not counted""",
        ),
        "l3_move_listener": _of(
            """Say you {walk}. Does that bring you closer to the {a} or farther from it?
            If you {walk}, will the {a} be closer or farther than before?
            You {walk}. Has the {a} become closer or farther?
            Should you {walk}, does the {a} become closer or farther?
            You now {walk}. Is it closer or farther to the {a}?
            Let us say you {walk}. Closer to the {a}, or farther?
            By the time you {walk}, is the {a} closer or farther?
            Suppose that you {walk}. What about the {a}: closer or farther?
            Would it bring the {a} closer if you {walk}, or farther?
            When you {walk}, will you be closer to the {a} or farther from it?
            Assume you {walk}. How is the {a} then, closer or farther?
            Does the way to the {a} get shorter or longer if you {walk}?""",
            """whether the {a} gets closer or farther when you {walk}
            if the {a} is closer or farther after you {walk}
            whether you are closer to the {a} or farther from it if you {walk}
            whether the {a} would be closer or farther should you {walk}
            what becomes of the distance of the {a} if you {walk}""",
        ),
        "l3_compound_condition": _of(
            """Which of the heard sounds {conditions}?
            There is a sound that {conditions}. Which is it?
            I am looking for the sound that {conditions}.
            Which object {conditions}?
            What is the sound that {conditions}?
            Only one sound {conditions}. Name it.
            Which of these {conditions}?
            Identify the source that {conditions}.
            Say which one of them {conditions}.
            Go through the sounds: which {conditions}?
            The sound I mean {conditions}. Which do I mean?
            Give the source which {conditions}.
            Which sound meets this: it {conditions}?""",
            """which sound {conditions}
            which of the sounds {conditions}
            the sound that {conditions}
            which source it is that {conditions}
            what {conditions}""",
        ),
        "l3_abduct_scene": _of(
            """What situation is this?
            Which scenario goes with these sounds?
            Guess what is going on from the sounds.
            Where are you likely to be, and what happens?
            Which of these events produced the sounds?
            What could be happening around you?
            Which description of the scene is the likeliest?
            Putting the sounds together, what is happening?
            What do these sounds add up to?
            Into which story do the sounds belong?
            Which scenario is the most plausible?
            From all that is heard, which scene is it?
            What place and event lie behind these sounds?
            Name the scene that the sounds suggest.""",
            """what is happening here
            which story goes with the sounds
            what situation this is
            which scene the sounds suggest
            which scenario is the likeliest
            what is going on around you""",
        ),
        "l3_check_plausibility": _of(
            """Could it be that {claim}?
            Is it likely that {claim}?
            True or not: {claim}?
            Does the recording agree with this: {claim}?
            Is this statement plausible: {claim}?
            It is said that {claim}. Is this possible?
            Can one say that {claim}?
            From what you hear, may it be that {claim}?
            Suppose one says that {claim}. Right?
            Do you think that {claim}?
            Is this believable: {claim}?
            Does what you hear fit with this: {claim}?""",
            """whether it is plausible that {claim}
            whether it can be that {claim}
            if it is possible that {claim}
            whether one may say that {claim}
            whether it fits the recording that {claim}""",
        ),
    }
)
