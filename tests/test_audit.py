"""The audit: every planted fault is found and counted exactly, and an interrupted sweep gives the same numbers."""

import itertools
import json
import re
import threading
from collections import defaultdict
from dataclasses import asdict

import numpy as np
import oracle
import pytest

from fastgrad import formulas
from fastgrad.activations import activation
from fastgrad.bench import peers
from fastgrad.bench.audit import audit, contestants, tables, tally, truth
from fastgrad.bench.audit.audit import Audit
from fastgrad.bench.audit.contestants import Contestant
from fastgrad.report.tables import markdown

SIGMOID = ("derivative", "sigmoid")
TANH = ("value", "tanh")
ONE = np.float32(1.0).view(np.uint32)

FORMULAS = [(kind, name) for kind in audit.KINDS for name in formulas.VALUES]


def exact(formula):
    """The truth, rounded to float32; the parameter where it is a convention."""
    parameter = contestants.parameter_of(formula[1])

    def run(z):
        true = truth.true(*formula, z, parameter)
        return np.where(np.isnan(true), parameter or 0, true).astype(np.float32)

    return run


def planted(formula, faults):
    """The rounded truth, but for ``faults``: {bit pattern of an input: function of its right result}."""

    def run(z):
        got = exact(formula)(z)
        for bits, wrong in faults.items():
            at = z.view(np.uint32) == bits
            got[at] = wrong(got[at])
        return got

    return run


def judged(formula, run, start=ONE, count=3000, chunk=None):
    """The tally of ``run`` over neighbouring magnitudes, in chunks that overlap by one, as the audit cuts them."""
    found, end = defaultdict(tally.Tally), int(start) + count
    for at in range(int(start), end, chunk or count):
        overlap = int(at > start)
        magnitudes = np.arange(at - overlap, min(at + (chunk or count), end), dtype=np.uint32)
        audit.sweep(formula, [Contestant("mine", "1", run)], magnitudes, overlap, found)
    return found["mine 1"]


def at(z):
    return int(np.float32(z).view(np.uint32))


def ulps(k):
    """A function that moves float32 numbers by k units in the last place."""
    return lambda y: (y.view(np.int32) + k).view(np.float32)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("start", [0.0, 2.0**-130, 1.0, 87.0, 1e30])
def test_the_rounded_truth_has_no_fault(formula, start):
    found = judged(formula, exact(formula), at(start), chunk=700)
    assert found.count == 6000
    assert max(found.max_ulp, found.max_ulp_subnormal) <= 0.5
    assert audit.faults(found, 0.5) == []


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_truth_is_mpmath(formula):
    z = oracle.bit_patterns("float32", 400)[::7]
    parameter = contestants.parameter_of(formula[1])
    high, low = oracle.exact(*formula, z, parameter)
    got = truth.true(*formula, z, parameter)
    kink = (z == 0) & (formula in [("derivative", "relu"), ("derivative", "leaky_relu")])
    assert np.isnan(got[kink]).all()
    error = np.abs((got - high) - low) / oracle.spacing(high, "float32")
    assert np.max(error[~kink]) <= 1e-7


@pytest.mark.parametrize("chunk", [None, 1, 2, 999, 1000, 1001])
def test_each_fault_is_found_and_counted_once_however_the_chunks_fall(chunk):
    """Faults at the first input, inside, and around the chunks' edges."""
    zero = {at(1.0) + i: np.zeros_like for i in (0, 998, 999, 1000, 1001, 2999)}
    found = judged(SIGMOID, planted(SIGMOID, zero), chunk=chunk)
    assert (found.false_zeros, found.first_false_zero) == (6, 1.0)
    assert (found.not_symmetric, found.out_of_range, found.nan) == (6, 0, 0)
    # after each run of zeros the result rises again: at 1, 999-1001 and (at the end) not at all
    assert found.not_monotonic == 2
    assert (found.count, found.count_normal) == (6000, 6000)


