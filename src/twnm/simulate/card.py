"""The data card of a data set: what it is, how to load it, whose sounds it holds, and the command that makes it again."""

import textwrap
from collections import Counter
from collections.abc import Iterable

from twnm.simulate.layout import Config, ManifestRow
from twnm.simulate.recipe import RECIPES

_HF_SPLITS = {"train": "train", "none": "train", "val": "validation", "test": "test"}
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}

_CARD = """\
---
pretty_name: "{title}"
license: other
license_name: per-sound
task_categories: [audio-classification]
tags: [spatial audio, first-order ambisonics, sound event localisation, simulated]
size_categories: ["{size}"]
configs:
- config_name: default
  data_files:
  - split: {hf_split}
    path: data/*.parquet
---

# {title}

{scenes} simulated scenes of {duration_s:g} s, made by twnm {twnm}: first-order Ambisonics and everything that is true of it.

```python
import io, soundfile
from datasets import load_dataset

rows = load_dataset("parquet", data_files="data/*.parquet", split="train", streaming=True)  # in this folder
audio, rate_hz = soundfile.read(io.BytesIO(next(iter(rows))["audio"]["bytes"]))  # (samples, 4)
```

Or `twnm.simulate.dataset.SceneSet(folder)`: an iterator, and access by index or scene_id, of (audio, scene). `twnm export` writes DCASE folders.

## Columns

| column | what it is |
|---|---|
| `scene_id`, `file_name` | names of the scene and of its audio |
| `audio` | `bytes`: FLAC, 16 bits, 24 kHz, 4 channels; `path`: the file name |
| `scene` | JSON: room, listener, events with their paths, ambience, microphone, seed |
| `duration_s` | seconds |
| `labels` | of the events, in the scene's order |
| `dcase` | every 100 ms of each active event: frame, class, source (from 0), azimuth and elevation in degrees, distance in centimetres |

Audio is AmbiX: W, Y, Z, X with SN3D weights. Azimuth 0° is in front and +90° at the left; elevation is positive upwards. The sounds are those of
the split {split}. {rooms}

Classes, numbered from 0:
{classes}.

## Sounds and licences

{events} events; {generated} of them are procedurally generated sounds, not recordings. Events and ambiences of
clips from several packages count for each of them.

| package | licence | sounds | events | ambiences |
|---|---|---|---|---|
{sounds}

Each scene's JSON names the clip, package and licence of every event. twnm (Apache-2.0) claims nothing in what it makes of them.

## Made by

```
{command}
```

with the sound bank whose digest is `{sound_bank}`: the same command writes the same bytes.
`config.json` has the whole recipe; `twnm verify` compares all files with `SHA256SUMS`.
"""


def data_card(config: Config, manifest: Iterable[ManifestRow]) -> str:
    """The text of README.md, with the front matter that Hugging Face reads; `manifest` is read once, a row at a time."""
    events: Counter[tuple[str, str, bool]] = Counter()
    ambiences: Counter[tuple[str, str, bool]] = Counter()
    for row in manifest:
        for use in row.sounds:
            key = (use.package, use.licence, use.generated)
            events[key] += use.events
            ambiences[key] += use.ambiences
    lines = [
        f"| {package or '(unnamed)'} | {licence or '(unknown)'} | {'generated' if generated else 'recorded'} | {events[key]} | {ambiences[key]} |"
        for key in sorted(events | ambiences)
        for package, licence, generated in [key]
    ]
    return _CARD.format(
        title=f"Simulated spatial scenes: {config.recipe['name']}, {config.split}, seed {config.seed}",
        size=next((name for limit, name in _SIZES.items() if config.scenes < limit), "n>10M"),
        hf_split=_HF_SPLITS[config.split],
        scenes=config.scenes,
        duration_s=config.recipe["duration_s"],
        twnm=config.twnm,
        rooms=f"The room is a measured one; its responses have the digest `{config.responses}`." if config.responses else "The rooms are simulated.",
        split=f"{config.split} (all)" if config.split == "none" else config.split,
        classes=textwrap.fill(", ".join(f"{number} {label}" for number, label in enumerate(config.classes)), 120),
        events=events.total(),
        generated=sum(count for key, count in events.items() if key[2]),
        sounds="\n".join(lines),
        command=_command(config),
        sound_bank=config.sound_bank,
    )


def _command(config: Config) -> str:
    name = config.recipe["name"]
    built_in = name in RECIPES and RECIPES[name].model_dump(mode="json") == config.recipe
    recipe = name if built_in else f"{name}.toml"
    command = f"twnm simulate OUT --scenes {config.scenes} --seed {config.seed} --recipe {recipe} --split {config.split} --renderer {config.renderer}"
    command += " --responses ROOM" if config.responses else ""
    return command if built_in else f"{command}   # {recipe}: the recipe in config.json"
