"""Tests within one subject: permutations and sign flips of blocks of held-out samples."""
