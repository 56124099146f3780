"""One BLAS thread for all tests: at these sizes two are no faster, and on a busy machine ten times slower.

And the browser of those that open a page.
"""

import os
import shutil

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as api:
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        found = api.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield found
        found.close()
