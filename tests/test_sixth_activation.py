"""A sixth and a seventh activation cost a pair of formulas, a row of facts, a number and the oracle's own truth."""

import pytest
import sixth_activation


def test_the_edits_fit_the_tree_and_are_counted(tmp_path):
    sixth_activation.copy(tmp_path)
    assert sixth_activation.touched(tmp_path) == []
    sixth_activation.edit(tmp_path)
    assert sixth_activation.touched(tmp_path) == sorted(sixth_activation.EDITS)
    assert len(sixth_activation.EDITS) <= sixth_activation.FILES


@pytest.mark.sweep
def test_two_more_activations_pass_every_test_of_the_registry(tmp_path):
    files, failed = sixth_activation.trial(tmp_path)
    assert not failed
    assert len(files) <= sixth_activation.FILES
