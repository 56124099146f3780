"""``fastgrad speed``."""

from pathlib import Path

import click

from fastgrad.activations import ACTIVATIONS
from fastgrad.cli.shared import (
    BAD_INPUT,
    INTERRUPTED,
    Group,
    check_table,
    comparison_options,
    interrupted,
    need_matplotlib,
    one_line,
    progress_bar,
    say,
    show_comparison,
    status,
)

SPEED_FILE = "speed.json"


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def speed(context):
    """Our kernels beside other libraries and this machine's limits."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@speed.command("activations")
@click.option("--activation", "-a", "names", multiple=True, default=ACTIVATIONS, help=", ".join(ACTIVATIONS))
@click.option("--operation", "operations", multiple=True, help="value, backward, training (all).")
@click.option("--dtype", "dtypes", multiple=True, type=click.Choice(["float32", "float64"]), help="(both)")
@click.option("--size", "sizes", multiple=True, type=click.IntRange(1, 10**9), help="Elements (100 to 10,000,000).")
@click.option("--peer", "contestants", multiple=True, help="numpy, numexpr, torch, torch.compile, jax (installed).")
@click.option("--rounds", type=click.IntRange(min=1), help="Samples of each (30).")
@click.option("--placement", type=click.Choice(["aligned", "numpy"]), default="aligned", show_default=True,
              help="Arrays that start on a cache line, or where NumPy puts them.")  # fmt: skip
@click.option("--out", help="A folder for speed.json and charts; what it holds of these is replaced.")
@click.option("--quick", is_flag=True, help="Two sizes of float32, few samples, no torch.compile.")
@comparison_options
@click.pass_obj
def speed_activations(typed, names, operations, dtypes, sizes, contestants, rounds, placement, out, quick, form):
    """The activations against NumPy, numexpr, PyTorch, torch.compile and JAX, as far as they are installed.

    Operations are value, backward, and training: forward with the derivative, then backward.

    \b
    Example:
      fastgrad speed activations --quick --activation tanh --operation training
    """
    from fastgrad.bench import activations, peers

    size, comparison = (
        activations.QUICK if quick else activations.FULL,
        activations.activation_comparison(placement, quick),
    )
    with one_line(*BAD_INPUT):
        if out is not None:
            need_matplotlib()
        cases = activations.activation_cases(
            names, operations or peers.OPERATIONS, dtypes or size["dtypes"], sizes or size["sizes"]
        )
        contestants = comparison.contestants(contestants)
        folder = _folder(out)
    return _compare(comparison, cases, contestants, rounds or size["rounds"], typed, form, folder)


@speed.command("calls")
@click.option("--activation", "-a", "names", multiple=True, help="tanh, relu (both).")
@click.option("--operation", "operations", multiple=True, help="'new arrays', 'out=' (both).")
@click.option("--size", "sizes", multiple=True, type=click.IntRange(1, 10**9), help="Elements (1 to 4,096).")
@click.option("--peer", "contestants", multiple=True, help="numpy, torch (installed).")
@click.option("--rounds", type=click.IntRange(min=1), default=40, show_default=True, help="Samples of each.")
@comparison_options
@click.pass_obj
def speed_calls(typed, names, operations, sizes, contestants, rounds, form):
    """One call on few numbers against NumPy and PyTorch, as far as they are installed.

    With and without out=; beside the value stands value_and_derivative.

    \b
    Example:
      fastgrad speed calls --activation tanh --size 100
    """
    from fastgrad.bench import calls

    with one_line(*BAD_INPUT):
        cases = calls.call_cases(names or calls.ACTIVATIONS, operations or calls.OPERATIONS, sizes or calls.SIZES)
        contestants = calls.CALLS.contestants(contestants)
    return _compare(calls.CALLS, cases, contestants, rounds, typed, form)


@speed.command("placement")
@click.option("--activation", "-a", "names", multiple=True, default=ACTIVATIONS, help=", ".join(ACTIVATIONS))
@click.option("--operation", "operations", multiple=True, help="value, 'value and derivative' (both).")
@click.option("--size", "sizes", multiple=True, type=click.IntRange(1, 10**9), help="Elements (4,096 and 65,536).")
@click.option("--rounds", type=click.IntRange(min=1), default=40, show_default=True, help="Samples of each.")
@comparison_options
@click.pass_obj
def speed_placement(typed, names, operations, sizes, rounds, form):
    """Our kernels on arrays that lie where NumPy puts large ones, against arrays on cache lines.

    \b
    Example:
      fastgrad speed placement --activation relu
    """
    from fastgrad.bench import placement

    with one_line(*BAD_INPUT):
        cases = placement.placement_cases(names, operations or placement.OPERATIONS, sizes or placement.SIZES)
    return _compare(placement.PLACEMENT, cases, [], rounds, typed, form)


@speed.command("network")
@click.option("--network", "networks", multiple=True, metavar="DEPTH,WIDTH,BATCH", help="(10,32,32 to 100,512,32)")
@click.option("--operation", "operations", multiple=True, help="gradients, profile (both).")
@click.option("--peer", "contestants", multiple=True, help="numpy, torch, jax, jax.scan, torch.compile (installed).")
@click.option("--rounds", type=click.IntRange(min=1), default=15, show_default=True, help="Samples of each.")
@click.option("--memory", is_flag=True, help="Also the memory that a pass takes, in a process of its own (Linux).")
@click.option("--quick", is_flag=True, help="The two smallest networks.")
@comparison_options
@click.pass_obj
def speed_network(typed, networks, operations, contestants, rounds, memory, quick, form):
    """A whole network forward and backward against NumPy, PyTorch and JAX, as far as they are installed.

    Operations are gradients, as training needs them, and profile, the size of delta and dL/dW in every layer.
    torch.compile runs only if it is asked for: it takes minutes to compile.

    \b
    Example:
      fastgrad speed network --network 50,64,32 --peer torch
    """
    from fastgrad.bench import network

    comparison = network.network_comparison(memory)
    with one_line(*BAD_INPUT):
        shapes = _shapes("--network", networks, network.FULL[1]) or (network.QUICK if quick else network.FULL)
        cases = network.network_cases(shapes, operations or network.OPERATIONS)
        contestants = comparison.contestants(contestants)
    return _compare(comparison, cases, contestants, rounds, typed, form)


def _part_options(command):
    for option in (
        comparison_options,
        click.option("--quick", is_flag=True, help="The two smallest shapes, few samples."),
        click.option("--rounds", type=click.IntRange(min=1), default=30, show_default=True, help="Samples of each."),
        click.option("--peer", "contestants", multiple=True, help="numpy, torch, jax (installed)."),
        click.option("--shape", "shapes", multiple=True, help="One or more (a range of sizes)."),
    ):
        command = option(command)
    return command


@speed.command("dense")
@click.option("--operation", "operations", multiple=True, help="forward, backward (both).")
@_part_options
@click.pass_obj
def speed_dense(typed, operations, shapes, contestants, rounds, quick, form):
    """One dense layer with tanh against NumPy and PyTorch, as far as they are installed.

    Shapes are BATCH,FAN_IN,FAN_OUT. Ours gives the derivative with forward.

    \b
    Example:
      fastgrad speed dense --shape 32,64,64
    """
    from fastgrad.bench import parts

    with one_line(*BAD_INPUT):
        shapes = _shapes("--shape", shapes, parts.DENSE_SHAPES[0]) or parts.DENSE_SHAPES[: 2 if quick else None]
        cases = parts.dense_cases(shapes, operations or parts.OPERATIONS)
        contestants = parts.DENSE.contestants(contestants)
    return _compare(parts.DENSE, cases, contestants, min(rounds, 5) if quick else rounds, typed, form)


@speed.command("initializers")
@click.option("--rule", "rules", multiple=True, help="he_normal, xavier_uniform (both).")
@_part_options
@click.pass_obj
def speed_initializers(typed, rules, shapes, contestants, rounds, quick, form):
    """Initial weights against NumPy's, PyTorch's and JAX's, as far as they are installed.

    Shapes are FAN_IN,FAN_OUT.

    \b
    Example:
      fastgrad speed initializers --rule he_normal --shape 512,512
    """
    from fastgrad.bench import parts

    with one_line(*BAD_INPUT):
        shapes = _shapes("--shape", shapes, parts.WEIGHT_SHAPES[0]) or parts.WEIGHT_SHAPES[: 2 if quick else None]
        cases = parts.weights_cases(shapes, rules or parts.RULES)
        contestants = parts.WEIGHTS.contestants(contestants)
    return _compare(parts.WEIGHTS, cases, contestants, min(rounds, 5) if quick else rounds, typed, form)


@speed.command("decay")
@click.option("--activation", "-a", "names", multiple=True, default=ACTIVATIONS, help=", ".join(ACTIVATIONS))
@click.option("--peer", "contestants", multiple=True, help="torch (installed).")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Samples of each.")
@click.option("--quick", is_flag=True, help="Few, small networks.")
@comparison_options
@click.pass_obj
def speed_decay(typed, names, contestants, rounds, quick, form):
    """The networks of `fastgrad decay` against a plain PyTorch script that measures the same, if it is installed.

    Timed are the passes, the sizes in every layer and the slope; the weights are drawn before, and are the same for
    both. Shapes are cells x depth x width x batch x seeds; "ns each" is for one network.

    \b
    Example:
      fastgrad speed decay --activation tanh
    """
    from fastgrad.bench import decay

    with one_line(*BAD_INPUT):
        cases = decay.decay_cases(names, quick)
        contestants = decay.DECAY.contestants(contestants)
    return _compare(decay.DECAY, cases, contestants, rounds, typed, form)


@speed.command("training")
@click.option("--network", "networks", multiple=True, metavar="DEPTH,WIDTH", help="(3,64 and 20,64)")
@click.option("--peer", "contestants", multiple=True, help="scikit-learn, torch (installed).")
@click.option("--rounds", type=click.IntRange(min=1), default=10, show_default=True, help="Seeds.")
@comparison_options
@click.pass_obj
def speed_training(typed, networks, contestants, rounds, form):
    """Twenty epochs on the digits against scikit-learn's MLPClassifier and a loop in PyTorch, with the accuracies.

    \b
    Example:
      fastgrad speed training --network 3,64 --rounds 3
    """
    from fastgrad.bench import training

    with one_line(*BAD_INPUT):
        cases = training.training_cases(_shapes("--network", networks, training.FULL[0]) or training.FULL)
        contestants = training.TRAINING.contestants(contestants)
    return _compare(training.TRAINING, cases, contestants, rounds, typed, form)


@speed.command("limits")
@comparison_options
@click.pass_obj
def speed_limits(typed, form):
    """What one thread of this machine can do at most: multiply-adds, and copies in each cache and in memory.

    The other tables say how near to these limits ours is.

    \b
    Example:
      fastgrad speed limits
    """
    from fastgrad.bench import limits

    with status("measuring"):
        found = limits.limits()
    show_comparison(found.rows(), ([found.table()], [], limits.NOTE), {}, typed, form)


def _shapes(option, texts, like):
    """ "50,64,32" as (50, 64, 32), each as many numbers as there are in ``like``."""
    shapes = []
    for text in texts:
        try:
            numbers = tuple(map(int, text.split(",")))
        except ValueError:
            numbers = ()
        if len(numbers) != len(like):
            example = ",".join(map(str, like))
            raise ValueError(f"{option} must be {len(like)} whole numbers as in {example}, got {text!r}")
        shapes.append(numbers)
    return shapes


def _compare(comparison, cases, contestants, rounds, typed, form, folder=None):
    """Measure the cases, on one thread, and show what was found; Ctrl-C keeps the cases that were measured."""
    from threadpoolctl import threadpool_limits

    from fastgrad.bench import compare, limits, peers

    sample = [compare.Row(case, compare.OURS, None, 1.0, 1.0, Ones()) for case in cases]
    check_table(table.title for table in comparison.tables(sample))
    measured, facts = [], peers.versions(contestants)
    absent = [name for name in comparison.peers if name not in comparison.only_if_asked and peers.missing(name)]
    if absent and not click.get_current_context().params["contestants"]:  # nobody asked for some of them
        say("not compared: " + "; ".join(f"{name} ({peers.missing(name)})" for name in absent))

    def measure(case, show):
        label = f"{' '.join(map(str, case))}: "
        return comparison.measure(case, contestants, rounds, lambda who: show(len(measured), len(cases), label + who))

    try:
        with progress_bar() as show, threadpool_limits(1):
            if comparison.bounded:
                show(0, len(cases), "limits of this machine")
                facts |= limits.limits().facts()
            for case in cases:
                measured.append(measure(case, show))
    except KeyboardInterrupt:
        interrupted(f"{len(measured)} of {len(cases)} cases were measured")
    if measured:
        rows = [row for case in measured for row in case]
        note = f"{comparison.note} {limits.EXPLAINED}" if comparison.bounded else comparison.note
        shown = comparison.tables(rows), comparison.verdict(rows), note
        data = show_comparison([row.record() for row in rows], shown, facts, typed, form)
        if folder:
            _write_speed(folder, rows, data)
    return 0 if len(measured) == len(cases) else INTERRUPTED


class Ones(dict):
    """Every figure is there, and 1: rows with these have the tables that measured ones will have."""

    def __contains__(self, name):
        return True

    def __missing__(self, name):
        return 1.0


def _folder(out):
    """The folder, made if it is not there, and shown to be writable before anything is measured."""
    if out is None:
        return None
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / SPEED_FILE, "a"):
        return folder


def _write_speed(folder, rows, data):
    from fastgrad.report import plots

    with status("drawing"), one_line(OSError):
        (folder / SPEED_FILE).write_text(data, encoding="utf-8")
        for operation, dtype in dict.fromkeys((row.case.operation, row.case.dtype) for row in rows):
            mine = [row.record() for row in rows if (row.case.operation, row.case.dtype) == (operation, dtype)]
            figure = plots.speed_figure(mine)
            for format in ("png", "svg"):
                (folder / f"{operation}-{dtype}.{format}").write_bytes(plots.picture(figure, format))
