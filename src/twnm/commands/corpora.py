"""Commands that read what others publish: import twnm-benchmark, starss23, rms-aqa, star-bench."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import App

from twnm.commands.shared import Flag, app, print_json
from twnm.terminal import notes, working

if TYPE_CHECKING:
    from twnm.corpora.shared import Clip, Corpus

import_app = App(name="import", help="Read a corpus that others publish, and write its recordings and questions as a folder for `twnm bench run`.")
app.command(import_app)

Layout = Literal["ambix", "n3d", "fuma", "wxyz"]


@import_app.command(name="twnm-benchmark")
def import_twnm_benchmark(dir: Path, out: Path, *, split: str = "", layout: Layout = "ambix", json: Flag = False) -> None:
    """The benchmark of the TWNM paper's authors (metadata.jsonl, metadata.csv or Parquet with its recordings).

    Parameters
    ----------
    dir
        The folder of the corpus, as downloaded.
    out
        A new folder, or one that the same command began.
    split
        dev or test; both if absent.
    layout
        Of the recordings' channels. What they themselves say is reported.
    json
        Print one JSON object and nothing else.
    """
    from twnm.corpora.twnm_benchmark import read_twnm_benchmark

    with working("reading"):
        corpus = read_twnm_benchmark(dir, split, layout)
    _write(corpus, out, {"folder": dir.name, "split": split, "layout": layout}, json)


@import_app.command(name="starss23")
def import_starss23(dir: Path, out: Path, *, split: str = "", layout: Layout = "ambix", seed: int = 0, json: Flag = False) -> None:
    """STARSS23, cut into windows of 5 s; the questions are ours.

    Parameters
    ----------
    dir
        The folder that has foa_dev and metadata_dev.
    out
        A new folder, or one that the same command began.
    split
        train (fold 3) or test (fold 4); both if absent.
    layout
        Of the recordings' channels.
    seed
        Of the choice of questions and wordings.
    json
        Print one JSON object and nothing else.
    """
    from twnm.corpora.starss23 import read_starss23

    with working("reading"):
        corpus = read_starss23(dir, split, layout, seed)
    _write(corpus, out, {"folder": dir.name, "split": split, "layout": layout, "seed": seed}, json)


@import_app.command(name="rms-aqa")
def import_rms_aqa(dir: Path, out: Path, *, split: str = "", layout: Layout = "ambix", json: Flag = False) -> None:
    """RMS-AQA: questions in two stages.

    Parameters
    ----------
    dir
        The folder that has dev_QA and dev_audio, or train_QA and train_audio, unpacked.
    out
        A new folder, or one that the same command began.
    split
        train or dev; both if absent.
    layout
        Of the recordings' channels, which the organisers do not state.
    json
        Print one JSON object and nothing else.
    """
    from twnm.corpora.rms_aqa import read_rms_aqa

    with working("reading"):
        corpus = read_rms_aqa(dir, split, layout)
    _write(corpus, out, {"folder": dir.name, "split": split, "layout": layout}, json)


@import_app.command(name="star-bench")
def import_star_bench(dir: Path, out: Path, *, split: str = "", json: Flag = False) -> None:
    """STAR-Bench: binaural recordings, so for systems that hear two channels.

    Parameters
    ----------
    dir
        The folder that has meta_info and starbench_audios.
    out
        A new folder, or one that the same command began.
    split
        spatial or perception; both if absent.
    json
        Print one JSON object and nothing else.
    """
    from twnm.corpora.star_bench import read_star_bench

    with working("reading"):
        corpus = read_star_bench(dir, split)
    _write(corpus, out, {"folder": dir.name, "split": split}, json)


def _write(corpus: "Corpus", out: Path, request: dict[str, Any], json: bool) -> None:
    from twnm.corpora.shared import write_corpus

    report = write_corpus(corpus, out, request, _progress)
    if json:
        print_json(report)
        return
    print(f"{report['recordings']} recordings, {report['questions']} questions and {report['unanswered']} without answers in {out}")
    for split, count in report["splits"].items():
        print(f"{count} of them as the split {split}: {out / f'items-{split}.jsonl'}")
    for line in _remarks(report):
        print(line)


def _remarks(report: dict[str, Any]) -> list[str]:
    """What a user has to know before these figures are used."""
    lines = [f"left out: {count} questions, {reason}" for reason, count in report.get("left_out", {}).items()]
    if "not_applicable" in report:
        lines.append(f"not applicable to {report['not_applicable']}")
    heard = report.get("convention")
    if heard is not None:
        sure = "" if heard["share"] is None else f" ({100 * heard['share']:.0f} % of {heard['recordings']} recordings, p = {heard['p_value']:.1g})"
        lines.append(f"azimuths run {heard['sense']}{sure}; channels {heard['order']}, scale {heard['scale']}: layout {heard['layout'] or 'undecided'}")
        given = report["request"]["layout"]
        if heard["layout"] not in (None, given):
            lines.append(f"the recordings look like {heard['layout']} and were read as {given}; import again with --layout {heard['layout']}")
    return lines


def _progress(clips: "Iterable[Clip]") -> "Iterable[Clip]":
    from rich.progress import track

    return track(list(clips), "importing", console=notes(), disable=not sys.stderr.isatty())
