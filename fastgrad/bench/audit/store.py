"""The file of an audit: one line per finished part, so that an interrupted sweep goes on where it stopped."""

from dataclasses import asdict

from fastgrad.bench.audit.tally import JUDGE, Tally
from fastgrad.bench.journal import Journal


class Store:
    """The findings by formula and part, in ``found``, and in a file if there is one.

    Parameters
    ----------
    out : path or None
    quick : bool
        Which of the two kinds of sweep this is; lines of the other one, and of another JUDGE, stay but are not used.

    Raises
    ------
    ValueError, OSError
        As :class:`fastgrad.bench.journal.Journal` does.
    """

    def __init__(self, out, quick):
        self.sort, self.found = [quick, JUDGE], {}
        self.journal = Journal(out, ("formula", "part", "sort", "tallies"), "an audit") if out else None
        for record in self.journal.records if self.journal else ():
            if record["sort"] == self.sort:
                tallies = {name: Tally(**values) for name, values in record["tallies"].items()}
                self._keep(tuple(record["formula"]), record["part"], tallies)

    def _keep(self, formula, part, tallies):
        self.found.setdefault((formula, part), {}).update(tallies)

    def has(self, formula, part, one):
        return one.identity in self.found.get((formula, part), {})

    def add(self, formula, part, tallies):
        self._keep(formula, part, tallies)
        if self.journal:
            plain = {name: asdict(tally) for name, tally in tallies.items()}
            self.journal.add({"formula": formula, "part": part, "sort": self.sort, "tallies": plain})
