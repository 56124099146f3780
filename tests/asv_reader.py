"""Someone with a browser who opens the page of the history and notes what is wrong."""

import contextlib
import functools
import http.server
import threading

from asv_history import ACTIVATIONS, COMMITS, DECAY, SPEED


@contextlib.contextmanager
def served(folder):
    """The address at which a folder is served, on this machine only."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


DRAWN = """() => {
    const plot = $('#main-graph').data('plot'), canvas = plot.getCanvas();
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    const pen = document.createElement('canvas').getContext('2d');
    return plot.getData().map(series => {
        pen.fillStyle = series.color;  // which then reads #rrggbb
        const ink = pen.fillStyle.match(/[0-9a-f]{2}/g).map(part => parseInt(part, 16));
        let inked = 0;
        for (let i = 0; i < pixels.length; i += 4)
            inked += ink.every((part, k) => Math.abs(part - pixels[i + k]) <= 16) && pixels[i + 3] > 100;
        return [series.data.filter(([x, y]) => y !== null && isFinite(y)).length, inked];
    });
}"""


class Reader:
    """A browser, and what it found wrong so far in ``faults``."""

    def __init__(self, browser, url, width=1280, patience=10_000):
        self.url, self.faults = url, []
        self.context = browser.new_context(viewport={"width": width, "height": 800})
        self.context.set_default_timeout(patience)  # ms
        self.context.route(lambda address: not address.startswith(url), self._refuse)
        self.context.on("console", lambda note: note.type != "error" or self.faults.append(f"console: {note.text}"))
        self.context.on("weberror", lambda error: self.faults.append(f"error: {error.error}"))
        self.context.on("response", lambda answer: answer.ok or self.faults.append(f"{answer.status} {answer.url}"))

    def _refuse(self, route):
        self.faults.append(f"request off the machine: {route.request.url}")
        route.abort()

    def open(self, place, selector):
        """A new tab at a place of the page, when what is waited for is there; None if it never is."""
        from playwright.sync_api import Error

        tab = self.context.new_page()
        try:
            tab.goto(f"{self.url}index.html#{place}")
            tab.wait_for_selector(selector)
        except Error:
            self.faults.append(f"nothing to see at #{place}")
            return None
        return tab

    def graph(self, benchmark, series):
        """(Points, coloured pixels) of each series of a benchmark."""
        tab = self.open(benchmark, "#main-graph canvas.flot-base")
        drawn = tab.evaluate(DRAWN) if tab else []
        if len(drawn) != series or any(points < COMMITS or inked < 100 for points, inked in drawn):
            self.faults.append(f"empty graph of {benchmark}: {drawn}")
        return tab

    def regressions(self):
        """The rows of the table of regressions, as text."""
        tab = self.open("/regressions", "#regressions-body table:not(.ignored) th")
        rows = tab.locator("#regressions-body table:not(.ignored) tbody tr").all() if tab else []
        return [row.locator("td").all_inner_texts() for row in rows]


def read(browser, folder, width=1280, patience=10_000):
    """What a reader of both graphs finds wrong."""
    with served(folder) as url:
        reader = Reader(browser, url, width, patience)
        reader.graph(SPEED, len(ACTIVATIONS))
        reader.graph(DECAY, 1)
        reader.context.close()
    return reader.faults
