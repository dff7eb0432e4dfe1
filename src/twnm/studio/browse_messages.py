"""What goes over the wire when data sets and runs are browsed."""

from typing import Literal

from pydantic import BaseModel


class SystemMessage(BaseModel):
    """A system of a run: how many items it was asked, without control, and how many it had right."""

    name: str
    asked: int
    right: int


class TaskMessage(BaseModel):
    """A task of a set and how many items it has."""

    task: str
    level: str
    family: str
    items: int


class SetMessage(BaseModel):
    """A set to browse and what it can be filtered by."""

    id: str
    kind: Literal["data", "run"]
    name: str
    items: int
    systems: list[SystemMessage]
    controls: list[str]
    levels: list[str]
    tasks: list[TaskMessage]
    outcomes: list[str]
    damaged_lines: int


class ItemRow(BaseModel):
    """An item in a list: `outcomes` by system, without control."""

    n: int
    sample_id: str
    level: str
    task: str
    family: str
    question: str
    answer_text: str
    answer_letter: str | None
    file_name: str
    transform: str
    outcomes: dict[str, str]


class ItemPage(BaseModel):
    """A page of items."""

    page: int
    pages: int
    total: int
    items: list[ItemRow]


class ItemFull(BaseModel):
    """An item; `twin_n` is the number of its twin in this set."""

    n: int
    sample_id: str
    scene_id: str
    file_name: str
    level: str
    task: str
    family: str
    form: str
    question: str
    options: list[str]
    answer_letter: str | None
    answer_text: str
    derivation: str
    evidence: list[str]
    transform: str
    twin: str | None
    twin_n: int | None


class ReplyMessage(BaseModel):
    """What a system said to an item."""

    system: str
    control: str
    outcome: str
    right: bool
    read: str | None
    text: str
    evidence: str | None
    seconds: float
    error: str | None


class ItemMessage(BaseModel):
    """An item with all replies to it, and its neighbours' numbers."""

    item: ItemFull
    replies: list[ReplyMessage]
    previous: int | None
    next: int | None
