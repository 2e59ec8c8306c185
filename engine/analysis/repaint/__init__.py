"""Repaintings with other codes than a person's own: another's appearance, none, another's channels of the pose code.

from turncoat.engine.analysis.repaint import replace_channels, swap_appearance, zero_appearance
found = swap_appearance(load_network("nsd"), open_dataset("data"))
found.numbers(), found.facts(), found.pictures
"""

from turncoat.engine.analysis.repaint.channels import Channels, ChannelSettings, replace_channels
from turncoat.engine.analysis.repaint.swap import Swap, SwapSettings, swap_appearance
from turncoat.engine.analysis.repaint.zero import Zero, ZeroSettings, zero_appearance

__all__ = [
    "ChannelSettings",
    "Channels",
    "Swap",
    "SwapSettings",
    "Zero",
    "ZeroSettings",
    "replace_channels",
    "swap_appearance",
    "zero_appearance",
]
