"""Is an attack that fails sound? The same frames under everything that might have made it stronger, and what that says.

from turncoat.engine.analysis.soundness import SoundnessSettings, check_soundness
found = check_soundness("nsd", "data", "runs/sound", SoundnessSettings(iterations=200))
found.sound, [one.measured.variant.name for one in found.stronger], found.signs
"""

from turncoat.engine.analysis.soundness.check import Soundness, check_soundness
from turncoat.engine.analysis.soundness.settings import SoundnessSettings

__all__ = ["Soundness", "SoundnessSettings", "check_soundness"]
