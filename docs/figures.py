"""Pictures of the gallery's examples that are no figures of pyplot: what an example calls ``figure``."""

from sphinx_gallery.scrapers import figure_rst


def _get_sg_image_scraper():
    return save


def save(block, block_vars, gallery_conf):
    """Save ``figure`` once; the reStructuredText that shows it."""
    figure = block_vars["example_globals"].pop("figure", None)
    if figure is None:
        return ""
    path = next(block_vars["image_path_iterator"])
    figure.savefig(path, dpi=150)
    return figure_rst([path], gallery_conf["src_dir"], f"The figure of {block_vars['src_file']}")
