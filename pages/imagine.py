"""Text to image."""

from __future__ import annotations

from brivl.analyses.generation.page import imagine_page

imagine_page()
