"""How many pictures a second does the service answer, and how long does a client wait?

    python benchmarks/serve.py runs/convnet --seconds 10

Clients in a process of their own post one JPEG of the network's size after the other, each over a connection that
stays open. They take part of the same cores. Beside it stands plain ONNX Runtime in a loop over the same files:
decode one, run the network on it.
"""

import argparse
import asyncio
import io
import json
import re
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path

import numpy as np
from measuring import report
from PIL import Image

import skysort
from skysort.classifier.classifier import Classifier
from skysort.classifier.runtime import onnx_runtime
from skysort.data.decode import decode

NUM_PICTURES = 64
CLIENTS = (1, 8, 64)


def main() -> None:
    """Measure the loop and the service in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    parser.add_argument("--load", nargs=2, metavar=("PORT", "CLIENTS"), help="only post to a service")
    asked = parser.parse_args()
    files = pictures(skysort.load(asked.run))
    if asked.load:
        port, clients = map(int, asked.load)
        print(json.dumps(asyncio.run(load(port, clients, files, asked.seconds))))
        return
    figures: dict[str, object] = {"run": asked.run.name, "plain loop": plain_loop(asked.run, files, asked.seconds)}
    command = [sys.executable, "-m", "skysort", "serve", str(asked.run), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        found = re.search(r"url=http://127.0.0.1:(\d+)", service.stderr.readline())
        for clients in CLIENTS:
            own = [sys.executable, __file__, str(asked.run), "--seconds", str(asked.seconds)]
            done = subprocess.run(
                [*own, "--load", found[1], str(clients)], check=True, stdout=subprocess.PIPE, text=True
            )
            figures[f"{clients} clients"] = json.loads(done.stdout)
        service.terminate()
    figures["plain loop, again"] = plain_loop(asked.run, files, asked.seconds)
    report("how many pictures a second does the service answer?", figures, asked.output)


def pictures(classifier: Classifier) -> list[bytes]:
    """Return JPEG files of the network's size, smooth like photographs."""
    size = classifier.shape.size
    files = []
    for seed in range(NUM_PICTURES):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC).save(file, "JPEG")
        files.append(file.getvalue())
    return files


def plain_loop(run: Path, files: list[bytes], seconds: float) -> dict[str, float]:
    """Return the pictures a second of decoding and ONNX Runtime, one picture after the other."""
    classifier = skysort.load(run)
    session = onnx_runtime().InferenceSession(classifier.folder / "model.onnx", providers=["CPUExecutionProvider"])
    (name,) = (one.name for one in session.get_inputs())
    took: list[float] = []
    end = time.perf_counter() + seconds
    for content in cycle(files):
        began = time.perf_counter()
        session.run(["logits"], {name: decode(content, classifier.shape)[None]})
        took.append(time.perf_counter() - began)
        if time.perf_counter() > end:
            break
    return summary(took, seconds)


async def load(port: int, num_clients: int, files: list[bytes], seconds: float) -> dict[str, float]:
    """Post pictures from so many clients at once."""
    head = f"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: image/jpeg\r\nContent-Length: "
    requests = [f"{head}{len(content)}\r\n\r\n".encode() + content for content in files]
    took: list[float] = []

    async def client(number: int, end: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in cycle([*requests[number % NUM_PICTURES :], *requests[: number % NUM_PICTURES]]):
            if time.perf_counter() > end:
                break
            began = time.perf_counter()
            writer.write(request)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"content-length: (\d+)", answer)
            await reader.readexactly(int(length[1]))
            assert answer.startswith("HTTP/1.1 200"), answer
            took.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(client(number, time.perf_counter() + 0.2) for number in range(num_clients)))
    took.clear()  # that was to warm up
    end = time.perf_counter() + seconds
    await asyncio.gather(*(client(number, end) for number in range(num_clients)))
    return summary(took, seconds)


def summary(took: list[float], seconds: float) -> dict[str, float]:
    """Return pictures a second, and the median and the 99th percentile of seconds per picture."""
    return {
        "pictures a second": round(len(took) / seconds, 1),
        "p50": round(float(np.percentile(took, 50)), 5),
        "p99": round(float(np.percentile(took, 99)), 5),
    }


if __name__ == "__main__":
    main()
