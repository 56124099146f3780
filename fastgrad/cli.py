"""The commands. They read options, call the package, and show what it returns."""

# Design: - A mistake is one line on stderr and exit code 2, never a traceback. Only what checks the user's
#           input and writes the user's files is guarded; an error anywhere else is a bug and shows as one.
#         - What is heavy (SciPy, scikit-learn, matplotlib) is imported by the command that needs it.

import contextlib
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

import click
import rich.console

import fastgrad
from fastgrad._errors import known
from fastgrad.activations import ACTIVATIONS, activation
from fastgrad.datasets import DATASETS
from fastgrad.initializers import INITIALIZERS, initializer
from fastgrad.kernels import BACKENDS

RUN_INITS = ("xavier_normal", "he_normal", "torch_linear")
FULL = {"depth": (5, 10, 20, 50), "width": 128, "batch": 128, "seeds": 10}
QUICK = {"depth": (5, 20), "width": 64, "batch": 64, "seeds": 3}
SPEED_FILE = "speed.json"
INTERRUPTED = 130
BAD_INPUT = (ValueError, TypeError, ImportError, OSError)
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class OneLineErrors(click.Group):
    """A group of commands that reports a mistake in one line, with exit code 2."""

    def main(self, args=None, **extra):
        """As ``click.Group.main``; the context's ``obj`` is the command as it was typed."""
        args = sys.argv[1:] if args is None else list(args)
        extra.update(prog_name="fastgrad", standalone_mode=False, obj=shlex.join(["fastgrad", *args]))
        try:
            code = super().main(args, **extra)
        except click.Abort:
            _say("interrupted")
            code = INTERRUPTED
        except click.ClickException as error:
            _say(error.format_message())
            code = 2
        sys.exit(code)


