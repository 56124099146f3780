"""The pictures of docs/pictures.md, as a browser shows them on the page of ``fastgrad run --quick``.

``python -m benchmarks.studies.screenshots`` runs it and writes them; it needs playwright and Chromium.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
SHOWN = {  # file: where on the page, as a CSS selector, and which of those
    "depth": ("section:has(h2:text('Causes')) figure", 0),
    "profile": ("section:has(h2:text('Causes')) figure", 5),
    "heat": ("section:has(h2:text('Causes')) table.heat", 0),
    "training": ("section:has(h2:text('Detection')) figure:has(figure)", 0),
    "phases": ("section:has(h2:text('Phase diagrams')) figure:has(figure):has-text('tanh, depth')", 0),
}


def main(folder=FOLDER):
    """Write a PNG of each, sharper than the page by a half."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as report, sync_playwright() as api:
        subprocess.run([sys.executable, "-m", "fastgrad", "run", "--quick", "--out", report], check=True)
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = api.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900}, device_scale_factor=1.5)
        page.goto(f"file://{report}/index.html")
        for name, (selector, place) in SHOWN.items():
            page.locator(selector).nth(place).screenshot(path=folder / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
