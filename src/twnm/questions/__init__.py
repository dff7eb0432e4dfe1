"""Questions about scenes: a pure function of a Scene gives the words, the options, the right answer and the line of reasoning that leads to it."""

from twnm.questions.ask import TASKS, ask_all, ask_one, read_questions, write_questions
from twnm.questions.schema import Item

__all__ = ["TASKS", "Item", "ask_all", "ask_one", "read_questions", "write_questions"]
