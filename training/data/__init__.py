"""Datasets: one face over multi-view video on disk, and the samplers that draw batches from it."""

from turncoat.training.data.dataset import Dataset, UnreadableSamples, open_dataset
from turncoat.training.data.index import GROUPS, SPLITS
from turncoat.training.data.pictures import PictureFolder, open_pictures, reopen_pictures

__all__ = [
    "GROUPS",
    "SPLITS",
    "Dataset",
    "PictureFolder",
    "UnreadableSamples",
    "open_dataset",
    "open_pictures",
    "reopen_pictures",
]
