"""Integration: where a multimodal model beats vision, language and both together."""

from __future__ import annotations

from brivl.analyses.integration.page import integration_page

integration_page()
