"""Browsing a data set and a run: filters, items, replies, recordings; what is counted is counted here again from the files."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from twnm.errors import InputError
from twnm.studio.browse_index import Filter, Index
from twnm.studio.browse_sets import open_sets


@pytest.fixture(scope="module")
def sets(client: Any) -> list[dict[str, Any]]:
    for one in ("0", "1"):
        while (answer := client.get(f"/api/browse/{one}")).status_code == 503:
            assert answer.json()["error"]["code"] == "indexing" and answer.headers["retry-after"] == "1"
            time.sleep(0.05)
        assert answer.status_code == 200
    return [client.get(f"/api/browse/{one}").json() for one in ("0", "1")]


@pytest.fixture(scope="module")
def rows(browsed: tuple[Path, Path]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    files = browsed[0] / "items-test.jsonl", browsed[1] / "results.jsonl"
    items, replies = ([json.loads(line) for line in path.read_text().splitlines()] for path in files)
    return items, replies


def test_a_set_says_what_it_holds(sets: list[dict[str, Any]], rows: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    items, replies = rows
    data, run = sets
    assert data["items"] == run["items"] == len(items) and data["systems"] == []
    assert sum(task["items"] for task in run["tasks"]) == len(items) and run["levels"] == ["L1", "L2", "L3"]
    ours = next(one for one in run["systems"] if one["name"] == "twnm")
    plain = [row for row in replies if row["system"] == "twnm" and row["control"] == ""]
    assert (ours["asked"], ours["right"]) == (len(plain), sum(row["right"] for row in plain))
    assert run["controls"] == ["", "options-rotated", "w-only"]


def test_filters_give_the_items_that_they_name(client: Any, sets: list[dict[str, Any]], rows: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    items, replies = rows
    wrong = {row["sample_id"] for row in replies if row["system"] == "twnm" and row["control"] == "" and row["outcome"] == "wrong"}
    wanted = [row["sample_id"] for row in items if row["level"] == "L2" and row["sample_id"] in wrong]
    query = {"level": "L2", "system": "twnm", "outcome": "wrong", "size": 20}
    page = client.get("/api/browse/1/items", params=query).json()
    assert page["total"] == len(wanted) and [one["sample_id"] for one in page["items"]] == wanted[:20]
    assert page["pages"] == -(-len(wanted) // 20) and all(one["outcomes"]["twnm"] == "wrong" for one in page["items"])
    last = client.get("/api/browse/1/items", params=query | {"page": page["pages"]}).json()
    assert [one["sample_id"] for one in last["items"]] == wanted[20 * (page["pages"] - 1) :]


def test_words_are_searched_in_questions(client: Any, sets: list[dict[str, Any]], rows: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    expected = sum("dog" in row["question"].lower() and "the" in row["question"].lower() for row in rows[0])
    assert client.get("/api/browse/0/items", params={"query": "THE dog"}).json()["total"] == expected > 0
    for strange in ("100%_", "'; DROP TABLE items; --", "\\"):
        assert client.get("/api/browse/0/items", params={"query": strange}).json()["total"] == 0


def test_an_item_comes_with_all_replies(client: Any, sets: list[dict[str, Any]], rows: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    items, replies = rows
    number = next(place for place, row in enumerate(items) if row["twin"])
    found = client.get(f"/api/browse/1/items/{number}").json()
    assert found["item"]["sample_id"] == items[number]["sample_id"] and found["previous"] == (number - 1 if number else None) and found["next"] == number + 1
    assert items[found["item"]["twin_n"]]["sample_id"] == items[number]["twin"]
    expected = sorted((row["system"], row["control"], row["outcome"]) for row in replies if row["sample_id"] == items[number]["sample_id"])
    assert [(one["system"], one["control"], one["outcome"]) for one in found["replies"]] == expected
    assert client.get(f"/api/browse/1/items/{len(items)}").status_code == 404 and client.get("/api/browse/9/items/0").status_code == 404


def test_the_recording_of_an_item_is_opened_with_its_transform(client: Any, sets: list[dict[str, Any]], rows: Any) -> None:
    number = next(place for place, row in enumerate(rows[0]) if row["transform"])
    answer = client.post(f"/api/browse/1/items/{number}/open")
    opened = answer.json()
    assert (
        answer.status_code == 201
        and opened["transform"] == rows[0][number]["transform"]
        and opened["scene"]["scene_id"].endswith("~" + opened["transform"].replace(" ", ""))
    )
    assert opened["questions"][0]["question"] == rows[0][number]["question"] and len(opened["truth"]["objects"]) == 3
    assert client.get(f"/api/browse/1/items/{number}/audio.wav", params={"rate": "24000"}).headers["content-type"] == "audio/wav"


def test_damaged_lines_are_counted_and_later_replies_count(tmp_path: Path, browsed: tuple[Path, Path]) -> None:
    lines = (browsed[0] / "items-test.jsonl").read_bytes().splitlines(keepends=True)
    items, results = tmp_path / "items.jsonl", tmp_path / "results.jsonl"
    items.write_bytes(lines[0] + b"{torn\n[1]\n" + lines[1])
    name = json.loads(lines[1])["sample_id"]
    reply = {"system": "a", "control": "", "sample_id": name, "outcome": "wrong"}
    results.write_text(json.dumps(reply) + "\n" + json.dumps(reply | {"outcome": "right"}) + "\n" + '{"system": "a"')
    index = Index(items, results, tmp_path)
    index.build()
    assert (index.count(), index.damaged(), index.systems()) == (2, 3, [("a", 1, 1)])
    assert index.page(Filter(system="a", outcome="right"), 1, 10)[1][0]["sample_id"] == name
    assert index.fresh()
    with results.open("a") as stream:
        stream.write("\n" + json.dumps(reply) + "\n")
    assert not index.fresh() and index.there()


def test_a_hundred_thousand_items_are_paged_quickly(tmp_path: Path) -> None:
    row = '"scene_id": "s", "family": "spatial", "question": "Where is the dog?", "answer_text": "left", "file_name": "a.wav"'
    items, results = tmp_path / "items.jsonl", tmp_path / "results.jsonl"
    levels = ("L1", "L2", "L3")
    with items.open("w") as stream, results.open("w") as said:
        for number in range(100_000):
            stream.write(f'{{"sample_id": "s{number}", "level": "{levels[number % 3]}", "task": "t{number % 24}", {row}}}\n')
            said.write(f'{{"system": "a", "control": "", "sample_id": "s{number}", "outcome": "{"right" if number % 7 else "wrong"}"}}\n')
    index = Index(items, results, tmp_path)
    index.build()
    began = time.process_time()
    total, page = index.page(Filter(level="L2", system="a", outcome="wrong"), 90, 50)
    assert time.process_time() - began < 1.0, "a page takes a fraction of a second of one core"
    assert total == sum(1 for number in range(1, 100_000, 3) if number % 7 == 0) and page[0]["n"] == [n for n in range(1, 100_000, 3) if n % 7 == 0][89 * 50]


def test_folders_that_cannot_be_browsed_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a benchmark nor a data set"):
        open_sets((tmp_path,), ())
    with pytest.raises(InputError, match="is no run of a benchmark"):
        open_sets((), (tmp_path,))
