"""Print docs/questions.md's list of tasks: for each its rule and a real example, from scenes drawn out of a sound bank.

python tools/question_examples.py FOLDER_OF_SOUNDS
"""

import sys
from collections.abc import Iterator

import numpy as np

from twnm.questions import TASKS, Item, ask_all, ask_twins
from twnm.simulate.sampler import draw_scene
from twnm.sounds.catalogue import load_catalogue

RECIPES = ("indoor", "moving", "benchmark", "outdoor")
SCENES = 400


def examples(sounds: str) -> Iterator[tuple[Item, Item | None, Item | None]]:
    """An item of each task with its twin and its open form; one that has both where there is one."""
    bank = load_catalogue(sounds)
    best: dict[str, tuple[Item, Item | None, Item | None]] = {}
    for index in range(SCENES):
        scene = draw_scene(bank, RECIPES[index % len(RECIPES)], 11, index, "train")
        opened = {item.task: item for item in ask_all(scene, np.random.default_rng(index), form="open")}
        for item, twin in ask_twins(scene, np.random.default_rng(index)):
            found = item, twin, opened.get(item.task)
            known = best.get(item.task)
            if known is None or sum(part is not None for part in found) > sum(part is not None for part in known):
                best[item.task] = found
    return iter(best[task] for task in TASKS)


def sentence(text: str | None) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join((text or "").split("\n\n")[0].split())


def main(sounds: str) -> None:
    """Print one section for each task."""
    for item, twin, opened in examples(sounds):
        task = TASKS[item.task]
        print(f"### {item.task}\n\n{task.family}. {sentence(task.draw.__doc__)} {sentence(task.judge.__doc__)}\n")
        options = " · ".join(f"**{option}**" if option == item.answer_text else option for option in item.options)
        print(f"> {item.question} {options}  \n> *{item.derivation}*")
        for line in item.evidence:
            print(f">   \n> `{line}`")
        if twin is not None:
            print(f"\nTwin, after `{twin.transform}`: **{twin.answer_text}** (*{twin.derivation}*).")
        if opened is not None:
            exact = "" if opened.answer_value is None else f", exactly {opened.answer_value:g}"
            print(f'\nOpen: "{opened.question}" **{opened.answer_text}** ({opened.tolerance}{exact}).')
        print()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
