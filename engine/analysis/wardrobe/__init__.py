"""How far clothes alone move a network's pose: the same pose and camera, one thing changed at a time, nothing painted.

    from turncoat.engine.analysis.wardrobe import WardrobeSettings, wardrobe_test
    found = wardrobe_test(load_network("nsd"), open_dataset("data-crossed"), WardrobeSettings())
    found["colours"].mpjpe_mm, found.noise.mpjpe_mm, found.numbers()

docs/wardrobe.md says what is measured.
"""

from turncoat.engine.analysis.wardrobe.compare import compare_wardrobe
from turncoat.engine.analysis.wardrobe.measure import wardrobe_test
from turncoat.engine.analysis.wardrobe.result import WardrobeTest
from turncoat.engine.analysis.wardrobe.settings import WardrobeSettings
from turncoat.engine.analysis.wardrobe.spread import Part, Shares, Spread

__all__ = ["Part", "Shares", "Spread", "WardrobeSettings", "WardrobeTest", "compare_wardrobe", "wardrobe_test"]
