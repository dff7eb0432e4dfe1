"""All that can go wrong, through the command as a user gives it: counted, shown in the report, and asked again, once it is mended."""

import html
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from small_benchmark import item, write_benchmark, write_items

from twnm.bench.report import write_report
from twnm.cli import main


class Endpoint:
    """A server that answers by the number in the question until it is `mended`; then it says B to everything."""

    def __init__(self) -> None:
        self.mended, self.asked = False, 0
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                endpoint.asked += 1
                number = 1 if endpoint.mended else int(str(re.search(r"Where is sound (\d)", body)[1]))  # type: ignore[index]
                if number == 4:
                    time.sleep(4)
                text = "It may be left, or right." if number == 5 else "B"
                content = b"<html>gateway</html>" if number == 3 else json.dumps({"choices": [{"message": {"content": text}}]}).encode()
                try:
                    self.send_response(500 if number == 2 else 200)
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    return  # whoever asked has given up

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.mark.usefixtures("here")
def test_every_fault_costs_its_own_questions_and_is_asked_again_when_it_is_mended(endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data, out = write_benchmark(tmp_path / "data", 2), tmp_path / "run"
    write_items(data / "items-test.jsonl", [item(recording, number) for recording in (0, 1) for number in range(1, 6)])
    (data / "audio" / "r-001.wav").rename(tmp_path / "away.wav")
    system = f"openai:http://127.0.0.1:{endpoint.http.server_address[1]}/v1?timeout_s=2#tiny"
    command = ["bench", "run", system, "--data", str(data), "--out", str(out), "--json"]

    assert main(command) == 0
    told = capsys.readouterr()
    assert "asked 10, 0 were there, 8 failed" in told.err
    line = json.loads(told.out)[system]
    assert (line["n"], line["failed"], line["unparseable"], line["overall"]) == (10, 8, 10.0, 10.0)
    page = html.unescape(write_report(out, tmp_path / "r.html").read_text())
    for count, message in ((1, "HTTP 500"), (1, "is not JSON: <html>gateway</html>"), (1, "2 s"), (5, "r-001.wav does not exist")):
        assert re.search(rf"<td>{count}</td><td class=\"wrap\">[^\n]*{re.escape(message)}", page), message

    endpoint.mended = True
    (tmp_path / "away.wav").rename(data / "audio" / "r-001.wav")
    lines = (out / "results.jsonl").read_text().splitlines()
    right = next(number for number, text in enumerate(lines) if json.loads(text)["right"])
    lines[right] = lines[right][:70]
    (out / "results.jsonl").write_text("\n".join(lines) + "\n")
    before = endpoint.asked
    assert main(command) == 0
    told = capsys.readouterr()
    assert "asked 9, 1 were there, 1 damaged lines in the results" in told.err
    assert endpoint.asked - before == 9
    assert json.loads(told.out)[system]["failed"] == 0
    page = write_report(out, tmp_path / "r.html").read_text()
    assert "19 lines: 1 corrupt and left out, 8 replaced by a later reply" in page and "No reply failed." in page
