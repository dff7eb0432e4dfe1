"""Routes of the room editor: draw a scene, check it, render it and have it heard."""

import time
from typing import Annotated

from fastapi import APIRouter, Query

from twnm.errors import InputError
from twnm.scene import Scene
from twnm.simulate.recipe import RECIPES
from twnm.simulate.sampler import draw_scene
from twnm.studio.examples import suggestions
from twnm.studio.messages import BuildRequest, Built, BuiltMessage
from twnm.studio.sketch import Sketch, check_size, scene_of, sketch_of
from twnm.studio.studio import REFUSALS, Studio, recording_message


def routes(studio: Studio) -> APIRouter:
    """These routes."""
    router = APIRouter(prefix="/api/build", tags=["build"], responses=REFUSALS)
    bank, settings = studio.catalogue, studio.settings

    def scene_from(asked: BuildRequest) -> Scene:
        return chosen_scene(studio, asked.sketch, asked.scene)

    @router.get("/new", summary="A scene drawn from a built-in recipe, not rendered")
    async def new(seed: Annotated[int, Query(ge=0, lt=1 << 53)] = 0, recipe: Annotated[str, Query(max_length=40)] = "indoor") -> Built:
        return await studio.renders.run(lambda: _built(draw_scene(bank, known_recipe(recipe), seed, 0, "none")))

    @router.post("/check", summary="What a sketch or a saved scene comes to, not rendered")
    async def check(asked: BuildRequest) -> Built:
        def checked() -> Built:
            scene = scene_from(asked)
            check_size(scene, settings.build_duration_s, settings.build_events)
            return _built(scene)

        return await studio.renders.run(checked)

    @router.post("", status_code=201, summary="Render a sketch or a scene, and have it heard")
    async def build(asked: BuildRequest) -> BuiltMessage:
        began = time.perf_counter()
        scene = await studio.renders.run(lambda: scene_from(asked))
        foa, scene = await studio.render(scene)
        render_s = time.perf_counter() - began
        questions = await studio.files.run(lambda: suggestions(scene))
        note = f"all levels were lowered by {-scene.output_gain_db:.1f} dB, so that nothing clips" if scene.output_gain_db < 0 else None
        recording = await studio.keep("built scene", "build", foa, scene=scene, questions=questions, note=note)
        message = await studio.files.run(lambda: recording_message(recording))
        return BuiltMessage(**dict(message), render_s=round(render_s, 3))

    return router


def known_recipe(name: str) -> str:
    """The name of a built-in recipe; another may be a file of the server, and is refused with InputError."""
    if name not in RECIPES:
        raise InputError(f"there is no recipe {name[:80]!r}; there are {', '.join(RECIPES)}")
    return name


def chosen_scene(studio: Studio, sketch: Sketch | None, scene: Scene | None) -> Scene:
    """The scene that a client gives in one of two forms; raises InputError for none or both, or a sketch that is no possible scene."""
    if (sketch is None) == (scene is None):
        raise InputError("give either a sketch or a scene")
    if sketch is None:
        assert scene is not None
        return scene
    if sketch.duration_s > studio.settings.build_duration_s or len(sketch.events) > studio.settings.build_events:
        limits = f"{studio.settings.build_duration_s:g} s and {studio.settings.build_events} sounds"
        raise InputError(f"a scene of {sketch.duration_s:g} s with {len(sketch.events)} sounds; at most {limits} are built here")
    return scene_of(sketch, studio.catalogue)


def _built(scene: Scene) -> Built:
    sketch = sketch_of(scene)
    if sketch is None:
        raise InputError(f"a room of kind {scene.room.kind!r}, or of such a size, cannot be shown in the editor")
    return Built(sketch=sketch, scene=scene)
