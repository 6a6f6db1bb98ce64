"""Writes the figures of a report as PNG files, drawn by Plotly in a headless browser."""

from __future__ import annotations

from pathlib import Path

from search.reporting.document import Figure

WIDTH, SCALE = 800, 1.5


def write_pictures(figures: list[Figure], folder: Path) -> dict[str, Path]:
    """Write one PNG file per figure; return the paths by the names of the figures.

    Args:
        figures: The figures.
        folder: Where to write; created if missing, files of the same names are replaced.

    Raises:
        RuntimeError: If kaleido or a browser is missing; the message says how to install it.
    """
    try:
        import kaleido  # noqa: F401  # without it Plotly's message is about installing Chrome
    except ImportError as error:
        raise RuntimeError(
            "`--png` needs kaleido and Chromium: pip install -e '.[figures]', apt-get install chromium"
        ) from error
    import plotly.graph_objects as go
    import plotly.io as pio

    folder.mkdir(parents=True, exist_ok=True)
    paths = {figure.name: folder / f"{figure.name}.png" for figure in figures}
    try:
        pio.write_images(
            fig=[go.Figure(figure.plot) for figure in figures],
            file=list(paths.values()),
            width=WIDTH,
            height=[int(figure.plot["layout"]["height"]) for figure in figures],
            scale=SCALE,
        )
    except Exception as error:  # kaleido and the browser raise many kinds
        raise RuntimeError(
            f"the pictures were not drawn: {error}; `--png` needs Chromium (apt-get install chromium, or BROWSER_PATH)"
        ) from error
    return paths
