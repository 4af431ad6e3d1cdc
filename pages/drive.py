"""Drive: images that an encoding model expects to drive a region."""

from __future__ import annotations

from brivl.analyses.drive.page import drive_page

drive_page()
