"""The file of an audit: one line per finished part, so that an interrupted sweep goes on where it stopped."""

import json
from dataclasses import asdict
from pathlib import Path

from fastgrad.bench.tally import JUDGE, Tally

HEAD = b'{"formula"'  # how a line begins


class Store:
    """The findings by formula and part, in ``found``, and in a file if there is one.

    Parameters
    ----------
    out : path or None
        Made if it is not there, folders too; a half-written last line is cut off.
    quick : bool
        Which of the two kinds of sweep this is; lines of the other one, and of another JUDGE, stay but are not used.

    Raises
    ------
    ValueError
        If the file is of something else.
    OSError
        If it cannot be written.
    """

    def __init__(self, out, quick):
        self.path, self.quick, self.found = out and Path(out), quick, {}
        if out:
            self._open()

    def _open(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+") as file:
            file.seek(0)
            text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            records = [self._record(line) for line in whole.splitlines()]
            half = text[len(whole) :]
            if None in records or not HEAD.startswith(half[: len(HEAD)]):
                raise ValueError(f"{self.path} is there and is not the file of an audit by this version")
            file.truncate(len(whole))
        for formula, part, sort, tallies in records:
            if sort == [self.quick, JUDGE]:
                self._keep(formula, part, tallies)

    @staticmethod
    def _record(line):
        try:
            record = json.loads(line)
            tallies = {name: Tally(**values) for name, values in record["tallies"].items()}
            return tuple(record["formula"]), record["part"], record["sort"], tallies
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def _keep(self, formula, part, tallies):
        self.found.setdefault((formula, part), {}).update(tallies)

    def has(self, formula, part, one):
        return one.identity in self.found.get((formula, part), {})

    def add(self, formula, part, tallies):
        self._keep(formula, part, tallies)
        if self.path:
            plain = {name: asdict(tally) for name, tally in tallies.items()}
            record = {"formula": formula, "part": part, "sort": [self.quick, JUDGE], "tallies": plain}
            with open(self.path, "a") as file:
                file.write(json.dumps(record) + "\n")
