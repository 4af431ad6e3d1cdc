"""Transfer: do encoding models carry over between language and vision?"""

from __future__ import annotations

from brivl.analyses.transfer.page import PAGE
from brivl.ui.analysis_page import show

show(PAGE)
