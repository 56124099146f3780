"""The layers of a judgement: numbers, memory, instructions, times; each gives its rows, and says what it doubts."""

# Design: - Every layer has a share of what is left of the budget; what it does not reach is inconclusive, by name.
#         - The base is measured against itself. A number that it does not repeat disqualifies its own row. Times are
#           rehearsed on one benchmark of each kind, calls that last less than KIND and longer ones: unchanged it
#           must not read worse or improved, or the kind is not judged; with 5 % more calls it must read worse, or the
#           machine is too busy for small differences, which is said at once, and large ones are still looked for.

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

from fastgrad.bench.gate import instructions, pairs, values
from fastgrad.bench.gate.cases import TIMED, Case
from fastgrad.bench.gate.instructions import FEWEST, PLANT, PLANTED, CannotCount
from fastgrad.bench.gate.look import look_at, planned, prepare_caches
from fastgrad.bench.gate.pairs import UNTIMED, Item
from fastgrad.bench.gate.processes import Deadline
from fastgrad.bench.gate.quiet import Watch
from fastgrad.bench.gate.rows import BAD, UNREPEATED, Options, Row
from fastgrad.bench.gate.sides import Side
from fastgrad.bench.journal import Parts

# Shares of what is left of the budget that a stage may take.
CACHES, TRACK, MEMORY, LOOK, COUNT, PAIRS = 0.5, 0.4, 0.3, 0.25, 0.3, 0.7
FILLED = 0.4  # and that the first look at all times is planned to take: if all of them read worse, as much comes again
AROUND = 1.0  # seconds in which the gate looks at what others do
REHEARSAL, REHEARSED = 30.0, 0.2  # seconds, and share, after which a rehearsal that is not decided never will be
KIND = 1e-3  # seconds of a call
LONGEST = 0.02  # seconds of a call that is rehearsed with more calls


