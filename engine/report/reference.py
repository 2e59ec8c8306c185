"""Table 1 of the paper (Nakka and Salzmann, "Understanding Pose and Appearance Disentanglement in 3D Human Pose
Estimation", 2023): MPJPE in mm before and after the attack, on Human3.6M."""

CITATION = "Nakka and Salzmann 2023, Table 1, Human3.6M"

# network: {subject: (initial, final)}; 'Average' as printed.
TABLE_1: dict[str, dict[str, tuple[float, float]]] = {
    "NSD": {
        "S1": (21.0, 179.7),
        "S5": (19.6, 180.0),
        "S6": (22.3, 179.8),
        "S7": (18.8, 179.2),
        "S8": (16.8, 178.6),
        "Average": (19.7, 179.5),
    },
    "DRNet": {
        "S1": (23.9, 169.7),
        "S5": (14.1, 166.7),
        "S6": (23.5, 177.9),
        "S7": (17.6, 177.5),
        "S8": (21.7, 198.9),
        "Average": (20.2, 177.5),
    },
    "CSSL": {
        "S1": (21.5, 176.9),
        "S5": (25.3, 186.5),
        "S6": (26.8, 196.7),
        "S7": (24.1, 191.8),
        "S8": (30.5, 186.9),
        "Average": (25.6, 207.5),
    },
}


def published_row(method: str) -> tuple[str, tuple[float, float]]:
    """(name, (initial, final)) of the paper's average row for a method; NSD's where the paper has no such network."""
    name = {network.lower(): network for network in TABLE_1}.get(method.split("-")[0].lower(), "NSD")
    return name, TABLE_1[name]["Average"]
