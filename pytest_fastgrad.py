"""Fixtures of pytest: a model's gradients must flow, or its profile be that of a baseline.

def test_gradients_reach_the_first_layer(gradients_flow):
    gradients_flow(make_model(), (inputs, targets))
"""

# Design: - A module beside the package: pytest loads it in every project where fastgrad is installed, so it imports
#           neither fastgrad nor NumPy. They, and PyTorch, are loaded when a test asks for a fixture.
#         - Baselines are named as pytest-regressions names its files: FOLDER/TEST_FILE/TEST.json.

import re
from collections.abc import Callable

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("fastgrad").addoption(
        "--update-gradients", action="store_true", help="write the baselines of gradients_match in place of comparing"
    )


@pytest.fixture
def gradients_flow() -> Callable:
    """fastgrad.testing.assert_gradients_flow(model, batch, decades=2): delta must reach the first layer."""
    from fastgrad.testing import assert_gradients_flow

    return assert_gradients_flow


@pytest.fixture
def gradients_match(request: pytest.FixtureRequest) -> Callable:
    """A function of (model, batch, tolerance=0.5): each layer's delta must be that of this test's baseline.

    Several baselines in one test are told apart by ``name=``; ``pytest --update-gradients`` writes them.
    """
    from fastgrad.testing import assert_profile_matches

    update = request.config.getoption("--update-gradients")

    def match(model, batch, *arguments, name: str = "", **options):
        __tracebackhide__ = True
        test = re.sub(r"[^\w.\[\]-]", "_", "-".join(filter(None, (request.node.name, name))))
        path = request.path.with_suffix("") / f"{test}.json"
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.exists():
            pytest.fail(f"there is no baseline {path}: write it with pytest --update-gradients", pytrace=False)
        assert_profile_matches(model, batch, path, *arguments, update=update, **options)

    return match
