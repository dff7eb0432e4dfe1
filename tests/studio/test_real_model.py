"""The shipped model behind the routes: `TWNM_CACHE=~/.cache/twnm pytest -m network` with its pretrained parts fetched."""

from typing import Any

import pytest

from twnm.model.loading import load
from twnm.questions.evidence import parse_evidence
from twnm.sounds.catalogue import load_catalogue
from twnm.studio.app import create_app
from twnm.studio.settings import Settings
from twnm.studio.studio import Studio


@pytest.mark.network
def test_the_shipped_model_hears_an_example_and_answers() -> None:
    from starlette.testclient import TestClient

    studio = Studio.of(Settings(hosts=("testserver",), time_limit_s=600), load("small"), load_catalogue())
    with TestClient(create_app(studio)) as client:
        example: dict[str, Any] = client.post("/api/examples/three-sounds").json()
        off_deg = [one["off_deg"] for one in example["objects"] if one["matches"]]
        assert len(example["objects"]) in (2, 3, 4) and sorted(off_deg)[0] < 30, off_deg
        asked = example["questions"][0]
        answer = client.post(f"/api/recordings/{example['id']}/ask", json=asked).json()
        assert "answer" in answer, answer
        assert answer["answer"] in asked["options"] and answer["why"] and len(answer["scores"]) == len(asked["options"])
        heard = parse_evidence(answer["evidence_text"])
        assert heard and len(answer["evidence"]) == len(heard) and all(line["object_id"] for line in answer["evidence"])
        twin = client.post(f"/api/recordings/{example['id']}/twin", json={"transform": "yaw 90"}).json()
        assert sorted(one["off_deg"] for one in twin["objects"] if one["matches"])[0] < 30, "the turned sound is heard where it has gone"
