"""What a notebook shows of a result: its picture."""


class Drawn:
    """Objects that have ``plot()``."""

    def _repr_html_(self) -> str | None:
        """The picture as SVG; None without matplotlib, and the notebook then shows the repr."""
        try:
            from fastgrad.report.plots import picture
        except ImportError:
            return None
        svg = picture(self.plot(), "svg").decode()  # type: ignore[attr-defined]  # of what is drawn, not of this class
        return svg[svg.index("<svg") :]