@pytest.mark.parametrize("k", [1, 2, 3, 100])
@pytest.mark.parametrize(("formula", "z"), [(SIGMOID, 0.0), (TANH, 20.0), (("derivative", "elu"), -0.0)])
def test_an_error_of_exactly_k_ulp(formula, z, k):
    """Above 0.25 and 1, which these are exactly; the units below are half as long."""
    for moved, error in ((k, k), (-2 * k, k)):
        found = judged(formula, planted(formula, {at(z): ulps(moved)}), at(abs(z)), 10)
        assert (found.max_ulp, found.worst_input) == (error, z)
        assert error <= found.sum_ulp <= error + 20 * 0.5


def test_errors_are_those_of_the_tests_oracle():
    z = np.linspace(0.1, 5, 1000).astype(np.float32)
    got = (np.tanh(z) * np.float32(1 + 5e-7)).astype(np.float32)
    expected = oracle.ulp_error(got, oracle.exact("value", "tanh", z), "float32")
    sums = tally.sums_of(got, truth.true(*TANH, z, None), np.nan, 1, -1.0, 1.0)
    assert sums[0] == 1000
    assert sums[1] == pytest.approx(expected.sum(), rel=1e-6)
    assert sums[2] == pytest.approx(expected.max(), rel=1e-6)


def test_a_step_the_wrong_way_is_counted_on_its_side_only():
    z = at(1.0) + 1500
    found = judged(TANH, planted(TANH, {z: ulps(-40)}), chunk=100)
    assert (found.not_monotonic, found.not_symmetric, found.out_of_range) == (1, 1, 0)
    negative = z | 0x80000000
    found = judged(TANH, planted(TANH, {z: ulps(-40), negative: ulps(-40)}), chunk=100)
    assert (found.not_monotonic, found.not_symmetric) == (2, 0)


def test_an_asymmetry_of_the_last_bit_and_of_the_sign_of_zero():
    assert judged(TANH, planted(TANH, {at(1.0) + 5: ulps(1)})).not_symmetric == 1
    assert judged(TANH, planted(TANH, {0x80000000: lambda y: -y}), 0).not_symmetric == 1
    assert judged(("value", "sigmoid"), planted(("value", "sigmoid"), {at(1.0): ulps(1)})).not_symmetric == 0


def test_results_out_of_range():
    found = judged(TANH, planted(TANH, {at(30.0): ulps(1), at(-30.0): ulps(1), at(-31.0): np.negative}), at(30.0))
    assert found.out_of_range == 2
    relu = ("value", "relu")
    assert judged(relu, planted(relu, {at(1.0): lambda y: y * np.inf})).out_of_range == 1
    infinity = audit.INFINITY_BITS
    largest = planted(relu, {infinity: lambda y: np.full_like(y, 3e38)})
    assert judged(relu, largest, infinity - 9, 10).out_of_range == 1
    assert judged(relu, exact(relu), infinity - 9, 10).out_of_range == 0


def test_nan_is_counted_and_hides_nothing_else():
    faults = {at(1.0) + i: lambda y: y * np.nan for i in (3, 4, 700)} | {at(1.0) + 9: np.zeros_like}
    found = judged(SIGMOID, planted(SIGMOID, faults), chunk=5)
    assert (found.nan, found.false_zeros, found.count, found.count_normal) == (3, 1, 6000, 5997)
    assert found.max_ulp < 2.0**24
    assert [fault for fault in audit.faults(found, 1.5) if "nan" in fault] == ["3 nan"]


def test_errors_at_subnormal_results_are_kept_apart():
    """Flushing to zero is no false zero, and leaves the error over normal results alone."""

    def flushing(z):
        y = exact(SIGMOID)(z)
        return np.where(np.abs(y) < tally.TINY, np.float32(0), y)

    found = judged(SIGMOID, flushing, at(87.33), 3000)
    assert found.max_ulp <= 0.5
    assert found.false_zeros == 0
    assert 2.0**22 < found.max_ulp_subnormal <= 2.0**23
    assert 87.33 < abs(found.worst_input_subnormal) < 87.4
    assert audit.faults(found, 1.5)[0].startswith(f"{found.max_ulp_subnormal:.2f} ULP at 87.3")


def test_the_first_false_zero_is_the_one_of_least_magnitude():
    faults = {at(-1.0) + 100: np.zeros_like, at(1.0) + 200: np.zeros_like, at(-1.0) + 300: np.zeros_like}
    found = judged(SIGMOID, planted(SIGMOID, faults), chunk=70)
    assert found.first_false_zero == float(np.uint32(at(-1.0) + 100).view(np.float32))


