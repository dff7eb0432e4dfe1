"""Questions about scenes: a pure function of a Scene gives the words, the options, the right answer and the line of reasoning that leads to it."""

from twnm.questions.ask import TASKS, ask_all, ask_one, ask_twins, read_questions, write_questions
from twnm.questions.schema import Item
from twnm.questions.twins import Transform, twin_of

__all__ = ["TASKS", "Item", "Transform", "ask_all", "ask_one", "ask_twins", "read_questions", "twin_of", "write_questions"]
