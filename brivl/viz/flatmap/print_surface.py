"""The 3-D surface for print and slides, as the camera of the page sees it; colours are those of the flatmap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, TriMesh
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation

from brivl.core.flatmap.geometry import LabelPosition, leading_voxels
from brivl.core.flatmap.surface import SurfaceMesh
from brivl.core.records import FlatmapGeometry, describe_space
from brivl.viz.export import POINTS, Page, new_page, print_style
from brivl.viz.flatmap.painting import MapScores, Painting, labels_that_fit, overlay_on_curvature
from brivl.viz.flatmap.print_figure import NAME_SIZE, SCALE_SHARE, _halo, draw_scale
from brivl.viz.style import LIGHT, FigureLabel

BY_REGION = "regions"  # the form in which each AAL region has the mean of its voxels
AMBIENT, DIFFUSE = 0.42, 0.58  # light, as in webgl/solid.js
LIGHT_FROM = (0.45, -1.0, -0.25)  # along the axes up, forward, right
MARGIN = 0.94  # part of the page that the brain takes at zoom 1
MARK_GAP = 12.0  # mm from the cortex to L and R
LEAST_TURN = 0.35  # of the left-right axis on the page, below which one hemisphere hides the other
CELL, DEPTH_GAP = 4.0, 10.0  # mm: what lies farther behind the foremost vertex of its cell is hidden
LEAST_FACING = 0.5  # part of a region's vertices that must be visible for its name


@dataclass(frozen=True)
class SurfaceView:
    """How a surface is looked at, as on the page.

    Attributes
    ----------
    form : str
        A form of the mesh, or `BY_REGION`.
    yaw, pitch : float
        Degrees; at 0, 0 the brain is seen from behind.
    zoom : float
        1 shows the whole brain.
    voxel : int or None
        Voxel that is marked by a ring.
    chosen : (n_voxels,) bool array or None
        Region with a heavy outline.
    names : bool
        Whether regions are named.
    """

    form: str = "inflated"
    yaw: float = -35.0
    pitch: float = 18.0
    zoom: float = 1.0
    voxel: int | None = None
    chosen: np.ndarray | None = field(default=None, compare=False)
    names: bool = True


def surface_as_map(mesh: SurfaceMesh, form: str, aal: np.ndarray | None, space: str) -> FlatmapGeometry:
    """Describe the vertices of a mesh as a map of one row, so that they are coloured by the functions of flatmaps.

    Parameters
    ----------
    mesh : SurfaceMesh
        Surface of the subject.
    form : str
        With BY_REGION, each vertex shows one voxel of its AAL region instead of those that lie in it.
    aal : (n_voxels,) array or None
        AAL numbers of the voxels.
    space : str
        Space of the voxels.

    Returns
    -------
    FlatmapGeometry
        Map of shape (1, n_vertices), whose background is the shading of the cortex.
    """
    weights = mesh.vertex_to_voxel
    if form == BY_REGION and aal is not None:
        numbers, first = np.unique(np.asarray(aal, int), return_index=True)
        place = np.searchsorted(numbers, mesh.region).clip(max=len(numbers) - 1)
        rows = np.flatnonzero((mesh.region > 0) & (numbers[place] == mesh.region))
        ones = np.ones(len(rows))
        weights = scipy.sparse.csr_matrix((ones, (rows, first[place[rows]])), shape=mesh.vertex_to_voxel.shape)
    mask = np.ones((1, len(mesh.shade)), bool)
    return FlatmapGeometry(weights, mask, mesh.shade[None].astype(float), {}, {}, {}, space)


def region_scores(scores: MapScores, aal: np.ndarray) -> MapScores:
    """Replace the scores of each voxel by the means over the fitted voxels of its AAL region.

    Parameters
    ----------
    scores : MapScores
        Scores of the voxels.
    aal : (n_voxels,) array
        AAL numbers of the voxels; 0 is outside of all regions.

    Returns
    -------
    MapScores
        Means; NaN outside of all regions.
    """
    joint, a, b = (region_means(values, aal) for values in (scores.joint, scores.a, scores.b))
    return replace(scores, joint=joint, a=a, b=b)


def region_means(values: np.ndarray, aal: np.ndarray) -> np.ndarray:
    """Give each voxel the mean of its AAL region.

    Parameters
    ----------
    values : (n_voxels,) array
        Values; NaN is left out.
    aal : (n_voxels,) array
        AAL numbers; 0 is outside of all regions.

    Returns
    -------
    (n_voxels,) array
        Means; NaN outside of all regions and where a region has no value.
    """
    aal, finite = np.asarray(aal, int), np.isfinite(values)
    n = np.bincount(aal, finite, aal.max(initial=0) + 1)
    total = np.bincount(aal, np.where(finite, values, 0.0), len(n))
    means = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
    means[0] = np.nan
    return means[aal]


@dataclass(frozen=True)
class _Seen:
    """A mesh as the camera sees it: positions on the page in mm, from the foremost to the rearmost."""

    mesh: SurfaceMesh
    faces: np.ndarray  # (n, 3) those that face the viewer, the rearmost first
    points: np.ndarray  # (n_vertices, 2) mm to the right and up
    is_visible: np.ndarray  # (n_vertices,) bool
    light: np.ndarray  # (n_vertices,) 0..1
    half: tuple[float, float]  # half of the width and height that the page shows, mm
    marks: dict[str, tuple[float, float]]


def _axes(view: SurfaceView) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Axes of the page in space: right, up, and forward, away from the viewer; as in webgl/solid.js."""
    yaw, pitch = np.radians(view.yaw), np.radians(view.pitch)
    c, s, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    return np.array([c, s, 0]), np.array([-s * sp, c * sp, cp]), np.array([-s * cp, c * cp, -sp])


