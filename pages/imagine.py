"""Text to image."""

from __future__ import annotations

from brivl.app.imagine_view import imagine_page

imagine_page()
