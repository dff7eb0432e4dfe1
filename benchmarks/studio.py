"""How the studio bears many clients: counts, waiting times and memory under load, and what a stop in the middle of it costs.

    python benchmarks/studio.py [--clients 200] [--seconds 60] [--model small] [--sounds FOLDER] [--json]

Starts `twnm serve` on a free port. Each client asks one question after another about a recording of its own in the form of OpenAI's interface (1 s of
noise from a random direction, one of 20), waits as a 429 tells it to, and asks again. After the time the server gets SIGTERM while all clients go on,
until they are told that it stops. Reported: answers by status, requests that broke off, times of the accepted ones (median, 95th percentile), the server's
memory at the beginning, its middle and its end. A request that finds nobody listening after the stop is not counted. The last line is the same as JSON
with `--json`.
"""

import argparse
import asyncio
import base64
import contextlib
import io
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile

from twnm.ambisonics import encode

RECORDINGS = 20
SEED = 5
QUESTION = "Where does the sound come from?"
OPTIONS = ("front", "left", "back", "right")


def bodies() -> list[bytes]:
    """Requests about recordings of noise from random directions."""
    rng = np.random.default_rng(SEED)
    made = []
    for _ in range(RECORDINGS):
        foa = encode(0.1 * rng.standard_normal(24_000).astype(np.float32), float(rng.uniform(-180, 180)), 0.0)
        out = io.BytesIO()
        soundfile.write(out, foa.T, 24_000, format="FLAC", subtype="PCM_16")
        audio = {"type": "input_audio", "input_audio": {"data": base64.b64encode(out.getvalue()).decode(), "format": "flac"}}
        lines = [f"Question: {QUESTION}", *(f"{letter}. {option}" for letter, option in zip("ABCD", OPTIONS, strict=True))]
        content = [audio, {"type": "text", "text": "\n".join(lines)}]
        made.append(json.dumps({"model": "twnm", "messages": [{"role": "user", "content": content}]}).encode())
    return made


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


async def ask_on(http: httpx.AsyncClient, number: int, sent: list[bytes], counts: Counter[str], times_s: list[float], stopped: asyncio.Event) -> None:
    """One client: asks until nobody listens any more."""
    turn = number
    while True:
        began = time.monotonic()
        try:
            answer = await http.post("/v1/chat/completions", content=sent[turn % len(sent)], headers={"content-type": "application/json"})
        except httpx.ConnectError:
            if stopped.is_set():
                return
            counts["no connection"] += 1
            continue
        except httpx.HTTPError as error:
            counts[f"broke off ({type(error).__name__})"] += 1
            continue
        counts[str(answer.status_code)] += 1
        if answer.status_code == 200:
            times_s.append(time.monotonic() - began)
            turn += 1
        elif answer.status_code == 503 and stopped.is_set():
            return  # it stops, and has said so: whoever insists only meets the closing door
        elif answer.status_code in (429, 503):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), float(answer.headers["retry-after"]))


async def load(address: str, server: subprocess.Popen[str], clients: int, seconds: float) -> dict[str, Any]:
    """Put the load on, stop the server under it, and give the figures."""
    counts: Counter[str] = Counter()
    times_s: list[float] = []
    stopped = asyncio.Event()
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=address, timeout=300, limits=limits) as http:
        memory = [memory_mb(server.pid)]
        sent = bodies()
        crew = [asyncio.create_task(ask_on(http, number, sent, counts, times_s, stopped)) for number in range(clients)]
        for _ in range(2):
            await asyncio.sleep(seconds / 2)
            memory.append(memory_mb(server.pid))
        server.send_signal(signal.SIGTERM)
        began = time.monotonic()
        await asyncio.sleep(0)
        stopped.set()
        code = await asyncio.to_thread(server.wait, 180)
        stopping_s = time.monotonic() - began
        await asyncio.wait_for(asyncio.gather(*crew), 60)
    median_s, late_s = np.percentile(times_s, [50, 95]) if times_s else (float("nan"), float("nan"))
    return {
        "clients": clients,
        "seconds": seconds,
        "answers": dict(sorted(counts.items())),
        "accepted_median_s": round(float(median_s), 2),
        "accepted_p95_s": round(float(late_s), 2),
        "memory_mb": [round(value) for value in memory],
        "exit_code": code,
        "stopping_s": round(stopping_s, 2),
    }


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--model", default="small")
    parser.add_argument("--sounds", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    program = "import sys; from twnm.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "serve", "--port", "0", "--quiet", "--model", given.model]
    command += ["--sounds", str(given.sounds)] if given.sounds else []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            line = next((line for line in server.stderr if "http://" in line), "")
            address = next((word for word in line.split() if word.startswith("http://")), "")
            if not address:
                sys.exit(f"the server did not start: exit code {server.wait()}")
            found = asyncio.run(load(address, server, given.clients, given.seconds))
        finally:
            server.kill()
    for name, value in found.items():
        print(f"{name:20} {value}")
    if given.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
