"""Transfer: do encoding models carry across language and vision?"""

from __future__ import annotations

from brivl.app.transfer_view import transfer_page

transfer_page()
