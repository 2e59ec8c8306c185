"""What is in the two codes: pictures of them, what ties them together, and what each says that it should not.

from turncoat.engine.analysis.codes import dependence, embedding, gather_codes, probes
codes = gather_codes(network, dataset)  # encoded once
dependence(network, dataset, codes=codes).numbers()
"""

from turncoat.engine.analysis.codes.dependence import Dependence, DependenceSettings, dependence
from turncoat.engine.analysis.codes.distance_correlation import (
    corrected_distance_correlation,
    distance_correlation,
    partial_distance_correlation,
)
from turncoat.engine.analysis.codes.embedding import Embedding, EmbeddingSettings, embedding
from turncoat.engine.analysis.codes.frames import FrameCodes, FrameSettings, NetworkCodes, gather_codes
from turncoat.engine.analysis.codes.information import PUBLISHED, Information, InformationSettings, information
from turncoat.engine.analysis.codes.probes import CodeProbes, ProbesSettings, probes

__all__ = [
    "PUBLISHED",
    "CodeProbes",
    "Dependence",
    "DependenceSettings",
    "Embedding",
    "EmbeddingSettings",
    "FrameCodes",
    "FrameSettings",
    "Information",
    "InformationSettings",
    "NetworkCodes",
    "ProbesSettings",
    "corrected_distance_correlation",
    "dependence",
    "distance_correlation",
    "embedding",
    "gather_codes",
    "information",
    "partial_distance_correlation",
    "probes",
]
