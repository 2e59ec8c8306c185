"""Attacks over whole datasets: what is attacked, in which parts, and how a killed sweep goes on."""

from turncoat.engine.sweep.again import finished_run, place_of_run
from turncoat.engine.sweep.plan import Selection
from turncoat.engine.sweep.run import attack_dataset, step_sizes_of

__all__ = ["Selection", "attack_dataset", "finished_run", "place_of_run", "step_sizes_of"]
