"""Generated images and predicted responses as a matplotlib page."""

from __future__ import annotations

from matplotlib.figure import Figure

from brivl.analyses.drive.compute import DriveResult
from brivl.analyses.drive.figures import UNIT
from brivl.scenes.things import KINDS
from brivl.viz.export import POINTS, Page, new_page, print_style
from brivl.viz.style import LIGHT, FigureLabel

MAX_SHOWN = 6  # images in a row
MAX_REGIONS = 24  # bars; of more regions those of largest predicted response are drawn, and the requested one


def print_figure(result: DriveResult, label: FigureLabel, page: Page) -> Figure:
    """Draw two rows of images, and bars of the regions beside them.

    Parameters
    ----------
    result : DriveResult
        The result.
    label : FigureLabel
        Headline, caption and label of simulated data.
    page : Page
        Size of page and type.

    Returns
    -------
    Figure
        The figure.
    """
    n = min(MAX_SHOWN, len(result.images))
    groups = (
        ("generated", result.images, result.predicted, result.kinds),
        ("stimulus", result.natural, result.natural_predicted, result.natural_kinds),
    )
    with print_style(page):
        figure = new_page(label, page)
        grid = figure.add_gridspec(2, n + 2)
        for row, (group, images, predicted, kinds) in enumerate(groups):
            for i in range(n):
                axes = figure.add_subplot(grid[row, i])
                axes.imshow(images[i])
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
                if i == 0:
                    axes.set_ylabel(group, fontsize=page.base * 0.8)
                kind = KINDS[int(kinds[i].argmax())]
                axes.set_title(f"{predicted[i]:+.1f} SD\n{kind}", fontsize=page.base * 0.8)
        axes = figure.add_subplot(grid[:, n:])
        names = sorted(result.by_region, key=result.by_region.__getitem__)
        drawn = [name for name in names[:-MAX_REGIONS] if name == result.request.region] + names[-MAX_REGIONS:]
        unit = UNIT if len(drawn) == len(names) else f"{UNIT}, {len(drawn)} of {len(names)} regions"
        colours = [LIGHT.joint if name == result.request.region else LIGHT.grid for name in drawn]
        axes.barh(drawn, [result.by_region[name] for name in drawn], color=colours)
        axes.tick_params("y", labelsize=min(page.base, 0.4 * page.height * POINTS / len(drawn)))
        axes.set_xlabel(unit)
        axes.axvline(0, color=LIGHT.muted, lw=0.8)
    return figure
