"""``fastgrad speed``."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from fastgrad import kernels
from fastgrad._validation import known
from fastgrad.activations import ACTIVATIONS
from fastgrad.cli.shared import (
    BAD_INPUT,
    INTERRUPTED,
    comparison_options,
    interrupted,
    need_matplotlib,
    one_line,
    progress_bar,
    show_comparison,
    status,
)

SPEED_FILE = "speed.json"


@click.group(invoke_without_command=True)
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
@click.option("--out", help="A folder for speed.json and charts; what it holds of these is replaced.")
@click.option("--quick", is_flag=True, help="Two sizes of float32, few samples, no torch.compile.")
@comparison_options
@click.pass_obj
def speed_activations(typed, names, operations, dtypes, sizes, contestants, rounds, out, quick, form):
    """The activations against NumPy, numexpr, PyTorch, torch.compile and JAX, as far as they are installed.

    Operations are value, backward, and training: forward with the derivative, then backward.

    \b
    Example:
      fastgrad speed activations --quick --activation tanh --operation training
    """
    from fastgrad.bench import activations, peers, tables

    size = activations.QUICK if quick else activations.FULL
    with one_line(*BAD_INPUT):
        if out is not None:
            need_matplotlib()
        cases = activations.cases(
            names, operations or peers.OPERATIONS, dtypes or size["dtypes"], sizes or size["sizes"]
        )
        fast = [name for name in peers.installed() if not (quick and name == "torch.compile")]
        contestants = peers.check(contestants) or fast
        folder = _folder(out)
    measured = _time(cases, contestants, rounds or size["rounds"], activations.measure)
    if measured:
        rows = [row for case in measured for row in case]
        shown = tables.speed_tables(rows), tables.speed_verdict(rows), tables.SPEED_NOTE
        data = show_comparison([asdict(row) for row in rows], shown, peers.versions(contestants), typed, form)
        if folder:
            _write_speed(folder, rows, data)
    return 0 if len(measured) == len(cases) else INTERRUPTED


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
    from threadpoolctl import threadpool_limits

    from fastgrad.bench import network, peers, tables

    with one_line(*BAD_INPUT):
        shapes = [_whole_numbers("--network", text, network.FULL[1]) for text in networks] or (
            network.QUICK if quick else network.FULL
        )
        cases = network.cases(shapes, operations or network.OPERATIONS)
        contestants = peers.check(contestants, network.PEERS) or network.installed()
    with threadpool_limits(1, "blas"):
        measured = _time(cases, contestants, rounds, partial(network.measure, memory=memory))
    if measured:
        rows = [row for case in measured for row in case]
        shown = tables.network_tables(rows), tables.network_verdict(rows), tables.NETWORK_NOTE
        show_comparison([asdict(row) for row in rows], shown, peers.versions(contestants), typed, form)
    return 0 if len(measured) == len(cases) else INTERRUPTED


@speed.command("doors")
@click.option("--size", type=click.IntRange(1, 10**8), default=65536, show_default=True, help="Elements.")
@click.option("--rounds", type=click.IntRange(min=1), default=40, show_default=True, help="Samples of each.")
@comparison_options
@click.pass_obj
def speed_doors(typed, size, rounds, form):
    """The kernels through the doors to other projects (Cython, ctypes, Numba, PyTorch), and what stands beside them.

    \b
    Example:
      fastgrad speed doors --size 100000
    """
    with one_line(*BAD_INPUT):
        kernels.get("numba")
        from fastgrad.bench import doors, peers

    rows = []
    with progress_bar() as show:
        for row in doors.measure(size, rounds):
            rows.append(row)
            show(len(rows), None, f"{row.group} {row.activation}")
    shown = doors.table(rows), [], doors.DOORS_NOTE
    versions = peers.versions([name for name in ("torch",) if name in peers.installed()])
    show_comparison([asdict(row) for row in rows], shown, versions, typed, form)
    return 0


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

    return _speed_of_part("dense", parts.DENSE, typed, operations, shapes, contestants, rounds, quick, form)


@speed.command("initializers")
@click.option("--rule", "operations", multiple=True, help="he_normal, xavier_uniform (both).")
@_part_options
@click.pass_obj
def speed_initializers(typed, operations, shapes, contestants, rounds, quick, form):
    """Initial weights against NumPy's, PyTorch's and JAX's, as far as they are installed.

    Shapes are FAN_IN,FAN_OUT.

    \b
    Example:
      fastgrad speed initializers --rule he_normal --shape 512,512
    """
    from fastgrad.bench import parts

    return _speed_of_part("initializers", parts.WEIGHTS, typed, operations, shapes, contestants, rounds, quick, form)


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
    from fastgrad.bench import decay, peers

    with one_line(*BAD_INPUT):
        cells = decay.cells([known("activation", name, ACTIVATIONS) for name in names], quick)
        contestants = peers.check(contestants, decay.PEERS) or [name for name in decay.PEERS if not peers.missing(name)]
    return _show_parts(cells, contestants, rounds, decay.measure, decay.NOTE, typed, form)


def _speed_of_part(part, full, typed, operations, shapes, contestants, rounds, quick, form):
    from fastgrad.bench import parts, peers, tables

    with one_line(*BAD_INPUT):
        shapes = [_whole_numbers("--shape", text, full[0]) for text in shapes] or (full[:2] if quick else full)
        cases = parts.cases(part, shapes, operations or parts.OPERATIONS[part])
        known_ones = parts.PEERS[part]
        contestants = peers.check(contestants, known_ones) or [name for name in known_ones if not peers.missing(name)]
    rounds = min(rounds, 5) if quick else rounds
    return _show_parts(cases, contestants, rounds, parts.measure, tables.PART_NOTE, typed, form)


def _show_parts(cases, contestants, rounds, measure, note, typed, form):
    from threadpoolctl import threadpool_limits

    from fastgrad.bench import peers, tables

    with threadpool_limits(1, "blas"):
        measured = _time(cases, contestants, rounds, measure)
    if measured:
        rows = [row for case in measured for row in case]
        shown = tables.part_tables(rows), tables.part_verdict(rows), note
        show_comparison([asdict(row) for row in rows], shown, peers.versions(contestants), typed, form)
    return 0 if len(measured) == len(cases) else INTERRUPTED


def _whole_numbers(option, text, like):
    """ "50,64,32" as (50, 64, 32), as many as there are in ``like``."""
    try:
        numbers = tuple(map(int, text.split(",")))
    except ValueError:
        numbers = ()
    if len(numbers) != len(like):
        raise ValueError(f"{option} must be {len(like)} whole numbers as in {','.join(map(str, like))}, got {text!r}")
    return numbers


def _time(cases, contestants, rounds, measure):
    """The rows of each case; Ctrl-C keeps those that were measured."""
    measured = []
    try:
        with progress_bar() as show:
            for case in cases:
                measured.append(measure(case, contestants, rounds))
                show(len(measured), len(cases), " ".join(map(str, case)))
    except KeyboardInterrupt:
        interrupted(f"{len(measured)} of {len(cases)} cases were measured")
    return measured


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
        for operation, dtype in dict.fromkeys((row.operation, row.dtype) for row in rows):
            figure = plots.speed_figure([row for row in rows if (row.operation, row.dtype) == (operation, dtype)])
            for format in ("png", "svg"):
                (folder / f"{operation}-{dtype}.{format}").write_bytes(plots.picture(figure, format))


@speed.command("training")
@click.option("--network", "networks", multiple=True, metavar="DEPTH,WIDTH", help="(3,64 and 20,64)")
@click.option("--peer", "peers", multiple=True, help="scikit-learn, torch (installed).")
@click.option("--rounds", type=click.IntRange(min=1), default=10, show_default=True, help="Seeds.")
@comparison_options
@click.pass_obj
def speed_training(typed, networks, peers, rounds, form):
    """Twenty epochs on the digits against scikit-learn's MLPClassifier and a loop in PyTorch, with the accuracies.

    \b
    Example:
      fastgrad speed training --network 3,64 --rounds 3
    """
    from threadpoolctl import threadpool_limits

    from fastgrad.bench import peers as libraries
    from fastgrad.bench import training

    with one_line(*BAD_INPUT):
        chosen = list(map(_pair, networks)) or training.FULL
        peers = [known("peer", peer, training.PEERS) for peer in peers] or training.installed()
    rows = []
    with progress_bar() as progress, threadpool_limits(1), one_line(ImportError):
        for depth, width in chosen:
            rows += training.measure(depth, width, peers, rounds, progress)
    shown = [training.table(rows)], training.verdict(rows), training.NOTE
    versions = libraries.versions([peer for peer in peers if peer == "torch"])
    show_comparison([asdict(row) for row in rows], shown, versions, typed, form)
    return 0


def _pair(text):
    """DEPTH,WIDTH as integers."""
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise ValueError(f"--network must be DEPTH,WIDTH, such as 3,64, got {text!r}")
    return tuple(map(int, parts))
