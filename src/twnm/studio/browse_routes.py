"""Routes to browse data sets and runs: what there is, pages of items, one item with all replies, its recording."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response

from twnm.errors import InputError
from twnm.questions.schema import Item
from twnm.studio.browse_index import Filter
from twnm.studio.browse_messages import ItemFull, ItemMessage, ItemPage, ItemRow, ReplyMessage, SetMessage, SystemMessage, TaskMessage
from twnm.studio.browse_sets import BrowseSet
from twnm.studio.messages import RecordingMessage
from twnm.studio.pictures import wav_bytes
from twnm.studio.recording_routes import given
from twnm.studio.recordings import Suggestion
from twnm.studio.refusals import not_found
from twnm.studio.studio import REFUSALS, Studio, recording_message

OUTCOMES: Final = ("right", "wrong", "unparseable", "failed")
Short = Annotated[str | None, Query(max_length=200)]
_MOST_NUMBER: Final = 1 << 60


def routes(studio: Studio) -> APIRouter:
    """These routes."""
    router = APIRouter(prefix="/api/browse", tags=["browse"], responses=REFUSALS)

    def ready(set_id: str) -> BrowseSet:
        one = found(studio, set_id)
        one.check()
        return one

    @router.get("/{set_id}", summary="A set and what it can be filtered by")
    async def overview(set_id: str) -> SetMessage:
        one = found(studio, set_id)
        await studio.files.run(one.refresh)
        return await studio.files.run(lambda: _overview(one))

    @router.get("/{set_id}/items", summary="A page of items")
    async def items(
        set_id: str,
        level: Short = None,
        task: Short = None,
        family: Short = None,
        system: Short = None,
        outcome: Annotated[Literal["right", "wrong", "unparseable", "failed", ""] | None, Query()] = None,
        control: Annotated[str, Query(max_length=200)] = "",
        query: Short = None,
        page: Annotated[int, Query(ge=1, le=1_000_000_000)] = 1,
        size: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> ItemPage:
        one = ready(set_id)
        wanted = Filter(level or None, task or None, family or None, system or None, outcome or None, control, query or None)
        total, rows = await studio.files.run(lambda: one.index.page(wanted, page, size))
        shown = [ItemRow.model_validate({name: row[name] for name in ItemRow.model_fields}) for row in rows]
        return ItemPage(page=page, pages=max(1, -(-total // size)), total=total, items=shown)

    @router.get("/{set_id}/items/{number}", summary="An item with all replies to it")
    async def item(set_id: str, number: int) -> ItemMessage:
        one = ready(set_id)
        return await studio.files.run(lambda: _item_message(one, number))

    @router.post("/{set_id}/items/{number}/open", status_code=201, summary="Have the recording of an item heard")
    async def open_item(set_id: str, number: int) -> RecordingMessage:
        one = ready(set_id)
        asked, (foa, scene) = await studio.files.run(lambda: _with_recording(one, number))
        if foa.shape[0] != 4:
            raise InputError(f"its recording has {foa.shape[0]} channels; the model hears four (first-order Ambisonics), so listen to it or read the replies")
        if foa.shape[1] > 24_000 * studio.settings.duration_s:
            raise InputError(f"its recording lasts {foa.shape[1] / 24_000:.0f} s; at most {studio.settings.duration_s:.0f} s are heard here")
        known = {"scene": scene, "questions": (Suggestion(asked.question, asked.options),), "transform": asked.transform, "layout_reason": "as the set says"}
        recording = await studio.keep(asked.sample_id, "browse", foa, **known)
        return await studio.files.run(lambda: recording_message(recording))

    @router.get("/{set_id}/items/{number}/audio.wav", summary="Its recording, AmbiX", response_class=Response, responses=given("audio/wav"))
    async def audio(set_id: str, number: int, rate: Literal["24000", "48000"] = "48000") -> Response:
        one = ready(set_id)
        return Response(await studio.files.run(lambda: wav_bytes(_with_recording(one, number)[1][0], int(rate))), media_type="audio/wav")

    return router


def found(studio: Studio, set_id: str) -> BrowseSet:
    """A set by its id; raises Refused (404)."""
    one = next((one for one in studio.sets if one.set_id == set_id), None)
    if one is None:
        raise not_found("there is no such set; the server's command line names them: twnm serve --data DIR --run DIR")
    return one


def _overview(one: BrowseSet) -> SetMessage:
    index = one.index
    tasks = [TaskMessage(task=task, level=level, family=family, items=count) for task, level, family, count in index.tasks()]
    return SetMessage(
        id=one.set_id,
        kind=one.kind,
        name=one.name,
        items=index.count(),
        systems=[SystemMessage(name=name, asked=asked, right=right) for name, asked, right in index.systems()],
        controls=index.controls(),
        levels=sorted({task.level for task in tasks}),
        tasks=tasks,
        outcomes=list(OUTCOMES),
        damaged_lines=index.damaged(),
    )


def _item(one: BrowseSet, number: int) -> Item:
    row = one.index.item(number) if 0 <= number < _MOST_NUMBER else None
    if row is None:
        raise not_found(f"{one.name} has no item {number}")
    return Item.from_row(row)


def _with_recording(one: BrowseSet, number: int) -> tuple[Item, Any]:
    item = _item(one, number)
    return item, one.recording(item)


def _item_message(one: BrowseSet, number: int) -> ItemMessage:
    item = _item(one, number)
    full = item.model_dump(mode="json", include=set(ItemFull.model_fields)) | {"n": number, "twin_n": one.index.number_of(item.twin) if item.twin else None}
    replies = [_reply(item, row) for row in one.index.replies(number)]
    following = number + 1 if number + 1 < one.index.count() else None
    return ItemMessage(item=ItemFull.model_validate(full), replies=replies, previous=number - 1 if number else None, next=following)


def _reply(item: Item, row: dict[str, Any]) -> ReplyMessage:
    """A line of the results; what is not as it should be is left out rather than refused, so that the rest can be seen."""
    read = row.get("read")
    seconds = row.get("seconds")
    return ReplyMessage(
        system=row["system"],
        control=row["control"],
        outcome=row["outcome"],
        right=row.get("right") is True,
        read=_read_text(item, read) if isinstance(read, str) else None,
        text=str(row.get("reply") or ""),
        evidence=row["evidence"] if isinstance(row.get("evidence"), str) else None,
        seconds=float(seconds) if isinstance(seconds, (int, float)) else 0.0,
        error=str(row["error"]) if row.get("error") else None,
    )


def _read_text(item: Item, read: str) -> str:
    """The option that a letter stands for, or what was read as it is."""
    return f"{read}: {item.options[item.letters.index(read)]}" if len(read) == 1 and item.options and read in item.letters else read
