"""Audit: known faults of the published protocol, each with its measured effect on the data chosen."""

from __future__ import annotations

from brivl.app.audit_view import audit_page

audit_page()
