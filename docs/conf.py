"""How Sphinx builds the documentation; ``.ci/site FOLDER`` runs it."""

# Design: - The pages are the Markdown files beside this one, which read as well without a site.
#         - What a reader's browser loads lies in the built folder: no font, script or style comes from elsewhere. The
#           build needs no network either: it fetches no other project's index.

import sys
from pathlib import Path

import fastgrad

sys.path.insert(0, str(Path(__file__).parent))  # figures.py

project = "fastgrad"
author = "the authors of fastgrad"
release = fastgrad.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_nb", "sphinx_gallery.gen_gallery"]
templates_path = ["_templates"]
exclude_patterns = ["examples/*.ipynb", "gallery"]
nitpicky = True
myst_heading_anchors = 3

autodoc_typehints = "none"  # numpydoc's sections say the types
autodoc_default_options = {
    "exclude-members": "set_fit_request, set_partial_fit_request, set_score_request"  # scikit-learn's own
}
numpydoc_show_class_members = False
rst_prolog = r".. |z| replace:: \|z\|"  # docstrings mean the absolute value

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300  # seconds for a cell; all of them take twenty

html_theme = "pydata_sphinx_theme"
html_theme_options = {"navbar_center": []}
html_sidebars = {"**": ["globaltoc.html"]}  # the whole book beside every page
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is
html_title = f"fastgrad {release}"
html_show_sourcelink = False
html_copy_source = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("matplotlib", "figures"),
    "abort_on_example_error": True,
    "run_stale_examples": True,  # those too that are as they were: fastgrad may not be
    "write_computation_times": False,
    "show_memory": False,
    "download_all_examples": False,
}


def setup(app):
    app.connect("autodoc-skip-member", documented_by_its_public_name)
    app.connect("autodoc-process-signature", no_signature_of_data, priority=400)  # before numpydoc


def documented_by_its_public_name(app, what, name, obj, skip, options):
    """Leave out of a module's page what has a page of its own: ``fastgrad.MLP`` is not once more ``network.MLP``."""
    return True if what == "module" and getattr(fastgrad, name, None) is obj else None


def no_signature_of_data(app, what, *_):
    """Ufuncs are data to autosummary, and numpydoc's signature of them an IndexError in Sphinx 9.0."""
    return () if what == "data" else None