def test_contestants_with_the_same_bits_share_a_tally_and_others_do_not():
    right, wrong = exact(SIGMOID), planted(SIGMOID, {at(1.0) + 7: np.zeros_like})
    field = [Contestant(name, "1", run) for name, run in zip("abcd", (right, wrong, right, wrong), strict=True)]
    found = defaultdict(tally.Tally)
    audit.sweep(SIGMOID, field, np.arange(ONE, ONE + 100, dtype=np.uint32), 0, found)
    assert asdict(found["a 1"]) == asdict(found["c 1"])
    assert asdict(found["b 1"]) == asdict(found["d 1"])
    assert (found["a 1"].false_zeros, found["b 1"].false_zeros) == (0, 1)


def test_the_chunks_are_every_float_once(monkeypatch):
    """Beginnings and ends of all parts fit; within two of them so do those of all chunks."""
    edges = []
    for part in range(audit.PARTS):
        monkeypatch.setattr(audit, "CHUNK", 1 << 27)
        (magnitudes, overlap) = next(audit.chunks(part, False))
        edges.append((int(magnitudes[overlap]), int(magnitudes[-1])))
        del magnitudes
        if part in (0, audit.PARTS - 1):
            monkeypatch.setattr(audit, "CHUNK", (1 << 22) + 3)
            chunks = [(int(m[overlap]), int(m[-1]), len(m)) for m, overlap in audit.chunks(part, False)]
            assert (chunks[0][0], chunks[-1][1]) == edges[-1]
            assert all(low == high + 1 for (_, high, _), (low, _, _) in itertools.pairwise(chunks))
            assert max(size for *_, size in chunks) <= audit.CHUNK
    assert edges[0][0] == 0
    assert edges[-1][1] == audit.INFINITY_BITS
    assert all(low == high + 1 for (_, high), (low, _) in itertools.pairwise(edges))


def test_the_sample_is_every_4099th_float_once():
    sample = [m[overlap:] for part in range(audit.PARTS) for m, overlap in audit.chunks(part, True)]
    np.testing.assert_array_equal(
        np.concatenate(sample), np.arange(0, audit.INFINITY_BITS + 1, audit.QUICK_STRIDE, dtype=np.uint32)
    )


@pytest.fixture
def small(monkeypatch):
    """An audit of a kernel of ours and one peer with known faults, in seven parts of a thin sample."""
    monkeypatch.setattr(audit, "PARTS", 7)
    monkeypatch.setattr(audit, "QUICK_STRIDE", 40_009)
    monkeypatch.setattr(audit, "CHUNK", 1000)

    def field(kind, name, group):
        def from_output(z):
            y = np.tanh(z)
            return 1 - y * y

        mine = Contestant("fastgrad mine", "1", exact((kind, name)), 0.5)
        theirs = Contestant("theirs", "2", exact(TANH) if kind == "value" else from_output)
        return [one for one in (mine, theirs) if group in ("all", "ours" if one.bound else "peers")]

    monkeypatch.setattr(audit, "contestants", field)


def swept(**options):
    sweep = Audit(quick=True, activations=["tanh"], **options)
    sweep.run()
    return sweep.rows()