@click.group(cls=OneLineErrors, context_settings=SETTINGS, invoke_without_command=True)
@click.version_option(fastgrad.__version__, message="fastgrad %(version)s")
@click.pass_context
def commands(context):
    """Measure how gradients vanish in deep networks.

    Exit codes: 0 fine, 1 what was judged is bad, 2 wrong usage or input, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _shared_options(command):
    for option in (
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Threads that measure.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, and nothing else."),
        click.option("--quick", is_flag=True, help="Fewer, smaller networks: a look in seconds."),
    ):
        command = option(command)
    return command


@commands.command()
@click.option("--out", default="fastgrad-report", show_default=True, help="Folder of the report.")
@_shared_options
@click.pass_obj
def run(typed, out, quick, as_json, workers):
    """The whole survey on the digits: decay, verdicts, theory, speed, and a report folder.

    An interrupted run goes on where it stopped: what was measured is read from cells.jsonl in the folder.

    \b
    Example:
      fastgrad run --out report && open report/index.html
    """
    from fastgrad import study

    size = QUICK if quick else FULL
    with _one_line(*BAD_INPUT):
        _need_matplotlib()
        cells = study.grid(
            ACTIVATIONS, RUN_INITS, size["depth"],
            width=size["width"], batch=size["batch"], seeds=tuple(range(size["seeds"])),
        )  # fmt: skip
    results = _measure(cells, out, workers)
    with _status("timing the kernels"):
        from fastgrad import bench

        speed = bench.quick_speed()
    _show(results, speed, typed, out, as_json)


@commands.command()
@click.option("--activation", "-a", "names", multiple=True, default=ACTIVATIONS, help=", ".join(ACTIVATIONS))
@click.option("--init", "-i", "inits", multiple=True, default=RUN_INITS, help=", ".join(INITIALIZERS))
@click.option("--depth", "-d", "depths", multiple=True, type=click.IntRange(min=1), help="Hidden layers (20).")
@click.option("--width", type=click.IntRange(min=1), help="Units per hidden layer (128).")
@click.option("--seeds", type=click.IntRange(min=1), help="Networks of each kind, seeded 0, 1, ... (10).")
@click.option("--batch", type=click.IntRange(min=1), help="The first rows of the data (128).")
@click.option("--data", default="digits", show_default=True, help=f"{' or '.join(DATASETS)}.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--backend", default="compiled", show_default=True, help=f"{', '.join(BACKENDS)}.")
@click.option("--alpha", "alphas", multiple=True, type=float, help="Of elu.")
@click.option("--negative-slope", "slopes", multiple=True, type=float, help="Of leaky_relu.")
@click.option("--gain", "gains", multiple=True, type=float, help="Of the xavier initialisers.")
@click.option("--std", "stds", multiple=True, type=float, help="Of the initialiser normal.")
@click.option("--out", help="Also write a report into this folder, and go on from what it holds.")
@_shared_options
@click.pass_obj
def decay(typed, names, inits, depths, width, seeds, batch, data, dtype, backend, alphas, slopes, gains, stds,
          out, quick, as_json, workers):  # fmt: skip
    """The decay of the networks asked for. Exit code 1 unless every one is healthy.

    Activations, initialisers, their options and depths can be repeated: every combination is measured.

    \b
    Example:
      fastgrad decay --activation tanh --activation elu --init xavier_normal --depth 10 --depth 30
    """
    from fastgrad import study

    size = QUICK if quick else FULL
    with _one_line(*BAD_INPUT):
        if out is not None:
            _need_matplotlib()
        cells = study.grid(
            _activations(names, alphas, slopes),
            _initializers(inits, gains, stds),
            depths or (20,),
            width=width or size["width"],
            batch=batch or size["batch"],
            seeds=tuple(range(seeds or size["seeds"])),
            data=data,
            dtype=dtype,
            backend=backend,
        )
    results = _measure(cells, out, workers)
    _show(results, [], typed, out, as_json)
    return 0 if all(result.verdict == "healthy" for result in results) else 1


def _comparison_options(command):
    for option in (
        click.option("--markdown", "form", flag_value="markdown", help="Print Markdown, for a README."),
        click.option("--json", "form", flag_value="json", help="Print JSON on stdout, and nothing else."),
    ):
        command = option(command)
    return command


@commands.command()
@click.option("--activation", "-a", "names", multiple=True, default=ACTIVATIONS, help=", ".join(ACTIVATIONS))
@click.option("--kind", "kinds", multiple=True, default=("value", "derivative"), help="value, derivative")
@click.option("--only", "group", default="all", show_default=True, help="ours, peers or all.")
@click.option("--out", help="A file that keeps finished parts; with it the same command goes on from there.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Threads that sweep.")
@click.option("--quick", is_flag=True, help="A sample of the inputs: a look in seconds.")
@_comparison_options
@click.pass_obj
def audit(typed, names, kinds, group, out, workers, quick, form):
    """Every float32 through every kernel, and through the same formulas in PyTorch, JAX, NumPy and SciPy.

    Exit code 1 if a kernel of ours breaks what it promises: its ULP bound, no false zero, monotonic where the
    function is, exactly odd or even where it is, within its range, no NaN.

    \b
    Example:
      fastgrad audit --quick --activation tanh
      fastgrad audit --workers 2 --out audit.jsonl
    """
    from fastgrad.bench import tables
    from fastgrad.bench.audit import Audit

    with _one_line(*BAD_INPUT):
        sweep = Audit(out, quick, names, kinds, group, workers)
    try:
        with _one_line(OSError), _bar() as show:
            sweep.run(show)
    except KeyboardInterrupt:
        kept = f"kept in {out}; the same command goes on from there" if out else "lost, as there is no --out"
        _say(f"interrupted: {sweep.finished} of {sweep.total} parts are swept and {kept}")
        raise click.exceptions.Exit(INTERRUPTED) from None
    rows = sweep.rows()
    versions = {row["contestant"]: row["version"] for row in rows if row["contestant"] in ("torch", "jax")}
    shown = [tables.audit_table(rows)], tables.audit_verdict(rows), tables.AUDIT_NOTE
    _compare(rows, shown, versions, typed, form)
    return int(any(row["faults"] for row in rows))


@commands.group(invoke_without_command=True)
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
@_comparison_options
@click.pass_obj
def speed_activations(typed, names, operations, dtypes, sizes, contestants, rounds, out, quick, form):
    """The activations against NumPy, SciPy, numexpr, PyTorch, torch.compile and JAX, as far as they are installed.

    Operations are value, backward, and training: forward with the derivative, then backward.

    \b
    Example:
      fastgrad speed activations --quick --activation tanh --operation training
    """
    from fastgrad.bench import activations, peers, tables

    size = activations.QUICK if quick else activations.FULL
    with _one_line(*BAD_INPUT):
        if out is not None:
            _need_matplotlib()
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
        data = _compare([asdict(row) for row in rows], shown, peers.versions(contestants), typed, form)
        if folder:
            _write_speed(folder, rows, data)
    return 0 if len(measured) == len(cases) else INTERRUPTED


@speed.command("network")
@click.option("--network", "networks", multiple=True, metavar="DEPTH,WIDTH,BATCH", help="(10,32,32 to 100,512,32)")
@click.option("--operation", "operations", multiple=True, help="gradients, profile (both).")
@click.option("--peer", "contestants", multiple=True, help="numpy, torch, jax (installed).")
@click.option("--rounds", type=click.IntRange(min=1), default=15, show_default=True, help="Samples of each.")
@click.option("--quick", is_flag=True, help="The two smallest networks.")
@_comparison_options
@click.pass_obj
def speed_network(typed, networks, operations, contestants, rounds, quick, form):
    """A whole network forward and backward against NumPy, PyTorch and JAX, as far as they are installed.

    Operations are gradients, as training needs them, and profile, the size of delta and dL/dW in every layer.

    \b
    Example:
      fastgrad speed network --network 50,64,32 --peer torch
    """
    from threadpoolctl import threadpool_limits

    from fastgrad.bench import network, peers, tables

    with _one_line(*BAD_INPUT):
        shapes = [_network(text) for text in networks] or (network.QUICK if quick else network.FULL)
        cases = network.cases(shapes, operations or network.OPERATIONS)
        contestants = [known("peer", name, network.PEERS) for name in contestants]
        contestants = peers.check(contestants) or [name for name in peers.installed() if name in network.PEERS]
    with threadpool_limits(1, "blas"):
        measured = _time(cases, contestants, rounds, network.measure)
    if measured:
        rows = [row for case in measured for row in case]
        shown = tables.network_tables(rows), tables.network_verdict(rows), tables.NETWORK_NOTE
        _compare([asdict(row) for row in rows], shown, peers.versions(contestants), typed, form)
    return 0 if len(measured) == len(cases) else INTERRUPTED


def _network(text):
    """ "50,64,32" as (50, 64, 32)."""
    try:
        depth, width, batch = map(int, text.split(","))
    except ValueError:
        raise ValueError(f"--network must be DEPTH,WIDTH,BATCH as in 50,64,32, got {text!r}") from None
    return depth, width, batch


def _time(cases, contestants, rounds, measure):
    """The rows of each case; Ctrl-C keeps those that were measured."""
    measured = []
    try:
        with _bar() as show:
            for case in cases:
                measured.append(measure(case, contestants, rounds))
                show(len(measured), len(cases), " ".join(map(str, case)))
    except KeyboardInterrupt:
        _say(f"interrupted: {len(measured)} of {len(cases)} cases were measured")
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
    from fastgrad import plots

    with _status("drawing"), _one_line(OSError):
        (folder / SPEED_FILE).write_text(data, encoding="utf-8")
        for operation, dtype in dict.fromkeys((row.operation, row.dtype) for row in rows):
            figure = plots.speed_figure([row for row in rows if (row.operation, row.dtype) == (operation, dtype)])
            for format in ("png", "svg"):
                (folder / f"{operation}-{dtype}.{format}").write_bytes(plots.picture(figure, format))


def _compare(rows, shown, versions, typed, form):
    """Show a comparison's rows as the options say, and return them as JSON."""
    from fastgrad import report
    from fastgrad.machine import machine

    facts = machine() | versions
    text = report.strict_json({"fastgrad": fastgrad.__version__, "command": typed, "machine": facts, "rows": rows})
    found = report.Comparison(*shown, facts, typed)
    if form == "json":
        click.echo(text, nl=False)
    elif form == "markdown":
        click.echo(report.comparison_markdown(found), nl=False)
    else:
        report.print_comparison(found, _console())
    return text


