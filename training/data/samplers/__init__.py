"""What a batch is made of. A sampler answers ``batch(step) -> rows int64``; randomness comes from (seed, step) alone,
so a resumed training run needs no sampler state and two machines agree. A method names the one it takes.
"""

from turncoat.training.data.samplers.frames import Uniform
from turncoat.training.data.samplers.instants import InstantPairs, TemporalWindows
from turncoat.training.data.samplers.selection import balanced_selection
from turncoat.training.data.samplers.subjects import SubjectPairs
from turncoat.training.data.samplers.views import ViewPairs

__all__ = ["InstantPairs", "SubjectPairs", "TemporalWindows", "Uniform", "ViewPairs", "balanced_selection"]
