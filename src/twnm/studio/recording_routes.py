"""Routes of one recording: upload it, look at it, listen to it, turn it, take it home."""

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response

from twnm import plot
from twnm.questions.twins import Transform, twin_of
from twnm.report import dcase_rows
from twnm.studio.decode import AUTO, relayout
from twnm.studio.hearing import heard_objects, heard_room, true_objects
from twnm.studio.messages import LayoutRequest, RecordingMessage, TwinRequest
from twnm.studio.pictures import binaural_wav, figure_png, spectrogram_png, wav_bytes
from twnm.studio.recordings import Recording
from twnm.studio.refusals import Refused
from twnm.studio.studio import REFUSALS, Studio, recording_message
from twnm.studio.uploads import uploaded

LayoutOrAuto = Literal["auto", "ambix", "n3d", "fuma", "wxyz"]
BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
UPLOAD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "the bytes of a WAV, FLAC, OGG, CAF or AIFF file with four channels, or a form with one file",
        "content": {
            "application/octet-stream": BINARY,
            "multipart/form-data": {"schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}},
        },
    }
}


def given(kind: str) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that gives a file of a type."""
    return {**REFUSALS, 200: {"description": "the file", "content": {kind: BINARY}}}


def shown_name(name: str) -> str:
    """A client's name for a recording, fit to be shown; it is never a path here."""
    printable = "".join(letter for letter in PurePosixPath(name.replace("\\", "/")).name if letter.isprintable())
    return printable.strip()[:120] or "recording"


def routes(studio: Studio) -> APIRouter:
    """These routes."""
    router = APIRouter(prefix="/api/recordings", tags=["recordings"], responses=REFUSALS)

    async def shown(recording: Recording) -> RecordingMessage:
        return await studio.files.run(lambda: recording_message(recording))

    @router.post("", status_code=201, summary="Upload a recording and have it heard", openapi_extra=UPLOAD)
    async def upload(request: Request, layout: LayoutOrAuto = "auto", name: Annotated[str, Query(max_length=500)] = "recording") -> RecordingMessage:
        async with uploaded(request, studio.settings.upload_bytes) as path:
            found = await studio.decoder.decode(path, layout, studio.settings.duration_s)
        known = {"layout": found.layout, "layout_given": layout, "layout_reason": found.reason, "layout_certain": found.certain}
        return await shown(await studio.keep(shown_name(name), "upload", found.foa, **known))

    @router.get("/{recording_id}", summary="A recording and what was heard in it")
    async def look(recording_id: str) -> RecordingMessage:
        return await shown(studio.recording(recording_id))

    @router.delete("/{recording_id}", status_code=204, summary="Forget a recording")
    async def drop(recording_id: str) -> None:
        studio.recordings.drop(recording_id)

    @router.post("/{recording_id}/layout", summary="Read the file's channels in another layout; the recording is heard again")
    async def layout(recording_id: str, asked: LayoutRequest) -> RecordingMessage:
        before = studio.recording(recording_id)
        if before.source != "upload":
            raise Refused(400, "bad_input", "only the layout of an uploaded file can be chosen; this recording was made here, as AmbiX")
        foa = relayout(before.foa, before.layout, asked.layout)
        heard, heard_s = await studio.model_jobs.run(lambda: studio.ears.hear(foa))
        known: dict[str, Any] = {"foa": foa, "heard": heard, "heard_s": heard_s, "layout": asked.layout, "layout_given": asked.layout}
        return await shown(studio.recordings.put(replace(before, layout_reason="as you said", layout_certain=True, **known)))

    @router.post("/{recording_id}/twin", status_code=201, summary="Turn or mirror a recording exactly; the twin is heard as a new recording")
    async def twin(recording_id: str, asked: TwinRequest) -> RecordingMessage:
        before, transform = studio.recording(recording_id), Transform.of(asked.transform.strip())
        scene = None if before.scene is None else twin_of(before.scene, transform)
        foa = await studio.files.run(lambda: transform.audio(before.foa))
        name = f"{before.name.partition(' ~ ')[0]} ~ {transform}" if str(transform) else before.name
        questions = before.questions
        return await shown(
            await studio.keep(
                name, "twin", foa, scene=scene, questions=questions, transform=str(transform), parent=recording_id, layout_reason="as its original"
            )
        )

    @router.get("/{recording_id}/audio.wav", summary="The four channels as AmbiX", response_class=Response, responses=given("audio/wav"))
    async def audio(recording_id: str, rate: Literal["24000", "48000"] = "48000") -> Response:
        recording = studio.recording(recording_id)
        return Response(await studio.files.run(lambda: wav_bytes(recording.foa, int(rate))), media_type="audio/wav")

    @router.get("/{recording_id}/binaural.wav", summary="For headphones", response_class=Response, responses=given("audio/wav"))
    async def binaural(recording_id: str, yaw: Annotated[float, Query(ge=-720, le=720)] = 0.0) -> Response:
        recording = studio.recording(recording_id)
        return Response(await studio.files.run(lambda: binaural_wav(recording.foa, yaw)), media_type="audio/wav")

    @router.get("/{recording_id}/spectrogram.png", summary="The spectrogram of W", response_class=Response, responses=given("image/png"))
    async def spectrogram(recording_id: str, theme: Literal["light", "dark"] = "light") -> Response:
        recording = studio.recording(recording_id)
        return Response(await studio.files.run(lambda: spectrogram_png(recording.foa[0], theme)), media_type="image/png")

    @router.get("/{recording_id}/plan.png", summary="The plan view", response_class=Response, responses=given("image/png"))
    async def plan(recording_id: str) -> Response:
        recording = studio.recording(recording_id)
        return Response(await studio.renders.run(lambda: figure_png(plot.plan(recording.heard, recording.scene))), media_type="image/png")

    @router.get("/{recording_id}/directions.png", summary="Directions over time", response_class=Response, responses=given("image/png"))
    async def directions(recording_id: str) -> Response:
        recording = studio.recording(recording_id)
        return Response(await studio.renders.run(lambda: figure_png(plot.directions(recording.heard, recording.scene))), media_type="image/png")

    @router.get("/{recording_id}/export.json", summary="What was heard, as JSON", response_class=Response, responses=given("application/json"))
    async def export_json(recording_id: str) -> Response:
        recording = studio.recording(recording_id)
        text = await studio.files.run(lambda: json.dumps(exported(recording), indent=1))
        return Response(text, media_type="application/json", headers={"Content-Disposition": 'attachment; filename="twnm-scene.json"'})

    @router.get("/{recording_id}/export.csv", summary="What was heard, as DCASE rows", response_class=Response, responses=given("text/csv"))
    async def export_csv(recording_id: str) -> Response:
        recording = studio.recording(recording_id)
        text = await studio.files.run(lambda: dcase_rows(recording.heard))
        return Response(text, media_type="text/csv", headers={"Content-Disposition": 'attachment; filename="twnm-dcase.csv"'})

    return router


def exported(recording: Recording) -> dict[str, Any]:
    """What was heard in a recording and what is true of it, for a file."""
    objects = heard_objects(recording.heard)
    row: dict[str, Any] = {
        "name": recording.name,
        "duration_s": round(recording.heard.duration_s, 3),
        "layout": recording.layout,
        "layout_given": recording.layout_given != AUTO,
        "transform": recording.transform,
        "room": heard_room(recording.heard).model_dump(),
    }
    if recording.scene is not None:
        row |= {"truth": [one.model_dump() for one in true_objects(recording.scene, objects)], "scene": recording.scene.model_dump(mode="json")}
    return row | {"objects": [one.model_dump() for one in objects]}