@contextlib.contextmanager
def _bar():
    """A function of (done, total, label) that moves a progress bar on stderr, on a terminal."""
    from rich.progress import Progress

    console = rich.console.Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, label: bar.update(task, completed=done, total=total, description=label)


def _activations(names, alphas, slopes):
    options = {"alpha": alphas, "negative_slope": slopes}
    return _with_options(activation, names, options, lambda phi: (phi.parameter_name,))


def _initializers(names, gains, stds):
    return _with_options(initializer, names, {"gain": gains, "std": stds}, lambda rule: rule.options)


def _with_options(record, names, options, takes):
    """These names' records, one for each value of the option they take; ValueError if none takes it."""
    records, used = [], set()
    for name in names:
        mine = [option for option, values in options.items() if values and option in takes(record(name))]
        used.update(mine)
        variants = [{option: value} for option in mine for value in options[option]] or [{}]
        records += [record(name, **variant) for variant in variants]
    for option, values in options.items():
        if values and option not in used:
            raise ValueError(f"--{option.replace('_', '-')} does not apply to {', '.join(names)}")
    return records


def _measure(cells, out, workers):
    """The results in the order of the cells, with a progress bar on a terminal; Ctrl-C says how to go on."""
    from rich.progress import Progress

    from fastgrad import study

    done, reused = {}, []
    with _one_line(*BAD_INPUT):
        stream = study.run_study(cells, out, lambda result, was_stored: reused.append(was_stored), workers)
    console = rich.console.Console(stderr=True)
    try:
        bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        with _one_line(ValueError, OSError), bar:
            task = bar.add_task("", total=len(cells))
            for result in stream:
                done[result.cell] = result
                bar.update(task, advance=1, description=result.cell.label)
    except KeyboardInterrupt:
        kept = f"kept in {out}; the same command goes on from there" if out else "lost, as there is no --out"
        _say(f"interrupted: {len(done)} of {len(cells)} networks were measured and are {kept}")
        raise click.exceptions.Exit(INTERRUPTED) from None
    if any(reused):
        _say(f"{sum(reused)} of {len(cells)} networks were measured before; {out}/{study.CELLS_FILE} has them")
    return [done[cell] for cell in cells]


