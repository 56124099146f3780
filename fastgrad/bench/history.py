"""What asv measured over the history of a repository: series of numbers, and the commits that made them worse."""

# Design: - asv's own classes read its configuration, its results and the repository, find the steps in a series and
#           call some of them regressions: the same that `asv publish` finds (asv.commands.publish, asv.plugins). asv is
#           pinned for that in pyproject.toml, since not all of it is public.
#         - Decades may be negative, and a gradient that grows is as much a fault as one that vanishes. So they are
#           judged by their difference and in both directions: asv knows ratios only, and takes less for better. Of a
#           number that was 0 any rise is a regression, as asv has it.
#         - asv takes relative paths as from the folder of its configuration, which is therefore the working directory
#           while it reads.

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

DECADES = ("decades", "decades per layer")  # units


class Commit(NamedTuple):
    """One that was measured; ``date`` is in milliseconds since 1970."""

    hash: str
    date: int


@dataclass(frozen=True)
class Regression:
    """A step to a worse level that was not made good.

    Attributes
    ----------
    benchmark : str
        With its parameters.
    commit : str
        What made it worse.
    since : str or None
        The last commit known to be good, if there are others between the two.
    before, after : float
    factor : float
        Their ratio, infinite from 0; of decades, what their difference is the logarithm of.
    change : str
        The same in words.
    """

    benchmark: str
    commit: str
    since: str | None
    before: float
    after: float
    factor: float
    change: str


@dataclass(frozen=True)
class Series:
    """One number over the history: of a benchmark with some parameters, in an environment.

    Attributes
    ----------
    benchmark, parameters, unit : str
    environment : str
        Where it was measured, as far as not all series were there: the machine, versions, the branch.
    values : dict of int to float
        By the commit's place in ``History.commits``.
    regressions : tuple of Regression
    """

    benchmark: str
    parameters: str
    unit: str
    environment: str
    values: dict[int, float]
    regressions: tuple[Regression, ...]


@dataclass(frozen=True)
class History:
    """What was measured. ``left_out``: the commits with results that are on no branch, in short."""

    project: str
    branches: tuple[str, ...]
    commits: tuple[Commit, ...]
    series: tuple[Series, ...]
    left_out: tuple[str, ...]

    @property
    def regressions(self) -> list[tuple[Regression, Series]]:
        """Those of all series with their series, the largest first."""
        found = [(step, series) for series in self.series for step in series.regressions]
        return sorted(found, key=lambda one: -max(one[0].factor, 1 / one[0].factor))


def settings(config: Path) -> Any:
    """asv's reading of its configuration; ImportError without asv, ValueError if it is no configuration."""
    try:
        from asv.config import Config
        from asv.util import UserError
    except ImportError:
        raise ImportError("publishing needs asv: pip install 'fastgrad[asv]'") from None
    if not config.is_file():
        raise ValueError(f"there is no configuration of asv at {config}; --config says where it is")
    try:
        return Config.load(str(config))
    except (UserError, ValueError) as error:
        raise ValueError(f"{config} is no configuration of asv: {_one_line(error)}") from error


def read(config: str | os.PathLike) -> History:
    """The history that belongs to a configuration of asv.

    Parameters
    ----------
    config : path
        Of the configuration.

    Returns
    -------
    History
        The results of commits that are on one of its branches.

    Raises
    ------
    ImportError
        If asv is not installed.
    ValueError
        If there is no configuration, it is wrong, or there are no results of its branches.
    """
    config = Path(config)
    conf = settings(config)
    from asv.util import ProcessError, UserError

    try:
        with contextlib.chdir(config.resolve().parent):
            return _history(conf)
    except ProcessError as error:
        raise ValueError(f"asv cannot read the repository: {_one_line(error)}") from error
    except UserError as error:
        raise ValueError(f"asv cannot read its results: {_one_line(error)}") from error


def _one_line(text):
    return " ".join(str(text).split())


def _history(conf):
    from asv.benchmarks import Benchmarks
    from asv.repo import get_repo
    from asv.results import iter_results

    results = list(iter_results(conf.results_dir))
    if not results:
        raise ValueError(f"there are no results in {Path(conf.results_dir).resolve()} yet: run asv run first")
    repo, benchmarks = get_repo(conf), Benchmarks.load(conf)
    branches = {repo.get_branch_name(branch): set(repo.get_branch_commits(branch)) for branch in conf.branches}
    shown = [found for found in results if any(found.commit_hash in commits for commits in branches.values())]
    if not shown:
        raise ValueError(f"asv has results, but none of a commit on {', '.join(branches)}: nothing to publish")
    dates = {found.commit_hash: found.date for found in shown}
    revisions = repo.get_revisions(set(dates))
    graphs = _graphs(shown, benchmarks, branches, revisions)
    return History(
        conf.project,
        tuple(branches),
        tuple(Commit(commit, dates[commit]) for commit in sorted(revisions, key=revisions.__getitem__)),
        tuple(_series(conf, repo, benchmarks, graphs, revisions)),
        tuple(sorted({found.commit_hash[: conf.hash_length] for found in results if found.commit_hash not in dates})),
    )


