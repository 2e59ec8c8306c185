"""Attacks over whole datasets: what is attacked, in which parts, and how a killed sweep goes on."""

from turncoat.engine.sweep.again import finished_run, place_of_run
from turncoat.engine.sweep.plan import Selection
from turncoat.engine.sweep.resume import resume_run
from turncoat.engine.sweep.run import attack_dataset, step_sizes_of
from turncoat.engine.sweep.shards import Shard, merge_shards

__all__ = [
    "Selection",
    "Shard",
    "attack_dataset",
    "finished_run",
    "merge_shards",
    "place_of_run",
    "resume_run",
    "step_sizes_of",
]
