"""The figures of `twnm.bench.ears_figures` as tables for the terminal."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

_COLUMNS = (("n", "n"), ("direction_deg", "direction, median °"), ("class", "class"), ("distance", "distance error"), ("within_20_deg", "found within 20°"))


def ears_view(result: dict[str, Any]) -> RenderableType:
    """All figures with their 95 % intervals; shares are in 0-1, errors of distances and rooms relative."""
    title = f"what the encoder hears: {result['scenes']} scenes ({result['recipe']}, {result['renderer']})"
    table = Table(title=title, title_justify="left")
    table.add_column("group")
    for _, name in _COLUMNS:
        table.add_column(name, justify="right")
    for group, members in result["by"].items():
        for place, (value, row) in enumerate(members.items()):
            name = value if group == "all" else f"{group}: {value}"
            table.add_row(name, *(_cell(row[key]) for key, _ in _COLUMNS), end_section=place == len(members) - 1)
    if result["without_space"]:
        table.add_row("without Y, Z, X", *(_cell(result["without_space"][key]) for key, _ in _COLUMNS))
    rest = Table(title="and", title_justify="left")
    rest.add_column("figure")
    rest.add_column("value", justify="right")
    rest.add_row("number of objects right", _cell(result["count"]))
    for part in ("seld", "false_objects", "room", "spread", "moving"):
        for name, value in result[part].items():
            rest.add_row(f"{part.replace('_', ' ')}: {name}", _cell(value))
    for file, row in result["recordings"].items():
        rest.add_row(f"{file}, turned", ", ".join(f"{name} {value}" for name, value in row.items()))
    return Group(table, rest)


def _cell(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    if value[0] is None:
        return "-"
    return f"{value[0]:.3g} [{value[1]:.3g}, {value[2]:.3g}]"