def _graphs(results, benchmarks, branches, revisions):
    """asv's graphs: the numbers of a benchmark in one environment on one branch, over the revisions."""
    from asv._stats import get_weight
    from asv.graph import GraphSet

    graphs = GraphSet()
    environments = {id(found): found.params | {f"env-{k}": v for k, v in found.env_vars.items()} for found in results}
    every = {name: None for environment in environments.values() for name in environment}
    for found in results:
        for name in found.get_result_keys(benchmarks):
            parameters = benchmarks[name]["params"]
            values = found.get_result_value(name, parameters)
            weights = [get_weight(stats) for stats in found.get_result_stats(name, parameters)]
            for branch in (branch for branch, commits in branches.items() if found.commit_hash in commits):
                graph = graphs.get_graph(name, every | environments[id(found)] | {"branch": branch})
                number, weight = (values, weights) if parameters else (values[0], weights[0])
                graph.add_data_point(revisions[found.commit_hash], number, weight)
    return graphs


def _series(conf, repo, benchmarks, graphs, revisions) -> Iterator[Series]:
    """A series for each parameter of each graph that has a number."""
    from asv.util import is_na

    place = {revision: at for at, revision in enumerate(sorted(revisions.values()))}
    differ = {name for name, values in graphs.get_params().items() if len(values) > 1}
    if "machine" in differ:
        differ -= {"arch", "cpu", "num_cpu", "os", "ram"}  # they are the machine's
    for _, graph in graphs:
        benchmark = benchmarks[graph.benchmark_name]
        jumps = _regressions(conf, repo, benchmark, graph, revisions)
        environment = ", ".join(f"{name} {graph.params[name]}" for name in sorted(differ))
        for index, parameters in enumerate(_parameters(benchmark)):
            column = [
                (revision, value[index] if benchmark["params"] else value) for revision, value, _ in graph.get_data()
            ]
            values = {place[revision]: float(value) for revision, value in column if not is_na(value)}
            if values:
                found = tuple(jumps.get(index, ()))
                yield Series(benchmark["name"], parameters, benchmark["unit"], environment, values, found)


def _parameters(benchmark):
    """The texts of a benchmark's parameters, in asv's order; one empty text if it has none."""
    names = benchmark["param_names"]
    values = [[text.strip("'") for text in texts] for texts in benchmark["params"]]  # asv keeps their repr
    return [", ".join(map(" ".join, zip(names, chosen, strict=True))) for chosen in product(*values)]


def _regressions(conf, repo, benchmark, graph, revisions):
    """{place of the parameters: regressions}, as asv publishes them."""
    from asv.plugins.regressions import _GraphDataFilter
    from asv.step_detect import detect_regressions

    commit = {revision: name for name, revision in revisions.items()}
    unit, found = benchmark["unit"], {}
    for index, name, steps, threshold in _GraphDataFilter(conf, repo, revisions).get_graph_data(graph, benchmark):
        for sign, levels, relative in _ways(unit, steps, threshold):
            _, _, jumps = detect_regressions(levels, relative)
            for last_good, first_bad, before, after in jumps or ():
                since, at = commit[last_good], commit[first_bad]
                alone = len(repo.get_hashes_from_range(repo.get_range_spec(since, at))) == 1
                change = _change(unit, sign * before, sign * after)
                step = Regression(name, at, None if alone else since, sign * before, sign * after, *change)
                found.setdefault(index or 0, []).append(step)
    return found


def _ways(unit, steps, threshold):
    """[(sign, steps times it, relative threshold)] to look for rises in.

    Of decades the threshold is absolute, as if every level were uncertain by it.
    """
    if unit not in DECADES:
        return [(1, steps, threshold)]
    return [
        (sign, [(*where, sign * level, least, max(error, threshold)) for *where, level, least, error in steps], 0)
        for sign in (1, -1)
    ]


def _change(unit, before, after):
    """The factor, and in words."""
    if unit in DECADES:
        return 10.0 ** (after - before), f"{after - before:+.3g}"
    if before == 0:
        return math.inf, "from 0"
    return after / before, f"{after / before:.3g} times"