def test_rows_hold_all_findings_and_only_ours_have_faults(small):
    rows = swept()
    assert [(row["kind"], row["contestant"]) for row in rows] == [
        (kind, name) for kind in ("value", "derivative") for name in ("fastgrad mine", "theirs")
    ]
    assert {row["count"] for row in rows} == {2 * (audit.INFINITY_BITS // 40_009 + 1)}
    assert [row["ours"] for row in rows] == [True, False, True, False]
    assert all(row["faults"] == [] for row in rows)
    assert rows[-1]["false_zeros"] > 0
    assert 9 <= abs(rows[-1]["first_false_zero"]) <= 10.2
    assert rows[0]["mean_ulp"] == rows[0]["sum_ulp"] / rows[0]["count_normal"]


@pytest.mark.parametrize("stop", [1, 5, 13])
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_sweep_goes_on_and_gives_the_same_numbers(small, stop, workers, tmp_path):
    out = tmp_path / "new" / "audit.jsonl"

    def interrupt(done, total, label):
        assert total == 14
        if done == stop:
            raise KeyboardInterrupt

    sweep = Audit(out, True, ["tanh"], workers=workers)
    with pytest.raises(KeyboardInterrupt):
        sweep.run(interrupt)
    assert sweep.finished == stop
    lines = out.read_bytes()
    assert lines.count(b"\n") == stop
    out.write_bytes(lines[:-20])  # as if the machine had stopped within the last line
    again = Audit(out, True, ["tanh"], workers=workers)
    assert again.finished == stop - 1
    seen = []
    again.run(lambda done, total, label: seen.append((done, label)))
    assert [done for done, _ in seen] == list(range(stop, 15))
    assert again.rows() == swept()
    finished = Audit(out, True, ["tanh"])
    finished.run(lambda *_: pytest.fail("swept again"))
    assert finished.rows() == swept()


def test_only_what_is_missing_is_swept(small, tmp_path):
    out = tmp_path / "audit.jsonl"
    swept(out=out, group="ours")
    assert len(out.read_text().splitlines()) == 14
    rows = swept(out=out)
    assert [row["contestant"] for row in rows[:2]] == ["fastgrad mine", "theirs"]
    records = [json.loads(line) for line in out.read_text().splitlines()]
    found = [list(record["found"]) for record in records]
    assert found == [["fastgrad mine 1"]] * 14 + [["fastgrad mine 1", "theirs 2"]] * 14


def test_findings_of_another_version_sample_or_judge_are_not_used(small, tmp_path, monkeypatch):
    out = tmp_path / "audit.jsonl"
    swept(out=out)
    assert Audit(out, True, ["tanh"]).finished == 14
    assert Audit(out, False, ["tanh"]).finished == 0
    with monkeypatch.context() as patch:
        patch.setattr(audit, "JUDGE", tally.JUDGE + 1)
        assert Audit(out, True, ["tanh"]).finished == 0
    field = audit.contestants
    newer = lambda *formula: [Contestant(one.name, "3", one.run, one.bound) for one in field(*formula)]  # noqa: E731
    monkeypatch.setattr(audit, "contestants", newer)
    assert Audit(out, True, ["tanh"]).finished == 0


def test_an_error_in_a_kernel_ends_the_sweep(small, monkeypatch):
    def broken(z):
        raise RuntimeError("broken kernel")

    monkeypatch.setattr(audit, "contestants", lambda *_: [Contestant("broken", "1", broken)])
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="broken kernel"):
        swept(workers=2)
    assert threading.active_count() == before


@pytest.mark.parametrize("text", ["# my notes\n", "12\n", '{"formula": 1}\n', "no newline", "[]"])
def test_a_file_of_something_else_is_left_alone(small, text, tmp_path):
    out = tmp_path / "mine"
    out.write_text(text)
    with pytest.raises(ValueError, match="mine is there and is not the file of an audit"):
        Audit(out)
    assert out.read_text() == text


@pytest.mark.parametrize("kind", audit.KINDS)
@pytest.mark.parametrize("name", formulas.VALUES)
def test_every_contestant_here_takes_any_chunk(kind, name):
    field = contestants.contestants(kind, name)
    names = [one.name for one in field]
    assert len(set(names)) == len(names)
    assert {"fastgrad scalar", "fastgrad numba", "fastgrad numpy"} <= set(names)
    one = np.ones(1, np.float32)
    assert ("numpy" in names) == (peers.numpy(name, "value", one, one) is not None)
    for size in (1, 9000):
        z = np.linspace(-3, 3, size).astype(np.float32)
        for one in field:
            got = one.run(z)
            assert got.dtype == np.float32, one.name
            assert got.shape == z.shape, one.name
            true = truth.true(kind, name, z, contestants.parameter_of(name))
            assert np.max(np.abs(got - true) / np.maximum(np.abs(true), tally.TINY)) <= 5e-5, one.name


def test_the_sample_finds_ours_without_fault_and_the_from_output_derivatives_wrong():
    sweep = Audit(quick=True, activations=["tanh"], kinds=["derivative"])
    sweep.run()
    rows = {row["contestant"]: row for row in sweep.rows()}
    ours = [row for row in rows.values() if row["ours"]]
    assert [row["faults"] for row in ours] == [[]] * len(ours)
    assert len(ours) >= 3
    assert 9.99 <= rows["numpy"]["first_false_zero"] <= 10.1
    assert rows["numpy"]["false_zeros"] > 8000


def test_a_step_from_where_the_result_is_a_convention_is_not_judged():
    got, falls = np.array([2.0, 1.0, 0.5], np.float32), 5
    for first, wrong in ((np.nan, 1), (2.0, 2)):
        true = np.array([first, 1.0, 0.5])
        assert tally.sums_of(got, true, np.nan, 1, 0.0, 2.0)[falls] == wrong


def test_a_true_result_that_float32_cannot_hold_is_infinite():
    z = np.float32([-3e38, 3e38, 1.0])
    found = truth.true("value", "leaky_relu", z, 2.0)
    assert found.tolist() == [-np.inf, float(z[1]), 1.0]


def test_equal_findings_share_a_row_of_the_table(small):
    rows = swept()
    twin = [dict(row, contestant=f"fastgrad twin{i}") for row in rows if row["ours"] for i in (1, 2)]
    table = tables.audit_table([*rows, *twin])
    assert list(table.groups) == ["tanh value", "tanh derivative"]
    assert [line[0] for line in table.groups["tanh value"]] == ["fastgrad (all 3)", "theirs"]
    assert table.title == f"Audit over a sample of {rows[0]['count']:,} float32 inputs"
    assert tables.audit_verdict(rows) == [f"All 2 kernels of ours keep {PROMISE}."]
    rows[0]["faults"] = ["1 nan"]
    assert tables.audit_verdict(rows) == [
        f"1 of 2 kernels of ours break {PROMISE}:",
        "fastgrad mine, tanh value: 1 nan",
    ]
    text = markdown(table).splitlines()
    assert len({line.count("|") for line in text}) == 1
    assert text[2].startswith("| tanh value | fastgrad (all 3) | 0.50 |")


PROMISE = "their bounds, with no false zero, no step the wrong way, no asymmetry and no NaN"


@pytest.mark.sweep
def test_every_float_through_every_kernel_of_ours(tmp_path):  # half an hour
    sweep = Audit(tmp_path / "audit.jsonl", group="ours", workers=2)
    sweep.run()
    rows = sweep.rows()
    assert {row["count"] for row in rows} == {2**32 - 2**24 + 2}
    assert [row["faults"] for row in rows] == [[]] * len(rows)


@pytest.mark.parametrize(
    "phi", [activation("elu", alpha=a) for a in (0.0, 0.3, 7.0, 2.0**100)]
    + [activation("leaky_relu", negative_slope=s) for s in (0.0, 0.2, 1.0, 3.0)], ids=str,
)  # fmt: skip
def test_ours_keep_their_promises_with_any_parameter(phi):
    sweep = Audit(quick=True, activations=[phi], group="ours")
    sweep.run()
    rows = sweep.rows()
    assert {row["activation"] for row in rows} == {phi.label}
    assert [row["contestant"] for row in rows if row["faults"]] == []
    assert max(row["max_ulp"] for row in rows if row["kind"] == "value") <= phi.facts.ulp["value"]


def test_peers_are_asked_for_the_default_parameter_only():
    half = activation("elu", alpha=0.5)
    assert contestants.contestants("value", half, "peers") == []
    assert "numpy" in [one.name for one in contestants.contestants("value", activation("elu", alpha=1), "peers")]
    (mine, *_) = contestants.contestants("value", half, "ours")
    assert mine.run(np.float32([-200.0])) == np.float32(-0.5)


def test_a_damaged_file_is_refused_by_its_line(small, tmp_path):
    """A changed digit would be a figure that nobody measured."""
    out = tmp_path / "audit.jsonl"
    swept(out=out)
    good = out.read_text()
    line = good.splitlines()[2]
    (digit,) = re.search(r'"count": (\d)', line).groups()
    out.write_text(good.replace(line, line.replace(f'"count": {digit}', f'"count": {9 - int(digit)}', 1)))
    with pytest.raises(ValueError, match=r"audit\.jsonl is damaged: line 3 is not what was written"):
        swept(out=out)
    out.write_text(good.replace(f"{line}\n", ""))
    assert Audit(out, True, ["tanh"]).finished == 13
