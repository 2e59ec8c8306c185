"""Does an attack made for one network fool another? Every target under every generator's attacks.

from turncoat.engine.analysis.transfer import transfer_matrix
found = transfer_matrix(["nsd", "cssl"], ["nsd", "cssl", "supervised"], "data", "runs/transfer")
found.cell("natural", "everyday", "nsd", "cssl", "supervised").error_mm
"""

from turncoat.engine.analysis.transfer.cells import PAST_MM, Cell, Repaint
from turncoat.engine.analysis.transfer.matrix import SELECTION, SETTINGS, Transfer, transfer_matrix

__all__ = ["PAST_MM", "SELECTION", "SETTINGS", "Cell", "Repaint", "Transfer", "transfer_matrix"]
