"""``fastgrad audit``."""

import click

from fastgrad.activations import ACTIVATIONS
from fastgrad.cli.shared import (
    BAD_INPUT,
    comparison_options,
    interrupted,
    one_line,
    parameter_options,
    progress_bar,
    show_comparison,
)


@click.command()
@click.option("--activation", "-a", "names", multiple=True, default=ACTIVATIONS, help=", ".join(ACTIVATIONS))
@parameter_options
@click.option("--kind", "kinds", multiple=True, default=("value", "derivative"), help="value, derivative")
@click.option("--only", "group", default="all", show_default=True, help="ours, peers or all.")
@click.option("--out", help="A file that keeps finished parts; with it the same command goes on from there.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Threads that sweep.")
@click.option("--quick", is_flag=True, help="A sample of the inputs: a look in seconds.")
@comparison_options
@click.pass_obj
def audit(typed, names, kinds, group, out, workers, quick, form, **parameters):
    """Every float32 through every kernel, and through the same formulas in NumPy, PyTorch and JAX.

    Exit code 1 if a kernel of ours breaks what it promises: its ULP bound, no false zero, monotonic where the
    function is, exactly odd or even where it is, within its range, no NaN.

    \b
    Example:
      fastgrad audit --quick --activation tanh
      fastgrad audit --quick --activation elu --alpha 0.5 --alpha 3
      fastgrad audit --workers 2 --out audit.jsonl
    """
    from fastgrad.bench.audit import tables
    from fastgrad.bench.audit.audit import Audit
    from fastgrad.sweeps import plan

    with one_line(*BAD_INPUT):
        sweep = Audit(out, quick, plan.activations_with(names, **parameters), kinds, group, workers)
    try:
        with one_line(OSError), progress_bar() as show:
            sweep.run(show)
    except KeyboardInterrupt:
        kept = "kept" if out else "lost, as there is no --out"
        done = f"{sweep.finished} of {sweep.total} parts are swept and {kept}"
        raise click.exceptions.Exit(interrupted(done, out)) from None
    rows = sweep.rows()
    versions = {row["contestant"]: row["version"] for row in rows if row["contestant"] in ("torch", "jax")}
    shown = [tables.audit_table(rows)], tables.audit_verdict(rows), tables.AUDIT_NOTE
    show_comparison(rows, shown, versions, typed, form)
    return int(any(row["faults"] for row in rows))
