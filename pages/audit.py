"""Audit: known faults of the published protocol, each with its measured effect on the data chosen."""

from __future__ import annotations

from brivl.analyses.audit.page import audit_page

audit_page()
