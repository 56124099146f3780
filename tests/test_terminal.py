"""The terminal: help that says where to start, names that are suggested, 80 columns, and what is left out."""

import importlib.util
import io

import pytest
from rich.color import ColorSystem
from rich.console import Console
from test_cli import TINY, call, refused

from fastgrad.bench import activations
from fastgrad.cli import GROUPS, commands
from fastgrad.cli.shared import going_on
from fastgrad.report import findings, palette, terminal, training
from fastgrad.report.survey import Report
from fastgrad.report.tables import Table, rich_table, without_empty_columns
from fastgrad.sweeps import remedies, study
from fastgrad.sweeps import run as sweeps


def printed(columns, groups, width=80):
    buffer = io.StringIO()
    console = Console(file=buffer, width=width)
    console.print(terminal.fitting(rich_table(columns, groups), console))
    return buffer.getvalue()


def test_help_begins_with_where_to_start_and_names_every_command_once():
    text = call("--help").stdout
    assert text.index("Start here: fastgrad run --quick") < text.index("Exit codes")
    assert text.index("Start here:\n") < text.index("Options:")
    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(commands.commands)
    for name in named:
        first = commands.commands[name].get_short_help_str(limit=1000)
        assert not first.endswith("...")
        assert first in " ".join(text.split()), name


@pytest.mark.parametrize("command", sorted(commands.commands))
def test_help_cuts_nothing_and_fits_80_columns(command):
    text = call(command, "--help").stdout
    assert "..." not in text.replace("0, 1, ...", "").replace("...]", "").replace("STORE...", "").replace(
        "[ARGS]...", ""
    )
    options = text[text.find("Options:") :] if "Options:" in text else ""
    assert max(map(len, options.splitlines()), default=0) <= 80


@pytest.mark.parametrize("command", ["decay", "consequences", "train"])
def test_help_names_glorot_and_kaiming(command):
    text = call(command, "--help").stdout
    assert "glorot" in text
    assert "kaiming" in text


MEANT = {
    "he": "he_normal", "Xavier": "xavier_normal", "kaiming": "kaiming_normal", "glorot": "glorot_normal",
    "torch": "torch_linear",
}  # fmt: skip


@pytest.mark.parametrize(("typed", "meant"), MEANT.items())
def test_the_beginning_of_a_name_is_understood(typed, meant):
    refused(call("decay", "-i", typed), f"did you mean '{meant}'?")


def test_a_parameter_at_its_default_is_not_shown():
    text = call("decay", "-a", "leaky_relu", "-a", "elu", "--alpha", "0.5", "-i", "he_normal", "-d", "2", *TINY).stdout
    assert "\nleaky_relu " in text.replace("\nleaky_relu\n", "\nleaky_relu \n")
    assert "0.01" not in text.split("95 %")[0].replace("± 0.01", "")
    assert "elu(0.5)" in text


def test_the_longest_verdict_and_remedy_are_whole_at_80_columns():
    row = ("learning rate 0.0001", "0.0556", "12.10", "12.10", "2.3069", "0.1015", "0.1003",
           "learning rate too high; rejected")  # fmt: skip
    text = printed(training.REPAIR_COLUMNS, {"": [row]})
    assert "…" not in text
    for word in " ".join(row).split():
        assert word in text
    columns = tuple(findings.TERMINAL_REMEDY_COLUMNS.values())
    row = ("normal(std=0.01)", "1000", "tanh with xavier_normal", "-0.02", "none", "beyond")
    assert "tanh with xavier_normal" in printed(columns, {"leaky_relu": [row]})


@pytest.mark.parametrize("system", ["standard", "truecolor"])
def test_every_cell_of_a_heat_table_is_legible_and_no_other_bin_looks_like_healthy(system):
    """The nearest of 16 colours to the page's were white on yellow, 1.6 to 1."""
    seen = {}
    console = Console(color_system=system)
    for edge, meaning, *_ in palette.BINS:
        style = console.get_style(palette.terminal_style(min(edge, 50.0) - 0.5, system))
        ink, back = (
            None
            if colour is None or colour.is_default
            else tuple(colour.downgrade(ColorSystem[system.upper()]).get_truecolor())
            for colour in (style.color, style.bgcolor)
        )
        seen[meaning] = ink, back
        if back:
            assert contrast(ink, back) >= 4.5, meaning
    assert len({back for _, back in seen.values()}) == len(palette.BINS)
    assert system == "truecolor" or seen["healthy: within a factor of 100"] == (None, None)