class Run:
    """One judgement on its way.

    Parameters
    ----------
    sides : mapping of str to Side
    parts : Parts
        What is finished.
    options : Options
    progress, tell : callable
        As :func:`judgement.judge` takes them.

    Attributes
    ----------
    rows, doubts, missing, notes : list
        As a :class:`Judgement` has them.
    counted : dict of str to instructions.Item
        How instructions are counted, by label.
    """

    def __init__(
        self,
        sides: Mapping[str, Side],
        parts: Parts,
        options: Options,
        progress: Callable[[int | None, int | None, str], None],
        tell: Callable[[str], None],
    ):
        self.sides, self.parts, self.options, self.progress, self.tell = sides, parts, options, progress, tell
        again = replace(sides["base"], scratch=sides["base"].scratch.with_name("again"))
        self.runs = {"base": sides["base"], "again": again, "head": sides["head"]}
        self.watch, self.end = Watch(), time.monotonic() + options.budget
        self.rows: list[Row] = []
        self.doubts: list[str] = []
        self.missing: list[str] = []
        self.notes: list[str] = []
        self.counted: dict[str, instructions.Item] = {}

    def late(self, share: float = 1, longest: float = float("inf")) -> Deadline:
        """When a share of what is left of the budget will have gone."""
        return Deadline(min(share * (self.end - time.monotonic()), longest))

    def doing(self, what: str) -> Callable[[int, int], None]:
        """A function of how many are done, and of how many."""
        self.progress(None, None, what)
        return lambda done, total: self.progress(done, total, what)

    def _whole(self, part, labels, make):
        """{label: answers}, made now unless it is kept and whole: more time completes what was cut off."""
        kept = self.parts.found.get(part, {})
        if set(labels) <= set(kept):
            return kept
        self.parts.add(part, make())
        return self.parts.found[part]

    def judge(self, cases: list[Case], asked: bool) -> None:
        """All layers; ``asked``: whether somebody chose these cases, and not the budget."""
        time.sleep(AROUND)
        if causes := self.watch.causes():
            self.tell(f"this machine is busy: {'; '.join(causes)}")
        failed = self.parts.get("caches", lambda: prepare_caches(cases, self.runs, self.late(CACHES)))
        for case in cases:
            if case.cache in failed:
                self._fails(case, {side: {"error": error} for side, error in failed[case.cache].items()})
        cases = [case for case in cases if case.cache not in failed]
        for layer, kinds, share in (("track", ("track",), TRACK), ("memory", ("peakmemory", "memory"), MEMORY)):
            if layer in self.options.layers:
                self._values(layer, [case for case in cases if case.kind in kinds], share, asked)
        timed = [case for case in cases if case.kind in TIMED]
        if timed and {"instructions", "time"} & set(self.options.layers):
            seen = self._looked(timed, asked)
            if "instructions" in self.options.layers:
                self._instructions(timed, seen)
            if "time" in self.options.layers:
                self._times([case for case in timed if case.label in seen and case.count != "only"], seen, asked)

    def _fails(self, case, answers):
        """The row of a case that one side cannot run; none if both skip it."""
        bad = {side: answer for side, answer in answers.items() if "found" not in answer}
        if all("skipped" in answer for answer in bad.values()) and {"base", "head"} <= set(bad):
            return
        sides = set(bad) - {"again"}
        verdict = (
            {"base": "new", "head": "gone"}[sides.pop()] if len(sides) == 1 else "absent" if sides else "inconclusive"
        )
        answer = bad.get("head") or bad.get("base") or bad["again"]
        why = answer.get("error") or answer["skipped"]
        layer = {"track": "track", "peakmemory": "memory", "memory": "memory"}.get(case.kind, "time")
        self.rows.append(Row(layer, case.label, case.unit, None, None, verdict, why))

    def _good(self, cases, answers):
        """What the cases that ran everywhere have found; a row for each that did not."""
        reached = {case.label: answers[case.label] for case in cases if case.label in answers}
        good = _found(reached)
        for case in cases:
            if case.label in reached and case.label not in good:
                self._fails(case, reached[case.label])
        return good

    def _unreached(self, layer, cases, asked):
        """Say what there was no time for: a row each if somebody asked for them."""
        if asked:
            why = UNTIMED if layer == "time" else "no time was left to measure it"
            self.rows += [Row(layer, case.label, case.unit, None, None, "inconclusive", why) for case in cases]
        elif cases:
            self.missing.append(
                f"{len(cases)} benchmarks did not fit the budget ({layer}); --bench chooses, --budget adds."
            )

    def _values(self, layer, cases, share, asked):
        show = self.doing({"track": "numbers", "memory": "peak memory"}[layer])
        by = {case.label: case for case in cases}
        answers = self._whole(layer, by, lambda: values.measured(cases, self.runs, self.late(share), show))
        once = self._good(cases, answers)

        def again(bad):
            late, again = self.late(share), [by[label] for label in bad]
            return _found(self._whole(f"{layer} again", bad, lambda: values.measured(again, self.runs, late, show)))

        self._numbers(layer, by, once, lambda label, *of: values.verdict_of(by[label], *of), again)
        self._unreached(layer, [case for case in cases if case.label not in answers], asked)

    def _numbers(self, layer, cases, once, verdict_of, measured):
        """Rows of numbers of each run; what is bad is measured again, and every number must say so."""

        def judged(label, *times):
            bases = [numbers[run] for numbers in times for run in ("base", "again")]
            return bases, verdict_of(label, bases, [numbers["head"] for numbers in times])

        bad = [label for label, numbers in once.items() if judged(label, numbers)[1] in BAD]
        twice = measured(bad) if bad else {}
        for label, numbers in once.items():
            bases, verdict = judged(label, *[found[label] for found in (once, twice) if label in found])
            why = UNREPEATED if label in bad and label not in twice else ""
            if verdict == "inconclusive":
                why = f"the base itself gives {min(bases):.6g} and {max(bases):.6g}, the head {numbers['head']:.6g}"
            unit = "per call" if layer == "instructions" else cases[label].unit
            self.rows.append(Row(layer, label, unit, bases[0], numbers["head"], verdict, why))

    def _looked(self, cases, asked):
        """{label: {side: seconds}} of the cases that run on both sides."""
        show = self.doing("a first look")
        labels = [case.label for case in cases]
        answers = self._whole("look", labels, lambda: look_at(cases, self.sides, self.late(LOOK), show))
        seen = {
            label: {key: max(one[key] for one in found.values()) for key in ("setup", "call")}
            for label, found in self._good(cases, answers).items()
        }
        layer = "time" if "time" in self.options.layers else "instructions"
        self._unreached(layer, [case for case in cases if case.label not in answers], asked)
        return seen

    def _instructions(self, cases, seen):
        items = [instructions.planned(case, **seen[case.label]) for case in cases if case.label in seen]
        self.counted = {item.case.label: item for item in sorted(items, key=lambda item: item.seconds) if item.able}
        able = list(self.counted.values())
        if slow := [item for item in items if not item.able and item.case.count is not False and not item.case.raw]:
            why = f"over {instructions.LONGEST:g} s under valgrind, or a setup for a `number` of calls"
            self.notes.append(f"Instructions of {len(slow)} benchmarks are not counted: {why}.")
        if not able:
            return
        show, late = self.doing("counting instructions"), self.late(COUNT)
        try:
            counts = self._counts("instructions", able, late, show)
        except CannotCount as error:
            self.missing.append(f"Instructions were not counted: {error}.")
            return
        if not instructions.sees({label: of["base"] for label, of in counts.items()}, able[0].case):
            self.doubts.append(f"{able[0].case.label}, with {PLANTED}, does not read worse by instructions")
            return

        def again(bad):
            with contextlib.suppress(CannotCount):
                late = self.late(COUNT)
                counts = self._counts("instructions again", [self.counted[label] for label in bad], late, show)
                return _found(counts, "total")
            return {}

        once = {label: of for label, of in _found(counts, "total").items() if label in self.counted}
        by = {item.case.label: item.case for item in able}
        self._numbers("instructions", by, once, lambda label, *of: instructions.verdict_of(*of), again)
        for label in [label for label in by if label not in once]:
            errors = [count["error"] for count in counts.get(label, {}).values() if "error" in count]
            why = errors[0] if errors else "no time was left to count it"
            self.rows.append(Row("instructions", label, "per call", None, None, "inconclusive", why))

    def _counts(self, part, items, late, show):
        def by_label():
            counts = instructions.count(self.runs, items, late, show)
            both = [label for label in counts["base"] if all(label in counted for counted in counts.values())]
            return {label: {run: counted[label] for run, counted in counts.items()} for label in both}

        return self._whole(part, [item.case.label for item in items], by_label)

    def _times(self, cases, seen, asked):
        items = {case.label: Item(case, planned(case, **seen[case.label])) for case in cases}
        each, doubtful = self._rehearsed(items, seen)
        for label, item in items.items():
            if why := doubtful.get(_kind(item, seen)):
                self.rows.append(Row("time", label, "seconds", None, None, "inconclusive", why))
        items = {label: item for label, item in items.items() if _kind(item, seen) not in doubtful}
        fitting = self._fitting(items, each)
        self._unreached("time", [item.case for label, item in items.items() if label not in fitting], asked)
        timings = self._confirmed({label: items[label] for label in fitting}, PAIRS)
        untimed = {label: items[label] for label, timing in timings.items() if timing.why == UNTIMED}
        timings |= self._confirmed(untimed, 1)  # what did not come to a first look has the rest
        self.rows += [Row("time", label, "seconds", **asdict(timing)) for label, timing in timings.items()]

    def _confirmed(self, items, share):
        """Timings in a share of what is left; what reads worse is timed again."""
        timings, _ = self._stage("time", "head", items, self.late(share))
        worse = {label: items[label] for label, timing in timings.items() if timing.verdict == "worse"}
        for label, again in self._stage("again", "head", worse, self.late())[0].items():
            lost = again.ratio is None and again.verdict == "inconclusive"
            timings[label] = replace(timings[label], why=UNREPEATED) if lost else again
        return timings

    def _fitting(self, items, each):
        """The labels for which there is time until the first look, if a pair takes ``each`` seconds to start."""
        left, fitting = FILLED * (self.end - time.monotonic()) / pairs.LOOKS[0] - each, []
        for label, item in items.items():
            if item.plan.seconds <= left:
                left -= item.plan.seconds
                fitting.append(label)
        return fitting

    def _stage(self, name, second, items, late):
        """As :func:`pairs.measure`, of the base and a second side."""
        show = self.doing(f"{name}, pairs of processes")

        def take(number, open_items):
            part, both = f"{name} {number}", (self.sides["base"], self.sides[second])
            kept = self.parts.found.get(part, {"base": {}, "head": {}, "seconds": 0.0})
            lacking = {label: item for label, item in open_items.items() if label not in kept["base"]}
            if lacking:
                start = time.monotonic()
                found = pairs.measure_pair(both, lacking, number, late)
                kept = {side: kept[side] | found[side] for side in pairs.SIDES} | {
                    "seconds": kept["seconds"] + time.monotonic() - start
                }
                if len(found["base"]) == len(lacking):  # or time ran out, and more of it completes the pair
                    self.parts.add(part, kept)
            return kept

        return pairs.measure(take, items, late, show)

    def _rehearsed(self, items, seen):
        """Seconds that it takes to start a pair, and {kind that cannot be judged: why}."""
        kinds, rehearsed = {}, {}
        for label, item in items.items():
            if not item.case.raw:
                kinds.setdefault(_kind(item, seen), []).append(label)
        for labels in kinds.values():
            label = sorted(labels, key=lambda label: seen[label]["call"])[len(labels) // 2]
            case = items[label].case
            rehearsed[label] = items[label]
            if seen[label]["call"] <= LONGEST and not case.number:
                rehearsed[f"{label}, {PLANTED}"] = Item(case, planned(case, **seen[label], fewest=FEWEST), PLANT)
        timings, taken = self._stage("rehearsal", "base", rehearsed, self.late(REHEARSED, REHEARSAL))
        spent = sum(pair["seconds"] for pair in taken) / max(len(taken), 1)
        each = spent - sum(item.plan.seconds for item in rehearsed.values())
        if late := [label for label, timing in timings.items() if timing.why == UNTIMED]:
            self.notes.append(f"There was no time to rehearse times with {', '.join(late)}.")
        timings = {label: timing for label, timing in timings.items() if label not in late}
        doubtful, known = {}, len(self.doubts)
        for label, timing in timings.items():
            if timing.verdict in ("worse", "improved") and not label.endswith(PLANTED):
                doubtful[_kind(rehearsed[label], seen)] = f"{label} reads {timing.verdict} against itself"
                self.doubts.append(f"{label} against itself reads {_read(timing)}")
            elif label.endswith(PLANTED) and timing.verdict != "worse":
                self.doubts.append(f"{label}, reads {_read(timing)}")
        if len(self.doubts) > known:
            times = [one for pair in taken for side in pairs.SIDES for one in pair[side].values()]
            times = [one for one in times if not isinstance(one, str)]
            clocks = [clock for _, _, clock in times]
            self.doubts += self.watch.causes(clocks) or ["no cause of that was found"]
            self.tell(f"times cannot be judged well here: {'; '.join(self.doubts)}")
        return max(each, 0), doubtful


def _found(answers, what="found"):
    """{label: {run: what it found}} of the cases that every run has an answer for."""
    whole = {label: of for label, of in answers.items() if all(what in answer for answer in of.values())}
    return {label: {run: answer[what] for run, answer in of.items()} for label, of in whole.items()}


def _kind(item, seen):
    return "processes" if item.case.raw else "short calls" if seen[item.case.label]["call"] < KIND else "long calls"


def _read(timing):
    if timing.ratio is None:
        return f"{timing.verdict}: {timing.why}"
    return f"{timing.verdict}: {timing.ratio:.3f} ({timing.low:.3f} to {timing.high:.3f})"
