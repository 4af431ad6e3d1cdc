"""The integration test as a table and sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from brivl.analyses.integration.compute import BOTH, LANGUAGE, MULTIMODAL, UNTRAINED, VISION, Integration

ALPHA = 0.05
MATCHED = (
    "BriVL-mini and ViT-mini have the same visual architecture and size and were trained on drawn scenes of the same "
    "kind; one learned from captions, the other without language. Not matched: the objective, and so what each was "
    "told about a scene. MiniLM is matched to neither: it was trained elsewhere, on text."
)


def integration_table(found: Integration) -> pd.DataFrame:
    """One row per region, the whole first: R2 of each set alone, differences with 95 % CI and one-sided p, p, q."""
    table = pd.DataFrame({"region": found.regions, "n_voxels": found.n_voxels})
    for name, values in found.r2.items():
        table[f"r2 {name}"] = values
    for row, rival in enumerate(found.rivals):
        table[f"less {rival}"] = found.difference[row]
        table[f"ci_low {rival}"], table[f"ci_high {rival}"] = found.ci[0, row], found.ci[1, row]
        table[f"p {rival}"] = found.p[row]
    table["p chance"], table["p"], table["q"] = found.chance, found.p_all, found.q_all
    for row, band in enumerate(found.bands):
        table[f"split {band}"] = found.split[row]
    if found.planted is not None:
        table["planted share"] = found.planted
    return table


def against(found: Integration) -> list[str]:
    """The rivals that count: neither the untrained twin, a control, nor further encoders."""
    return [name for name in found.rivals if name not in found.info.get("beside", [UNTRAINED])]


def headline(found: Integration) -> str:
    """What came out, in one sentence."""
    n = len(found.regions) - 1
    if n == 0:
        p = found.p_all[0]
        return f"{found.asked.multimodal} {'beats' if p < ALPHA else 'does not beat'} all rivals (p = {p:.3f})"
    sure, trend = (found.q_all[1:] < ALPHA).sum(), (found.p_all[1:] < ALPHA).sum()
    return (
        f"{found.asked.multimodal} beats {_listed(against(found))} in {sure} of {n} regions at q < .05 "
        f"({trend} at p < .05)"
    )


def _listed(names: list[str]) -> str:
    words = {VISION: "vision", LANGUAGE: "language", BOTH: "both together"}
    said = [words[name] for name in names]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def summary(found: Integration) -> dict[str, Any]:
    """Numbers of the whole; against what was planted, where that is known."""
    out: dict[str, Any] = {
        "n_regions": len(found.regions) - 1,
        "n_q05": int((found.q_all[1:] < ALPHA).sum()),
        "n_p05": int((found.p_all[1:] < ALPHA).sum()),
        "r2_all_voxels": {name: round(float(v[0]), 4) for name, v in found.r2.items()},
        "p_all_voxels": round(float(found.p_all[0]), 4),
        "layers": found.info["layers"],
    }
    if found.planted is not None and len(found.regions) > 3:
        planted, best = found.planted[1:], margin(found)[1:]
        varied = np.ptp(planted) > 0 and np.ptp(best) > 0
        out["truth"] = {
            "rho_planted_share_and_margin": round(float(spearmanr(planted, best).statistic), 4) if varied else None,
            "false_p05_where_share_below_half": int(((found.p_all[1:] < ALPHA) & (planted < 0.5)).sum()),
            "n_share_below_half": int((planted < 0.5).sum()),
        }
    return out


def margin(found: Integration) -> np.ndarray:
    """(n_regions,) R2 of the multimodal model less that of its best rival that counts."""
    rivals = np.stack([found.r2[name] for name in against(found)])
    return found.r2[MULTIMODAL] - rivals.max(0)


def said(found: Integration) -> str:
    """How it was tested."""
    info = found.info
    layers = ", ".join(f"{role} {layer}" for role, layer in info["layers"].items())
    return (
        f"A region counts where {found.asked.multimodal} predicts it better than chance and than each rival: p is "
        f"the largest of these one-sided p, by {info['n_blocks']} {info['blocks']} that change places or sign; q over "
        f"the regions. Layers: {layers}. The untrained twin and encoders beside these three do not enter p."
    )
