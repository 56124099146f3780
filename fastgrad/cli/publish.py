"""``fastgrad publish``."""

import click

from fastgrad._validation import strict_json
from fastgrad.cli.shared import BAD_INPUT, one_line, say, status


@click.command()
@click.option("--config", default="asv.conf.json", show_default=True, help="asv's configuration.")
@click.option("--out", "-o", help="Folder of the page (html_dir of the configuration).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, and nothing else.")
def publish(config, out, as_json):
    """Publish what asv measured over the history, as one page that needs no network and no server, and history.csv.

    The regressions are those that `asv publish` would list; decades are judged by their difference, in both directions.

    \b
    Example:
      asv run NEW && fastgrad publish --out page
    """
    from fastgrad.bench import history_page

    with one_line(*BAD_INPUT), status("publishing"):
        found = history_page.publish(config, out)
    if found["left_out"]:
        say(f"{len(found['left_out'])} results are left out: their commits are on no branch of {config}")
    if as_json:
        click.echo(strict_json(found), nl=False)
    else:
        _show(found)


def _show(found):
    for row in found["regressions"]:
        where = row["commit"][:8] if row["since"] is None else f"{row['since'][:8]}..{row['commit'][:8]}"
        on = f" on {row['environment']}" if row["environment"] else ""
        click.echo(f"{where}  {row['change']}: {row['benchmark']}{on}")
    click.echo(f"Regressions: {len(found['regressions'])}, benchmarks: {found['benchmarks']}. Page: {found['page']}")
