"""The docstrings of the public functions and classes are numpydoc, as numpydoc itself validates them."""

import inspect

import numpy as np
import pytest

import fastgrad
from fastgrad import initializers, theory

docscrape = pytest.importorskip("numpydoc.docscrape")
validate = pytest.importorskip("numpydoc.validate").validate
pytest.importorskip("sklearn")

# Checks that are left out, and why. Each of them finds something here, or it would not be on the list.
LEFT_OUT = {
    "ES01": "a summary that says it all needs no second paragraph",
    "EX01": "examples stand in README and docs/, where they are run",
    "PR07": "what `activation : str or Activation` is, its type says",
    "PR08": "a description may begin with a formula",
    "RT03": "what `Diagnosis` is, the class says",
    "RT04": "a description may begin with a formula",
    "SA01": "no list of relations where the text names them",
    "SS02": "a summary may begin with a formula or a name",
    "SS05": "takes a plural for the third person: `Weights ...`",
}


def public():
    """Name and object of every public function and class: those of ``__all__``, or else those defined there."""
    for module in (fastgrad, initializers, theory, fastgrad.sklearn):
        own = [name for name, found in vars(module).items() if getattr(found, "__module__", "") == module.__name__]
        for name in getattr(module, "__all__", own):
            if callable(getattr(module, name)) and not name.startswith("_"):
                yield f"{module.__name__}.{name}", getattr(module, name)


PUBLIC = dict(public())


def faults(name):
    """(code, message) of every fault that numpydoc finds and that counts."""
    found = PUBLIC[name]
    errors = dict(validate(name)["errors"])
    if isinstance(found, np.ufunc):  # its parameters are those of every ufunc, which NumPy documents
        errors = {code: message for code, message in errors.items() if code not in ("PR01", "PR02")}
    if inspect.isclass(found):  # what a record is made of are its attributes
        listed = {name for entry in docscrape.ClassDoc(found)["Attributes"] for name in entry.name.split(", ")}
        if set(inspect.signature(found).parameters) <= listed:
            errors.pop("PR01", None)
    return errors


def test_the_public_names_are_found():
    assert {"fastgrad.tanh", "fastgrad.MLP", "fastgrad.theory.chi", "fastgrad.theory.predict"} <= set(PUBLIC)
    assert {"fastgrad.initializers.he_normal", "fastgrad.sklearn.MLPClassifier"} <= set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_numpydoc_finds_no_fault(name):
    assert {code: message for code, message in faults(name).items() if code not in LEFT_OUT} == {}


@pytest.mark.parametrize("name", PUBLIC)
def test_each_error_has_an_entry_of_its_own(name):
    entries = [entry.type for entry in docscrape.NumpyDocString(inspect.getdoc(PUBLIC[name]))["Raises"]]
    assert [entry for entry in entries if not entry.isidentifier()] == []


def test_every_check_that_is_left_out_finds_something():
    assert set().union(*map(faults, PUBLIC)) >= set(LEFT_OUT)


def half_documented(x, y):
    """The sum.

    Parameters
    ----------
    x : float
    """
    return x + y


def test_the_validation_sees_what_is_missing(monkeypatch):
    monkeypatch.setattr(fastgrad, "half_documented", half_documented, raising=False)
    monkeypatch.setitem(PUBLIC, "fastgrad.half_documented", half_documented)
    assert {"PR01", "RT01"} <= set(faults("fastgrad.half_documented"))


@pytest.mark.parametrize("name", [name for name in PUBLIC if name.startswith("fastgrad.initializers.") and "_" in name])
def test_a_rule_says_shape_errors_and_source(name):
    text = docscrape.FunctionDoc(PUBLIC[name])
    assert [entry.name for entry in text["Parameters"]][:1] == ["shape"]
    assert [entry.type for entry in text["Raises"]] == ["ValueError", "TypeError"]
    assert "".join(text["References"]).strip()