def contrast(*colours):
    """Of two colours, as WCAG 2 defines it."""
    linear = [[c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)]
              for rgb in colours]  # fmt: skip
    dark, light = sorted(sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), rgb, strict=True)) for rgb in linear)
    return (light + 0.05) / (dark + 0.05)


def test_a_survey_fits_80_columns_and_ends_with_the_machine():
    cells = study.grid(
        ["sigmoid", "leaky_relu"], ["xavier_normal", "torch_linear"], [60], width=8, batch=4, seeds=(0, 1)
    )
    results = list(sweeps.run_study(cells))
    tried = list(sweeps.run_study(remedies.needed(results)))
    report = Report(results, {"processor": "the last word"}, [], "", remedies.diagnoses(results, tried))
    buffer = io.StringIO()
    terminal.print_report(report, Console(file=buffer, width=80))
    text = buffer.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.rstrip().endswith("processor the last word")
    said = "With sigmoid and PyTorch's default initialisation the first of 60 hidden layers receives one part in 10"
    assert " ".join(text.split()).startswith(said)
    for result in results:
        assert result.verdict in text


def test_columns_in_which_nothing_stands_are_left_out():
    table = Table("t", ("a", "b", "c"), {"x": [("1", "", ""), ("2", "", "3")]})
    assert without_empty_columns(table) == Table("t", ("a", "c"), {"x": [("1", ""), ("2", "3")]})
    text = call("train", "--epochs", "2", "--width", "8").stdout
    assert "val. loss" not in text
    assert "val. loss" in call("train", "--epochs", "2", "--width", "8", "--validation", "0.1").stdout


def test_progress_names_networks_without_parentheses(monkeypatch):
    from fastgrad.cli import survey

    seen = []

    class Bar:
        def __enter__(self):
            return lambda *told: seen.append(told)

        def __exit__(self, *_):
            return False

    monkeypatch.setattr(survey, "progress_bar", Bar)
    call("decay", "-a", "leaky_relu", "-i", "he_normal", "-d", "2", *TINY)
    assert (1, 1, "leaky_relu + he_normal") in seen
    assert not any("(" in label for *_, label in seen)


def test_a_peer_that_is_missing_is_said_unless_others_were_asked_for(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "numexpr" else find(name))

    def nothing(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(activations, "time_activation", nothing)
    result = call("speed", "activations", "--quick", "--activation", "tanh")
    assert result.stderr.startswith("fastgrad: not compared: numexpr (install it with `pip install numexpr`)")
    result = call("speed", "activations", "--quick", "--activation", "tanh", "--peer", "numpy")
    assert "not compared" not in result.stderr


SPEED = {"activations": "value, float32", "calls": "calls, out=", "placement": "placement, value",
         "network": "memory of a pass, MB", "dense": "forward", "initializers": "he_normal", "decay": "tanh",
         "training": "Training"}  # fmt: skip


@pytest.mark.parametrize("name", SPEED)
def test_a_table_that_there_is_not_is_refused_before_anything_is_measured(name, monkeypatch):
    def nothing(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastgrad.bench.compare.interleaved", nothing)
    monkeypatch.setattr("fastgrad.bench.limits.limits", nothing)
    result = call("speed", name, "--table", "Speed")
    refused(result, "--table: there is no 'Speed'; there is ")
    assert repr(SPEED[name]) in result.stderr


def test_ctrl_c_is_one_sentence_everywhere(capsys):
    import click

    for kept, said in (
        ("folder", "what is finished is kept; the same command goes on from folder"),
        (None, "what was finished is lost, as there is no --out"),
    ):
        with pytest.raises(click.exceptions.Exit) as stopped, going_on(kept), going_on(kept):
            raise KeyboardInterrupt
        assert stopped.value.exit_code == 130
        assert capsys.readouterr().err == f"fastgrad: interrupted: {said}\n"
