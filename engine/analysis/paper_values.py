"""What the paper prints, to stand beside what is measured here: never pooled with it, for it is of other data.

Source: Nakka and Salzmann, "Understanding Pose and Appearance Disentanglement in 3D Human Pose Estimation", 2023, on
Human3.6M. Numbers are as printed, also where they contradict each other; `NOTES` says where, `row_mean` and
`mse_of_psnr` are how one can check.
"""

from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

SOURCE = (
    "Nakka and Salzmann, Understanding Pose and Appearance Disentanglement in 3D Human Pose Estimation, 2023; Human3.6M"
)
SUBJECTS = ("S1", "S5", "S6", "S7", "S8")
AVERAGE = "Average"

Errors = tuple[float, float]
"""MPJPE in mm, initial and final."""

# Table 1: network -> subject -> errors. `Average`, the row and the column, is as printed.
TABLE_1: dict[str, dict[str, Errors]] = {
    "NSD": {
        "S1": (21.0, 179.7),
        "S5": (19.6, 180.0),
        "S6": (22.3, 179.8),
        "S7": (18.8, 179.2),
        "S8": (16.8, 178.6),
        AVERAGE: (19.7, 179.5),
    },
    "DRNet": {
        "S1": (23.9, 169.7),
        "S5": (14.1, 166.7),
        "S6": (23.5, 177.9),
        "S7": (17.6, 177.5),
        "S8": (21.7, 198.9),
        AVERAGE: (20.2, 177.5),
    },
    "CSSL": {
        "S1": (21.5, 176.9),
        "S5": (25.3, 186.5),
        "S6": (26.8, 196.7),
        "S7": (24.1, 191.8),
        "S8": (30.5, 186.9),
        AVERAGE: (25.6, 207.5),
    },
    AVERAGE: {
        "S1": (21.6, 174.2),
        "S5": (19.6, 177.1),
        "S6": (23.4, 184.7),
        "S7": (20.3, 182.3),
        "S8": (23.0, 187.8),
        AVERAGE: (21.8, 176.8),
    },
}


@dataclass(frozen=True)
class Pictures:
    """Attacked against unattacked synthesis, as Tables 2 and 4 print it: PSNR in dB; of which mean the MSE is, they do
    not say."""

    ssim: float
    psnr_db: float
    mse: float


TABLE_2: dict[str, Pictures] = {
    "NSD": Pictures(0.947, 24.65, 0.012),
    "DRNet": Pictures(0.963, 26.45, 0.007),
    "CSSL": Pictures(0.943, 24.37, 0.013),
}
TABLE_3: dict[str, dict[str, float]] = {
    "NSD": {"DC(A, P)": 0.88, "IOB(I, A)": 0.79, "IOB(I, P)": 1.15},
    "DRNet": {"DC(A, P)": 0.59, "IOB(I, A)": 0.90, "IOB(I, P)": 1.08},
    "CSSL": {"DC(A, P)": 0.77, "IOB(I, A)": 0.95, "IOB(I, P)": 1.29},
    "CSSL(DA)": {"DC(A, P)": 0.62},
}
"""The last line stands in section 6, in the text."""
TABLE_4: dict[str, Pictures] = {"CSSL": TABLE_2["CSSL"], "CSSL(DA)": Pictures(0.926, 22.90, 0.018)}

NOTES = (
    "The average that Table 1 prints for the final error of CSSL, 207.5 mm, is not the mean of its rows, 187.8 mm "
    "(every row is below 197); that of DRNet, 177.5, is not either (178.1). Those of NSD and all initial errors are. "
    "Where one number stands for a network here, it is the mean of its rows.",
    "Nor is the column of averages over networks the mean of the three beside it: S1 is printed as 21.6 and 174.2, the "
    "means are 22.1 and 175.4; the final error over all is printed as 176.8, the mean of all fifteen is 181.8.",
    "PSNR and MSE of Tables 2 and 4 contradict each other if both are means over pixels and channels: 24.65 dB would "
    "be an MSE of .0034, .012 is printed. The ratio is 3.1 to 3.6 in all four columns, as if the MSE were summed over "
    "the three channels. Both conventions stand in our tables.",
    "The paper states neither the threshold, the largest number of iterations, the step size nor the optimiser, nor "
    "how many frames it attacked. Finals of 178 to 180 mm for NSD look like a threshold near 175 mm that the last step "
    "passes; means below it (DRNet, S1 and S5) like frames that ran out of iterations.",
    "The paper prints no success rate, no interval and no control.",
)

_NETWORKS = {"nsd": "NSD", "drnet": "DRNet", "cssl": "CSSL"}


def paper_network(method: str) -> str | None:
    """The network of Tables 1 and 2 that was trained as `method` was ("nsd", "cssl", ...); None if there is none."""
    return _NETWORKS.get(method.lower())


def table_3(network: str) -> dict[str, float]:
    """Table 3's values for the network that a shipped one was trained like: same method, same kind of data; else {}."""
    return TABLE_3.get({**_NETWORKS, "cssl-da": "CSSL(DA)"}.get(network, ""), {})


def row_mean(network: str) -> Errors:
    """Mean over the five subjects of Table 1's rows for `network`: initial and final, mm."""
    rows = [TABLE_1[network][subject] for subject in SUBJECTS]
    return fmean(row[0] for row in rows), fmean(row[1] for row in rows)


def mse_of_psnr(psnr_db: float) -> float:
    """The mean squared error, over pixels and channels, that a PSNR of pictures in [0, 1] stands for."""
    return float(10 ** (-psnr_db / 10))


def facts() -> dict[str, Any]:
    """All of it as plain values, for JSON."""
    pictures = {name: {key: asdict(value) for key, value in table.items()} for name, table in _PICTURE_TABLES.items()}
    table_1 = {
        network: {subject: {"initial_mm": pair[0], "final_mm": pair[1]} for subject, pair in rows.items()}
        for network, rows in TABLE_1.items()
    }
    return {"source": SOURCE, "table_1": table_1, **pictures, "table_3": TABLE_3, "notes": list(NOTES)}


_PICTURE_TABLES = {"table_2": TABLE_2, "table_4": TABLE_4}