def _show(results, speed, typed, out, as_json):
    from fastgrad import report, study
    from fastgrad.machine import machine

    page = None
    with _status("looking for remedies"):
        remedies = study.remedies(results)
    found = report.Report(results, machine(), speed, typed, remedies)
    if out is not None:
        with _status("drawing"), _one_line(OSError):
            page = report.write_folder(found, out)
    if as_json:
        click.echo(report.to_json(found), nl=False)
        return
    report.print_report(found, _console())
    if page is not None:
        click.echo(f"Report: {page}")


def _console():
    """stdout, at most as wide as the tables are made for."""
    from fastgrad.report import TERMINAL_WIDTH

    console = rich.console.Console(highlight=False)
    if not console.is_terminal or console.width > TERMINAL_WIDTH:
        console.width = TERMINAL_WIDTH
    return console


def _status(message):
    """A spinner on stderr, on a terminal."""
    console = rich.console.Console(stderr=True)
    return console.status(message) if console.is_terminal else contextlib.nullcontext()


def _need_matplotlib():
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError:
        raise ImportError("the report needs matplotlib: pip install 'fastgrad[plot]'") from None


@contextlib.contextmanager
def _one_line(*errors):
    """Turn these errors into one line and exit code 2."""
    try:
        yield
    except errors as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise click.UsageError(f"--out: cannot write {error.filename}: {error.strerror}") from error
        raise click.UsageError(str(error)) from error


def _say(message):
    click.echo(f"fastgrad: {message}", err=True)
