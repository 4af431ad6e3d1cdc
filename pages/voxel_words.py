"""Voxel words: what drives voxels and regions, in words, sentences and pictures."""

from __future__ import annotations

from brivl.analyses.voxel_captions.page import voxel_words_page

voxel_words_page()
