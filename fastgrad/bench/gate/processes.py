"""Processes that answer questions, until a deadline or a Ctrl-C."""

import contextlib
import json
import math
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

FULL, LONGEST = "No space left on device", 300  # characters of somebody else's message
TIMEOUT = 60.0  # seconds, asv's default for a benchmark


class Deadline:
    """When to stop; called, whether that was before now."""

    def __init__(self, seconds: float = math.inf):
        self.end = time.monotonic() + seconds

    def __call__(self) -> bool:
        return time.monotonic() > self.end

    def left(self, most: float = math.inf) -> float:
        """Seconds until then, and ``most`` at most."""
        return min(max(self.end - time.monotonic(), 0), most)


def at_once(work: Mapping[str, Callable[[], Any]], late: Deadline) -> dict[str, Any]:
    """What each piece of work returns, all of them at once; if it is interrupted, their processes end."""
    with ThreadPoolExecutor(len(work)) as pool:
        running = {name: pool.submit(piece) for name, piece in work.items()}
        try:
            return {name: one.result() for name, one in running.items()}
        except BaseException:
            late.end = -math.inf
            while not all(one.done() for one in running.values()):
                for process in list(Process.alive):
                    process.kill()
                time.sleep(0.05)
            raise


class Process:
    """Puts questions to a running worker."""

    alive: ClassVar[set["Process"]] = set()

    def __init__(self, running: subprocess.Popen, said):
        Process.alive.add(self)
        self.running, self.said, self.rest, self.dead = running, said, b"", False

    def ask(self, job: str, timeout: float = TIMEOUT, **request) -> dict:
        """``{"found": ...}``, ``{"skipped": why}`` or ``{"error": why}``; the process may be dead afterwards."""
        with contextlib.suppress(BrokenPipeError):
            self.running.stdin.write(json.dumps({"job": job, **request}).encode() + b"\n")  # type: ignore[union-attr]
            self.running.stdin.flush()  # type: ignore[union-attr]
        line = self._line(time.monotonic() + timeout)
        if line is None:
            self.kill()
            return {"error": f"timed out after {timeout:.3g} s"}
        if not line:
            self.dead = True
            return {"error": self.last_words()}
        return json.loads(line)

    def _line(self, deadline):
        """The next line; b"" if there will be none, None if time has run out."""
        pipe = self.running.stdout.fileno()  # type: ignore[union-attr]
        while b"\n" not in self.rest:
            if not select.select([pipe], [], [], max(0, deadline - time.monotonic()))[0]:
                return None
            more = os.read(pipe, 1 << 16)
            if not more:
                return b""
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return line

    def last_words(self) -> str:
        """Why it died."""
        code = self.running.wait()
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        self.said.seek(0)
        return error_line(self.said.read().decode(errors="replace"))

    def kill(self) -> None:
        """End it, and what it has started."""
        self.dead = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.running.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let it end."""
        Process.alive.discard(self)
        with contextlib.suppress(BrokenPipeError):
            self.running.stdin.close()  # type: ignore[union-attr]


def error_line(text: str) -> str:
    """Why a command failed: a full disk, or the first line that speaks of an error, or the last of all."""
    if FULL in text:
        return FULL
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if re.search(r"(\berror|Error):", line) and "subprocess" not in line]
    return (said or lines[-1:] or ["it said nothing"])[0].lstrip("│╰─> ")[:LONGEST]