def _seen(mesh: SurfaceMesh, view: SurfaceView) -> _Seen:
    whole = view.form == BY_REGION
    places = np.asarray(mesh.forms["pial" if whole else view.form], float)
    faces = mesh.faces if whole else mesh.faces[(mesh.faces < mesh.n_cortex).all(1)]
    n = len(places) if whole else mesh.n_cortex
    low, high = places[:n].min(0), places[:n].max(0)
    middle, (x, y, z) = (low + high) / 2, (high - low) / 2
    right, up, forward = _axes(view)
    at = places - middle
    points, depth = np.stack([at @ right, at @ up], axis=1), at @ forward
    crosses = np.cross(places[faces[:, 1]] - places[faces[:, 0]], places[faces[:, 2]] - places[faces[:, 0]])
    normals = np.zeros_like(places)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], crosses)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    source = np.stack([up, forward, right], axis=1) @ np.array(LIGHT_FROM)
    light = AMBIENT + DIFFUSE * np.clip(normals @ (source / np.linalg.norm(source)), 0, None)
    faces = faces[crosses @ forward < 0]
    faces = faces[np.argsort(-depth[faces].mean(1), kind="stable")]
    cortex = places[: mesh.n_cortex]
    height = (cortex[:, 2].min() + cortex[:, 2].max()) / 2 - middle[2]
    sides = {name: np.array([sign * (x + MARK_GAP), 0, height]) for name, sign in (("L", -1), ("R", 1))}
    are_apart = max(abs(right[0]), abs(up[0])) > LEAST_TURN
    marks = {name: (float(p @ right), float(p @ up)) for name, p in sides.items()} if are_apart else {}
    half = (np.hypot(x, y) / (MARGIN * view.zoom), max(y, z) / (MARGIN * view.zoom))
    return _Seen(mesh, faces, points, _visible(points, depth, faces), light, half, marks)


