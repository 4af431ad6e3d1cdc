"""Drive: images that an encoding model expects to drive a region."""

from __future__ import annotations

from brivl.app.drive_view import drive_page

drive_page()
