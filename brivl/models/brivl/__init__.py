"""BriVL: two streams trained by cross-modal contrastive learning (Lu et al. 2022)."""
