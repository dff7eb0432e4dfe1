"""What a sound is, from the pretrained tagger YAMNet alone: its 521 AudioSet classes read as ours, nothing trained.

Each of our classes has the AudioSet classes that say the same; its score is the largest of their probabilities, averaged over the patches heard.
AudioSet's "Speech" does not tell women from men: the pitch does (autocorrelation; the border of 165 Hz lies between the ranges of both).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float32

from twnm.audio import SAMPLE_RATE_HZ
from twnm.model.yamnet import YamNet
from twnm.sounds.classes import spoken

SPEECH: Final = ("Speech", "Child speech, kid speaking", "Conversation", "Narration, monologue", "Speech synthesizer", "Whispering")
MEANINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "aircraft": ("Aircraft", "Aircraft engine", "Jet engine", "Propeller, airscrew", "Helicopter", "Fixed-wing aircraft, airplane"),
        "alarm_phone": (
            "Alarm",
            "Telephone",
            "Telephone bell ringing",
            "Ringtone",
            "Telephone dialing, DTMF",
            "Dial tone",
            "Busy signal",
            "Alarm clock",
            "Siren",
            "Civil defense siren",
            "Buzzer",
            "Smoke detector, smoke alarm",
            "Fire alarm",
            "Beep, bleep",
        ),
        "bell": ("Bell", "Church bell", "Jingle bell", "Bicycle bell", "Change ringing (campanology)", "Chime", "Tubular bells", "Doorbell", "Ding", "Gong"),
        "bird_song": ("Bird", "Bird vocalization, bird call, bird song", "Chirp, tweet", "Squawk", "Pigeon, dove", "Coo", "Crow", "Caw", "Owl", "Hoot"),
        "chicken": ("Chicken, rooster", "Cluck", "Crowing, cock-a-doodle-doo", "Fowl"),
        "coins": ("Coin (dropping)", "Cash register", "Jingle, tinkle", "Keys jangling"),
        "cow": ("Cattle, bovinae", "Moo"),
        "dog": ("Dog", "Bark", "Yip", "Howl", "Bow-wow", "Growling", "Whimper (dog)", "Canidae, dogs, wolves"),
        "door": ("Door", "Sliding door", "Slam", "Knock", "Cupboard open or close", "Drawer open or close", "Creak", "Squeak"),
        "drums": ("Drum kit", "Drum machine", "Drum", "Snare drum", "Rimshot", "Drum roll", "Bass drum", "Timpani", "Tabla", "Cymbal", "Hi-hat", "Percussion"),
        "engine": (
            "Engine",
            "Light engine (high frequency)",
            "Medium engine (mid frequency)",
            "Heavy engine (low frequency)",
            "Engine knocking",
            "Engine starting",
            "Idling",
            "Accelerating, revving, vroom",
            "Motor vehicle (road)",
            "Car",
            "Truck",
            "Bus",
            "Motorcycle",
            "Lawn mower",
            "Race car, auto racing",
        ),
        "explosion": ("Explosion", "Eruption", "Boom", "Artillery fire", "Fireworks", "Burst, pop"),
        "female_speech": SPEECH,
        "fire_crackling": ("Fire", "Crackle"),
        "footsteps": ("Walk, footsteps", "Run", "Shuffle"),
        "glass_breaking": ("Glass", "Shatter", "Breaking", "Chink, clink", "Smash, crash"),
        "guitar": ("Guitar", "Electric guitar", "Bass guitar", "Acoustic guitar", "Steel guitar, slide guitar", "Strum", "Plucked string instrument"),
        "gunshot": ("Gunshot, gunfire", "Machine gun", "Fusillade", "Cap gun"),
        "hammering": ("Hammer", "Jackhammer", "Tools"),
        "horn": ("Vehicle horn, car horn, honking", "Toot", "Air horn, truck horn", "Foghorn", "Car alarm"),
        "horse": ("Horse", "Clip-clop", "Neigh, whinny"),
        "keyboard_typing": ("Typing", "Computer keyboard", "Typewriter"),
        "laughter": ("Laughter", "Baby laughter", "Giggle", "Snicker", "Belly laugh", "Chuckle, chortle"),
        "male_speech": SPEECH,
        "piano": ("Piano", "Electric piano", "Keyboard (musical)"),
        "pig": ("Pig", "Oink"),
        "rain": ("Rain", "Raindrop", "Rain on surface"),
        "running_water": (
            "Stream",
            "Waterfall",
            "Water tap, faucet",
            "Sink (filling or washing)",
            "Bathtub (filling or washing)",
            "Pour",
            "Trickle, dribble",
            "Gush",
            "Fill (with liquid)",
            "Gurgling",
        ),
        "sawing": ("Sawing", "Chainsaw", "Filing (rasp)", "Power tool"),
        "scream_pain": ("Screaming", "Shout", "Yell", "Groan", "Wail, moan", "Grunt"),
        "sheep_goat": ("Goat", "Bleat", "Sheep"),
        "thunder": ("Thunderstorm", "Thunder"),
        "train": (
            "Rail transport",
            "Train",
            "Train whistle",
            "Train horn",
            "Railroad car, train wagon",
            "Train wheels squealing",
            "Subway, metro, underground",
        ),
        "water_splash": ("Splash, splatter", "Slosh", "Plop", "Drip"),
        "wind": ("Wind", "Wind noise (microphone)", "Rustling leaves"),
        "wood_chopping": ("Chop", "Wood", "Splinter", "Chopping (food)", "Crack"),
    }
)
"""The AudioSet display names that each class of ours is heard as."""

PITCH_RANGE_HZ: Final = (70.0, 400.0)
PITCH_BORDER_HZ: Final = 165.0
FLOOR: Final = 1e-3
_LEVEL_RMS, _SILENCE_RMS = 0.1, 1e-5
_PATCH_HOP_S = 0.48
_WINDOW = 1024


class Tagger:
    """YAMNet with our classes; `Tagger.shared()` uses the one in the cache."""

    def __init__(self, network: YamNet) -> None:
        self.network = network
        index = {name: place for place, name in enumerate(network.class_names)}
        self.places = {label: torch.tensor([index[name] for name in names]) for label, names in MEANINGS.items()}

    def chances(self, mono: Float32[np.ndarray, " samples"]) -> dict[str, float]:
        """The probability of each spoken label for a sound at 24 kHz that one of our classes made."""
        wave = torch.from_numpy(mono) * (_LEVEL_RMS / max(float(np.sqrt(np.mean(np.square(mono, dtype=float)))), _SILENCE_RMS))
        with torch.inference_mode():
            heard = self.network(wave[None], hop_s=_PATCH_HOP_S).logits[0].sigmoid()
        scores = {label: float(heard[:, places].amax(dim=1).mean()) + FLOOR for label, places in self.places.items()}
        female = female_chance(mono)
        scores["female_speech"] *= female
        scores["male_speech"] *= 1 - female
        total = sum(scores.values())
        return {spoken(label): score / total for label, score in scores.items()}


def female_chance(mono: Float[np.ndarray, " samples"]) -> float:
    """How probably a voice is a woman's, from its pitch: the median over voiced frames of 43 ms, a logistic of an octave's width about 165 Hz."""
    count = len(mono) // _WINDOW
    if count == 0:
        return 0.5
    frames = np.asarray(mono[: count * _WINDOW], float).reshape(count, _WINDOW)
    energy = np.sum(frames**2, axis=1)
    frames = frames[energy >= 0.05 * energy.max(initial=0.0)] * np.hanning(_WINDOW)
    spectra = np.abs(np.fft.rfft(frames, 2 * _WINDOW, axis=1)) ** 2
    likeness = np.fft.irfft(spectra, axis=1)[:, :_WINDOW] / np.maximum(np.fft.irfft(spectra, axis=1)[:, :1], 1e-12)
    shortest, longest = (round(SAMPLE_RATE_HZ / pitch_hz) for pitch_hz in reversed(PITCH_RANGE_HZ))
    best = likeness[:, shortest:longest]
    voiced = best.max(axis=1) > 0.3
    if not voiced.any():
        return 0.5
    pitch_hz = float(np.median(SAMPLE_RATE_HZ / (shortest + best[voiced].argmax(axis=1))))
    return float(1 / (1 + (PITCH_BORDER_HZ / pitch_hz) ** 6))
