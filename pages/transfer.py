"""Transfer: do encoding models carry across language and vision?"""

from __future__ import annotations

from brivl.analyses.transfer.page import transfer_page

transfer_page()
