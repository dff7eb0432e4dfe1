"""Commands that listen to a recording: demo, ask, scene."""

from pathlib import Path

from rich.console import Console

from twnm.ambisonics import Layout
from twnm.commands.shared import Flag, Options, app, check_model, load, load_hearing, print_json
from twnm.files import atomic_write
from twnm.terminal import check_picture, check_writable, make_folder, notes, working


@app.command
def demo(*, out: Path = Path("demo")) -> None:
    """Make a scene of three sounds, listen to it, and show the answers beside the truth.

    Parameters
    ----------
    out
        Folder for foa.wav, binaural.wav, scene.json and plan.png.
    """
    make_folder(out)
    from twnm.demo import run_demo

    run_demo(out, Console(), notes())


@app.command
def ask(
    file: Path,
    question: str,
    *,
    options: Options = (),
    layout: Layout = "ambix",
    start: float | None = None,
    model: str = "small",
    evidence: bool = True,
    json: Flag = False,
    plot: Path | None = None,
) -> None:
    """Ask a question about 5 s of an Ambisonics recording.

    Parameters
    ----------
    file
        WAV, FLAC or OGG with 4 channels (or a higher order, of which the first 4 are used); any rate, up to an hour.
    question
        In English, in quotation marks.
    options
        2 to 8 answers to choose from; without them the question is open.
    layout
        Order and weights of the channels; no file says which it is.
    start
        Where the heard 5 s begin, in seconds; the loudest 5 s if absent.
    model
        "small", or a folder of trained weights.
    evidence
        Without it the answer comes at once, without reasoning: in less time, but less often right.
    json
        Print one JSON object and nothing else.
    plot
        Also draw what was heard into this .png, .pdf or .svg.
    """
    from twnm.audio import SAMPLE_RATE_HZ, read_foa
    from twnm.questions.answer import check_question

    if plot is not None:
        check_picture(plot)
    check_model(model)
    check_question(question, options)
    foa = read_foa(file, layout=layout)
    from twnm.model.hearing import choose_window
    from twnm.model.twnm import answer_json

    start_s, window = choose_window(foa, start)
    hearing = load(model)
    with working("listening"):
        answer = hearing.ask(foa, question, options, start, evidence)
    if plot is not None:
        from twnm.plot import save_picture

        save_picture(plot, hearing.scene(window), title=f"{file.name}, from {start_s:.1f} s")
    if json:
        print_json(answer_json(answer) | {"seconds": round(answer.seconds, 3)})
        return
    from twnm.report import answer_view

    Console().print(answer_view(answer, foa.shape[1] / SAMPLE_RATE_HZ))


@app.command
def scene(
    file: Path,
    *,
    layout: Layout = "ambix",
    model: str = "small",
    spoken: Flag = False,
    json: Flag = False,
    dcase: Path | None = None,
    plot: Path | None = None,
) -> None:
    """List the sounds of an Ambisonics recording: what, when, where, how far, how they move.

    Parameters
    ----------
    file
        WAV, FLAC or OGG with 4 channels (or a higher order, of which the first 4 are used); any rate, up to an hour.
    layout
        Order and weights of the channels; no file says which it is.
    model
        "small", or a folder of trained weights.
    spoken
        Tell it in sentences, for a screen reader or a voice, instead of in a table.
    json
        Print one JSON object and nothing else.
    dcase
        Also write DCASE 2024 rows (frame of 100 ms, class, source, azimuth, elevation, centimetres) into this file.
    plot
        Also draw what was heard into this .png, .pdf or .svg.
    """
    from twnm.audio import check_foa, stream_foa

    if dcase is not None:
        check_writable(dcase)
    if plot is not None:
        check_picture(plot)
    check_model(model)
    check_foa(file, layout=layout)
    hearing = load_hearing(model)
    from twnm.model.recording import Sampled, doubts

    sampled = Sampled()
    with working("listening"):
        heard = hearing.scene_of(sampled.through(stream_foa(file, layout=layout)))
    doubtful = doubts(sampled.foa)
    from twnm.report import dcase_rows, scene_row, scene_view

    if dcase is not None:
        with atomic_write(dcase) as temporary:
            temporary.write_text(dcase_rows(heard), encoding="utf-8")
    if plot is not None:
        from twnm.plot import save_picture

        save_picture(plot, heard, title=file.name)
    if json:
        print_json(scene_row(str(file), heard, doubtful))
    elif spoken:
        from twnm.model.spoken import tell_scene

        Console().print(tell_scene(heard), highlight=False)
    else:
        Console().print(scene_view(str(file), heard, doubtful))
