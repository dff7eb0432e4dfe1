"""The sound classes: their names in files, their names in questions, and what other collections call them.

A label is the name of a class folder of a sound bank (`male_speech`); its spoken form is a short noun phrase without article that reads well in a
question ("Where is the male speech relative to the dog?") and names no two classes at once.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_SPOKEN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aircraft": "aircraft",
        "alarm_phone": "phone or alarm",
        "bell": "bell",
        "bird_song": "bird song",
        "chicken": "chicken",
        "coins": "coins",
        "cow": "cow",
        "dog": "dog",
        "door": "door",
        "drums": "drums",
        "engine": "engine",
        "explosion": "explosion",
        "female_speech": "female speech",
        "fire_crackling": "crackling fire",
        "footsteps": "footsteps",
        "glass_breaking": "breaking glass",
        "guitar": "guitar",
        "gunshot": "gunshot",
        "hammering": "hammering",
        "horn": "horn",
        "horse": "horse",
        "keyboard_typing": "keyboard typing",
        "laughter": "laughter",
        "male_speech": "male speech",
        "piano": "piano",
        "pig": "pig",
        "rain": "rain",
        "running_water": "running water",
        "sawing": "sawing",
        "scream_pain": "scream of pain",
        "sheep_goat": "sheep or goat",
        "thunder": "thunder",
        "train": "train",
        "water_splash": "water splash",
        "wind": "wind",
        "wood_chopping": "wood chopping",
    }
)

CLASSES: Final[tuple[str, ...]] = tuple(sorted(_SPOKEN))

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "airplane": "aircraft",
        "helicopter": "aircraft",
        "aircraft_engine": "aircraft",
        "fixed_wing_aircraft_and_airplane": "aircraft",
        "alarm": "alarm_phone",
        "clock_alarm": "alarm_phone",
        "ringtone": "alarm_phone",
        "siren": "alarm_phone",
        "telephone": "alarm_phone",
        "bark": "dog",
        "dog_bark": "dog",
        "bicycle_bell": "bell",
        "church_bell": "bell",
        "church_bells": "bell",
        "bird": "bird_song",
        "bird_vocalization_and_bird_call_and_bird_song": "bird_song",
        "chirping_birds": "bird_song",
        "chirp_and_tweet": "bird_song",
        "hen": "chicken",
        "rooster": "chicken",
        "chicken_and_rooster": "chicken",
        "coin_dropping": "coins",
        "cattle_and_bovinae": "cow",
        "moo": "cow",
        "door_wood_creaks": "door",
        "door_wood_knock": "door",
        "knock": "door",
        "sliding_door": "door",
        "slam": "door",
        "drum": "drums",
        "drum_kit": "drums",
        "snare_drum": "drums",
        "bass_drum": "drums",
        "tabla": "drums",
        "idling": "engine",
        "accelerating_and_revving_and_vroom": "engine",
        "engine_starting": "engine",
        "motorcycle": "engine",
        "fireworks": "explosion",
        "boom": "explosion",
        "female_speech_and_woman_speaking": "female_speech",
        "male_speech_and_man_speaking": "male_speech",
        "crackle": "fire_crackling",
        "crackling_fire": "fire_crackling",
        "fire": "fire_crackling",
        "walk_and_footsteps": "footsteps",
        "shatter": "glass_breaking",
        "acoustic_guitar": "guitar",
        "bass_guitar": "guitar",
        "electric_guitar": "guitar",
        "strum": "guitar",
        "gunshot_and_gunfire": "gunshot",
        "hammer": "hammering",
        "car_horn": "horn",
        "vehicle_horn_and_car_horn_and_honking": "horn",
        "computer_keyboard": "keyboard_typing",
        "typing": "keyboard_typing",
        "laughing": "laughter",
        "chuckle_and_chortle": "laughter",
        "giggle": "laughter",
        "oink": "pig",
        "raindrop": "rain",
        "stream": "running_water",
        "pouring_water": "running_water",
        "pour": "running_water",
        "trickle_and_dribble": "running_water",
        "fill_with_liquid": "running_water",
        "bathtub_filling_or_washing": "running_water",
        "sink_filling_or_washing": "running_water",
        "water_tap_and_faucet": "running_water",
        "hand_saw": "sawing",
        "screaming": "scream_pain",
        "goat": "sheep_goat",
        "sheep": "sheep_goat",
        "thunderstorm": "thunder",
        "rail_transport": "train",
        "subway_and_metro_and_underground": "train",
        "splash_and_splatter": "water_splash",
        "chop": "wood_chopping",
    }
)
"""Names in other collections (FSD50K, ESC-50), in lower case with underscores and without parentheses, and the class each means here."""


def canonical(name: str) -> str:
    """Give the label a name stands for: lower case, underscores, no parentheses, aliases resolved; an unknown name is a class of its own."""
    folded = name.strip().lower().replace("-", "_").replace(" ", "_").replace("(", "").replace(")", "")
    return ALIASES.get(folded, folded)


def spoken(label: str) -> str:
    """Give the noun phrase, without article, that questions use for a label; unknown labels lose their underscores."""
    return _SPOKEN.get(label, label.replace("_", " "))