def _visible(points: np.ndarray, depth: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Vertices of faces that face the viewer and that nothing hides, to a few mm."""
    used = np.unique(faces)
    cells = np.floor(points / CELL).astype(int)
    cells -= cells.min(0)
    index = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
    front = np.full(index.max() + 1, np.inf)
    np.minimum.at(front, index[used], depth[used])
    visible = np.zeros(len(points), bool)
    visible[used] = depth[used] <= front[index[used]] + DEPTH_GAP
    return visible


def surface_page(
    mesh: SurfaceMesh,
    painting: Painting,
    regions: Mapping[str, np.ndarray],
    label: FigureLabel,
    page: Page,
    view: SurfaceView,
    geometry: FlatmapGeometry,
) -> Figure:
    """Draw a page with the surface on the left, its scale on the right and its space below.

    Parameters
    ----------
    mesh : SurfaceMesh
        Surface of the subject.
    painting : Painting
        Colours of the vertices, painted on `geometry`, with their scale.
    regions : mapping of str to (n_voxels,) bool array
        Regions that are outlined and named.
    label : FigureLabel
        Headline and caption.
    page : Page
        Size of the page.
    view : SurfaceView
        How the surface is looked at.
    geometry : FlatmapGeometry
        The vertices from `surface_as_map`.

    Returns
    -------
    Figure
        Matplotlib figure.
    """
    seen = _seen(mesh, view)
    with print_style(page):
        figure = new_page(label, page)
        brain, side = figure.subplots(1, 2, width_ratios=(1 - SCALE_SHARE, SCALE_SHARE))
        colours = overlay_on_curvature(geometry, painting.rgba, "light")[0, :, :3] * seen.light[:, None]
        is_flat = view.form == BY_REGION or bool(getattr(painting.scale, "levels", ()))  # classes are not mixed
        _draw_faces(brain, seen, np.clip(colours, 0, 1), is_flat)
        leading = leading_voxels(geometry)[0]
        groups = {name: _members(inside, leading) for name, inside in regions.items()}
        thin = page.base / 13
        if view.form != BY_REGION:
            _draw_outlines(brain, seen, list(groups.values()), thin, page)
        if view.chosen is not None:
            _draw_outlines(brain, seen, [_members(view.chosen, leading)], 2.6 * thin, page)
        if view.names:
            _draw_names(brain, seen, groups, page)
        _draw_marks(brain, seen, leading, page, view)
        brain.axis("off")
        space = brain.text(0, 0, describe_space(geometry.space), transform=brain.transAxes, va="top")
        space.set(size=page.base * 0.8, color=LIGHT.muted, in_layout=False)
        side.axis("off")
        draw_scale(side, painting, page)
        figure.canvas.draw()
        _fill(brain, seen.half)
    return figure


def _fill(axes: Axes, half: tuple[float, float]) -> None:
    """Show at least so many mm around the middle, and as much more as there is room for in the laid-out axes."""
    box = axes.get_window_extent()
    per_pixel = max(2 * half[0] / box.width, 2 * half[1] / box.height)
    x, y = box.width * per_pixel / 2, box.height * per_pixel / 2
    axes.set(xlim=(-x, x), ylim=(-y, y))


def _members(inside: np.ndarray, leading: np.ndarray) -> np.ndarray:
    """(n_vertices,) bool: whether the leading voxel of a vertex is in a group of voxels."""
    return (leading >= 0) & np.asarray(inside, bool)[np.maximum(leading, 0)]


def _draw_faces(axes: Axes, seen: _Seen, colours: np.ndarray, is_flat: bool) -> None:
    points, faces = seen.points, seen.faces
    if is_flat:  # each face has the colour of one vertex
        colours = np.repeat(colours[faces[:, 2]], 3, axis=0)
        points, faces = points[faces].reshape(-1, 2), np.arange(3 * len(faces)).reshape(-1, 3)
    surface = TriMesh(Triangulation(points[:, 0], points[:, 1], faces), rasterized=True, gid="surface")
    surface.set_facecolor([(r, g, b, 1.0) for r, g, b in colours.tolist()])
    axes.add_collection(surface)


def _draw_outlines(axes: Axes, seen: _Seen, groups: Sequence[np.ndarray], width: float, page: Page) -> None:
    lines = [_outline(seen, inside) for inside in groups]
    if lines:
        halo = _halo(width + page.base / 9)
        axes.add_collection(
            LineCollection(list(np.concatenate(lines)), colors="white", linewidths=width, path_effects=halo)
        )


def _outline(seen: _Seen, inside: np.ndarray) -> np.ndarray:
    """(n, 2, 2) lines through the faces that a group of vertices shares with others, where they are visible."""
    faces = seen.faces[seen.is_visible[seen.faces].all(1)]
    held = inside[faces]
    mixed = faces[(held.sum(1) % 3) != 0]
    held = inside[mixed]
    odd = np.where(held.sum(1) == 1, held.argmax(1), (~held).argmax(1))  # the corner that differs from the two others
    row = np.arange(len(mixed))
    apex, others = mixed[row, odd], (mixed[row, (odd + 1) % 3], mixed[row, (odd + 2) % 3])
    return np.stack([(seen.points[apex] + seen.points[other]) / 2 for other in others], axis=1)


def _draw_names(axes: Axes, seen: _Seen, groups: Mapping[str, np.ndarray], page: Page) -> None:
    size = page.base * NAME_SIZE
    scale = 2 * seen.half[0] / (page.width * (1 - SCALE_SHARE) * POINTS)  # mm per point, at least
    used = np.zeros(len(seen.points), bool)
    used[seen.mesh.faces] = True
    labels = []
    for name, inside in groups.items():
        shown = inside & seen.is_visible
        for is_left in (True, False):  # a region of both hemispheres has two places
            side = _is_left(seen.mesh) == is_left
            n_shown, n_all = int((shown & side).sum()), int((inside & used & side).sum())
            if n_shown < 3 or n_shown < LEAST_FACING * n_all:
                continue
            points = seen.points[shown & side]
            middle = points[np.linalg.norm(points - points.mean(0), axis=1).argmin()]
            labels.append(LabelPosition(name, float(middle[0]), float(middle[1]), 2 * float(points.std(0).min())))
    for text in _within(labels_that_fit(labels, 0.6 * size * scale), seen.half):
        drawn = axes.text(text.x, text.y, text.name, color="white", size=size, weight="bold", ha="center", va="center")
        drawn.set(path_effects=_halo(page.base / 7), clip_on=True, in_layout=False)


def _is_left(mesh: SurfaceMesh) -> np.ndarray:
    return np.asarray(mesh.forms["pial"])[:, 0] < 0


def _within(labels: Sequence[LabelPosition], half: tuple[float, float]) -> list[LabelPosition]:
    return [label for label in labels if abs(label.x) < half[0] and abs(label.y) < half[1]]


def _draw_marks(axes: Axes, seen: _Seen, leading: np.ndarray, page: Page, view: SurfaceView) -> None:
    for name, (x, y) in seen.marks.items():
        halo = [patheffects.withStroke(linewidth=page.base / 5, foreground="white")]
        text = axes.text(x, y, name, size=page.base * 1.2, weight="bold", ha="center", va="center", path_effects=halo)
        text.set_clip_on(view.zoom != 1)
        text.set_in_layout(False)
    if view.voxel is None or not (at := np.flatnonzero((leading == view.voxel) & seen.is_visible)).size:
        return
    x, y = seen.points[at[0]]
    for colour, wide in (("black", 2.6), ("white", 1.2)):
        axes.plot(x, y, "o", ms=page.base * 0.6, mfc="none", mec=colour, mew=wide * page.base / 13, gid="picked voxel")
