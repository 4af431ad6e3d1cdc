"""Presenter mode: the saved views full screen, by keyboard."""

from __future__ import annotations

from brivl.app.present import present

present()
