"""How long does a person wait for the next picture, after a key on the page Review?

    python benchmarks/review.py --pictures 100

The pictures are JPEGs of 12 megapixels, all drawn for an audit. Chromium opens the page, and its own clock runs
from each press of 1 until the next large picture is ready to be painted.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from measuring import report
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.web.watched import watched

SIZE = (4000, 3000)
NEXT = """() => new Promise(done => {
  const before = document.querySelector(".stage img").src, start = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "1", bubbles: true }));
  const look = () => {
    const image = document.querySelector(".stage img");
    if (image.src !== before && image.complete) image.decode().then(() => done(performance.now() - start));
    else requestAnimationFrame(look);
  };
  look();
})"""


def main() -> None:
    """Measure once per picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds for which a person looks at a picture")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        milliseconds = measured(Path(temporary), asked.pictures, asked.pause)
    shown = {f"p{at}": round(float(np.percentile(milliseconds, at)), 1) for at in (50, 95, 99, 100)}
    figures = {"pictures": len(milliseconds), "seconds between answers": asked.pause, "milliseconds": shown}
    report("how long does a person wait for the next picture?", figures, asked.output)


def measured(folder: Path, num: int, pause: float) -> list[float]:
    """Return the milliseconds from each key to the next picture."""
    aside = watched(folder, num, size=SIZE)
    (folder / "runs").mkdir()
    words = ["studio", "--runs", str(folder / "runs"), "--aside", str(aside), "--no-browser", "--port", "0"]
    command = [sys.executable, "-m", "skysort", *words]
    found = shutil.which(os.environ.get("SKYSORT_BROWSER") or "chromium")
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process,
        sync_playwright() as playwright,
    ):
        url = re.search(r"url=(\S+)", process.stderr.readline())
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url[1])
        page.locator(".stage img").wait_for()
        milliseconds = []
        for _ in range(num - 1):
            page.wait_for_timeout(1000 * pause)
            milliseconds.append(page.evaluate(NEXT))
        browser.close()
        process.terminate()
    return milliseconds


if __name__ == "__main__":
    main()
