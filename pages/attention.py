"""Attend: where the model looks for a word, and which words it weighs."""

from __future__ import annotations

from brivl.analyses.attention.page import attention_page

attention_page()
