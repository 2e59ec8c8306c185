"""What the paper reports (Nakka and Salzmann, "Understanding Pose and Appearance Disentanglement in 3D Human Pose
Estimation", 2023), on Human3.6M: Table 1, MPJPE in mm before and after the attack; Table 2, attacked against
unattacked pictures."""

from dataclasses import dataclass

import numpy as np

# network: {subject: (initial, final)}
TABLE_1: dict[str, dict[str, tuple[float, float]]] = {
    "NSD": {"S1": (21.0, 179.7), "S5": (19.6, 180.0), "S6": (22.3, 179.8), "S7": (18.8, 179.2), "S8": (16.8, 178.6)},
    "DRNet": {"S1": (23.9, 169.7), "S5": (14.1, 166.7), "S6": (23.5, 177.9), "S7": (17.6, 177.5), "S8": (21.7, 198.9)},
    "CSSL": {"S1": (21.5, 176.9), "S5": (25.3, 186.5), "S6": (26.8, 196.7), "S7": (24.1, 191.8), "S8": (30.5, 186.9)},
}

# network: (PSNR in dB, SSIM)
TABLE_2: dict[str, tuple[float, float]] = {"NSD": (24.65, 0.947), "DRNet": (26.45, 0.963), "CSSL": (24.37, 0.943)}


@dataclass(frozen=True)
class Published:
    """The paper's figures for one of its networks; errors are means over its five subjects."""

    network: str
    initial_mm: float
    final_mm: float
    psnr_db: float
    ssim: float


def published(method: str) -> Published:
    """The paper's network for a method; NSD where the paper has no such network.

    The averages that Table 1 prints for the final errors of CSSL (207.5) and DRNet (177.5) are not the means of its
    rows (187.8, 178.1); here they are the means of the rows, as the averages of our own tables are.
    """
    name = {network.lower(): network for network in TABLE_1}.get(method.split("-")[0].lower(), "NSD")
    initial, final = np.mean(list(TABLE_1[name].values()), axis=0)
    return Published(name, float(initial), float(final), *TABLE_2[name])
