"""Routes for programs beside OpenAI's interface: what is heard in a recording, and simulated scenes."""

import base64
from typing import Any, Final

from fastapi import APIRouter, Request

from twnm.audio import SAMPLE_RATE_HZ
from twnm.scene import Scene
from twnm.simulate.sampler import draw_scene
from twnm.studio.build_routes import chosen_scene, known_recipe
from twnm.studio.chat_routes import OPENAI_REFUSALS
from twnm.studio.hearing import heard_objects, heard_room
from twnm.studio.messages import AudioMessage, SceneHeard, Simulated, SimulateRequest
from twnm.studio.pictures import wav_bytes
from twnm.studio.recording_routes import UPLOAD, LayoutOrAuto
from twnm.studio.studio import MODEL_NAME, Studio
from twnm.studio.uploads import uploaded

_FIGURES: Final = (
    "label",
    "confidence",
    "onset_s",
    "offset_s",
    "azimuth_deg",
    "elevation_deg",
    "distance_m",
    "distance_spread",
    "azimuths_deg",
    "elevations_deg",
)


def routes(studio: Studio) -> APIRouter:
    """These routes."""
    router = APIRouter(prefix="/v1", tags=["programs"], responses=OPENAI_REFUSALS)

    @router.post("/scene", summary="The objects heard in a recording", openapi_extra=UPLOAD)
    async def scene(request: Request, layout: LayoutOrAuto = "auto") -> SceneHeard:
        async with uploaded(request, studio.settings.upload_bytes) as path:
            found = await studio.decoder.decode(path, layout, studio.settings.duration_s)
        heard, _ = await studio.model_jobs.run(lambda: studio.ears.hear(found.foa))
        return SceneHeard(
            model=MODEL_NAME,
            duration_s=round(heard.duration_s, 3),
            layout=found.layout,
            layout_reason=found.reason,
            layout_certain=found.certain,
            objects=[_object(one.model_dump()) for one in heard_objects(heard)],
            room=heard_room(heard),
        )

    @router.post("/simulate", summary="Simulate a scene: four channels of AmbiX, and what is true of them")
    async def simulate(asked: SimulateRequest) -> Simulated:
        def wanted() -> Scene:
            if asked.sketch is None and asked.scene is None:
                return draw_scene(studio.catalogue, known_recipe(asked.recipe), asked.seed, asked.index, "none")
            return chosen_scene(studio, asked.sketch, asked.scene)

        foa, made = await studio.render(await studio.renders.run(wanted))
        data = await studio.files.run(lambda: base64.b64encode(wav_bytes(foa)).decode())
        return Simulated(audio=AudioMessage(data=data, format="wav", channels=4, sample_rate_hz=SAMPLE_RATE_HZ), scene=made)

    return router


def _object(row: dict[str, Any]) -> dict[str, Any]:
    """The figures of a heard object, without what the page adds; what else the model says of it comes last."""
    page_only = {"id", "spoken", "colour", "matches", "off_deg", "distance_low_m", "distance_high_m"}
    return {name: row[name] for name in _FIGURES} | {name: value for name, value in row.items() if name not in page_only and name not in _FIGURES}
