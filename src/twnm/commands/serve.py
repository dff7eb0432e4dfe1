"""The command that serves the studio: serve."""

import os
from pathlib import Path

from twnm.commands.shared import Flag, Options, app, check_model, load, open_sounds
from twnm.errors import InputError
from twnm.terminal import notes

TOKEN_NAME = "TWNM_TOKEN"


@app.command
def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    model: str = "small",
    sounds: Path | None = None,
    data: tuple[Path, ...] = (),
    run: tuple[Path, ...] = (),
    allow_host: Options = (),
    max_upload_mb: float = 64.0,
    max_duration: float = 120.0,
    queue: int = 32,
    time_limit: float = 60.0,
    quiet: Flag = False,
) -> None:
    """Serve the studio: a page to hear, see and ask, and an OpenAI-compatible interface.

    A token in the environment variable TWNM_TOKEN is then asked of every client; without one only this machine may be served.

    Parameters
    ----------
    host
        Address to listen at; one that other machines can reach needs a token.
    port
        Port to listen at; 0 takes a free one.
    model
        "small", or a folder of trained weights.
    sounds
        Folder of dry sounds for the room editor and the examples; absent: the fetched ones, or synthesised ones.
    data
        Folder of a benchmark or data set with questions to browse; may be given more than once.
    run
        Folder of a benchmark run to browse; may be given more than once.
    allow_host
        Other names by which clients may call a server without a token, such as that of a proxy.
    max_upload_mb
        Largest file, in megabytes.
    max_duration
        Longest recording, in seconds.
    queue
        Requests that may wait for the model; others are told to come again.
    time_limit
        Seconds from a request to its answer.
    quiet
        Do not log requests.
    """
    from pydantic import ValidationError

    from twnm.studio.settings import Settings, check_bind

    check_model(model)
    given = {"host": host, "port": port, "token": os.environ.get(TOKEN_NAME, ""), "hosts": allow_host, "data": data, "runs": run, "queue": queue}
    try:
        settings = Settings.model_validate(given | {"upload_bytes": round(max_upload_mb * 1e6), "duration_s": max_duration, "time_limit_s": time_limit})
    except (ValidationError, OverflowError, ValueError) as error:
        problems = error.errors() if isinstance(error, ValidationError) else []
        raise InputError("; ".join(f"{one['loc'][0]}: {one['msg']}" for one in problems) or f"a limit is no number: {error}") from None
    check_bind(settings)
    from twnm.studio.server import serve as run_server
    from twnm.studio.studio import Studio

    catalogue = open_sounds(sounds)
    studio = Studio.of(settings, load(model), catalogue, model)

    def ready(address: str) -> None:
        notes().print(f"twnm is at {address}   (Ctrl-C stops it)", soft_wrap=True)

    run_server(studio, ready, log=not quiet)
