"""What training for spatial hearing took from the language model: questions without any recording, put to it before and after.

Sixty-four questions of common knowledge with four options each, half of them about sounds. The answer is the option with the highest mean log-probability
per token behind "Question: ... Answer:", so that nothing of the model's own chat format is needed. Base and trained model answer the same questions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from twnm.bench.statistics import paired_comparison, scene_bootstrap
from twnm.model.language import LanguageModel, load_language_model, read, score_continuations
from twnm.model.loading import ModelConfig
from twnm.model.twnm import Twnm

_QUESTIONS = """
sound | Which animal barks? | a dog | a cow | a cat | a hen
sound | Which animal meows? | a cat | a horse | a sheep | a pig
sound | Which animal neighs? | a horse | a cat | a dog | a frog
sound | Which animal moos? | a cow | a bird | a mouse | a wolf
sound | Which animal crows at dawn? | a rooster | a cat | a fish | a snake
sound | Which animal hisses? | a snake | a cow | a sheep | a hen
sound | Which animal croaks? | a frog | a horse | a dog | a lion
sound | Which animal roars? | a lion | a mouse | a hen | a fish
sound | Which insect buzzes? | a bee | an ant | a worm | a snail
sound | Which animal howls at the moon? | a wolf | a cow | a duck | a rabbit
sound | What follows lightning? | thunder | snow | silence | music
sound | Which instrument has keys and strings? | a piano | a drum | a flute | a trumpet
sound | Which instrument is struck with sticks? | a drum | a violin | a flute | a harp
sound | Which instrument is played with a bow? | a violin | a piano | a drum | a trumpet
sound | Which instrument is blown? | a trumpet | a guitar | a drum | a piano
sound | Which instrument has six strings and is plucked? | a guitar | a trumpet | a drum | an organ
sound | What rings when somebody calls? | a telephone | a table | a pillow | a window
sound | What warns of fire with a loud sound? | an alarm | a curtain | a carpet | a lamp
sound | What does an ambulance sound? | a siren | a piano | a whistle | a harp
sound | What ticks? | a clock | a stone | a cloud | a book
sound | What do people do when a joke is funny? | laugh | sleep | whisper | cough
sound | What do babies do when they are hungry? | cry | write | drive | cook
sound | What do hands do at the end of a concert? | clap | dig | paint | knit
sound | What is used to hit nails? | a hammer | a spoon | a brush | a pen
sound | What cuts wood with teeth? | a saw | a spoon | a rope | a cup
sound | What flies with a loud engine? | an aircraft | a bicycle | a boat | a sledge
sound | What travels on rails? | a train | a car | a ship | a bus
sound | What does a driver press to warn others? | the horn | the radio | the seat | the mirror
sound | In what unit is loudness measured? | decibel | metre | kilogram | litre
sound | In what unit is frequency measured? | hertz | newton | volt | gram
sound | With what do people hear? | ears | eyes | hands | knees
sound | What is a sound that returns from a wall? | an echo | a shadow | a colour | a smell
other | What is the capital of France? | Paris | Rome | Berlin | Madrid
other | What is the capital of Italy? | Rome | Paris | Vienna | London
other | What is the capital of Japan? | Tokyo | Beijing | Seoul | Delhi
other | What is the capital of England? | London | Dublin | Paris | Oslo
other | How many days has a week? | seven | five | ten | twelve
other | How many months has a year? | twelve | ten | seven | twenty
other | How many legs has a spider? | eight | six | four | ten
other | How many minutes has an hour? | sixty | thirty | ninety | ten
other | What colour is snow? | white | black | red | green
other | What colour is grass? | green | blue | red | purple
other | What colour is a clear sky by day? | blue | green | brown | pink
other | What colour is a ripe banana? | yellow | blue | black | grey
other | What is frozen water called? | ice | steam | sand | milk
other | What do bees make? | honey | milk | wool | silk
other | What do cows give? | milk | honey | eggs | silk
other | What do hens lay? | eggs | stones | apples | bricks
other | What does a baker make? | bread | shoes | chairs | clocks
other | Who treats sick people? | a doctor | a baker | a painter | a pilot
other | Who flies a plane? | a pilot | a nurse | a farmer | a tailor
other | What does the sun give? | light | rain | snow | wind
other | Which season is the coldest? | winter | summer | spring | autumn
other | On which planet do we live? | Earth | Mars | Venus | Jupiter
other | What goes around the Earth? | the Moon | the Sun | Mars | Saturn
other | What falls from clouds? | rain | sand | leaves | stones
other | What do fish swim in? | water | air | sand | wood
other | What is the opposite of hot? | cold | big | loud | fast
other | What is the opposite of up? | down | left | near | late
other | What is the opposite of big? | small | tall | wide | old
other | What is two plus three? | five | six | four | nine
other | What is ten minus four? | six | five | seven | two
other | What is used to write on paper? | a pen | a fork | a shoe | a pillow
other | What is used to cut bread? | a knife | a pillow | a towel | a sock
"""


@dataclass(frozen=True)
class Plain:
    """A question without a recording: "sound" or "other", its words, the right option, then wrong ones."""

    kind: str
    question: str
    options: tuple[str, ...]


QUESTIONS = tuple(Plain(parts[0], parts[1], tuple(parts[2:])) for parts in (line.split(" | ") for line in _QUESTIONS.strip().splitlines()))


@torch.no_grad()
def right_answers(language: LanguageModel) -> list[bool]:
    """Whether a language model finds the right option of each question."""
    found = []
    table = language.model.get_input_embeddings()
    for one in QUESTIONS:
        prompt = torch.tensor(language.tokenizer(f"Question: {one.question}\nAnswer:", add_special_tokens=False).input_ids)
        ids = [language.tokenizer(f" {option}", add_special_tokens=False).input_ids for option in one.options]
        scores = score_continuations(language.model, read(language.model, table(prompt)), ids)
        lengths = torch.tensor([len(each) for each in ids])
        found.append(int((scores / lengths).argmax()) == 0)
    return found


def knowledge_kept(model: Twnm, config: ModelConfig) -> dict[str, Any]:
    """Shares of right answers before and after training with 95 % intervals, and their difference with its p value, by kind of question.

    Args:
        model: the trained one.
        config: names its language model, which is loaded again as it was.
    """
    before, after = right_answers(load_language_model(config.language)), right_answers(model.language)
    result: dict[str, Any] = {}
    for kind in ("all", "sound", "other"):
        rows = [number for number, one in enumerate(QUESTIONS) if kind in ("all", one.kind)]
        first, second = ([[float(found[number])] for number in rows] for found in (after, before))
        compared = paired_comparison(first, second, np.random.default_rng(0))
        result[kind] = {
            "questions": len(rows),
            "before": scene_bootstrap(second, np.random.default_rng(0)),
            "after": scene_bootstrap(first, np.random.default_rng(0)),
            "difference": (compared.difference, compared.low, compared.high),
            "p": compared.p_value,
        }
    return result
