"""Makes attack.png, the picture at the top of the README, from the demo's run: python docs/images/make.py [RUN]

A row each for the attack on the raw code, the one kept in the ball of natural codes, and the one on the colours of the
clothes: the middle one of the ten strongest examples.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from turncoat.engine.attack import resynthesise
from turncoat.engine.report.skeletons import view
from turncoat.engine.runs import open_run
from turncoat.kernels.skeleton import BONES
from turncoat.training.checkpoint import load_network
from turncoat.training.data import open_dataset

TITLES = ("a frame", "repainted, not attacked", "repainted, attacked", "the predicted 3D poses")
NAMES = {
    "paper": "appearance code,\nunbounded",
    "natural": "appearance code,\nno further out than\n99 % of real ones",
    "colours-0.1": "colours of the\nclothes, ±0.1",
}
BLUE, ORANGE = "#2166ac", "#d6604d"


def chosen(table: dict[str, np.ndarray], setting: str) -> int | None:
    """The middle one of the ten strongest examples in PA-MPJPE, so that plain scale is not what is shown."""
    mine = np.flatnonzero((table["setting"] == setting) & (table["attack"] != "control"))
    mine = mine[np.isfinite(table["error_pa_mm"][mine].astype(float))]
    if not len(mine):
        return None
    order = mine[np.argsort(-table["error_pa_mm"][mine].astype(float))]
    return int(order[: min(10, len(order))][len(order[:10]) // 2])


def main(folder: Path) -> None:
    run = open_run(folder)
    table = {name: np.array(run.table()[name].to_pylist(), dtype=object) for name in
             ("setting", "attack", "error_pa_mm", "error_final_mm", "pose_clean", "pose_attacked")}  # fmt: skip
    dataset = open_dataset(run.info["dataset"]["folder"])
    network = load_network(run.info["generator"]["path"])
    rows = [(s, r) for s in NAMES if (r := chosen(table, s)) is not None]
    pictures = resynthesise(run, dataset, network, [r for _, r in rows])
    figure, axes = plt.subplots(len(rows), 4, figsize=(8.6, 1.86 * len(rows) + 0.3), squeeze=False)
    for n, (setting, row) in enumerate(rows):
        strip = (pictures.clean[n], pictures.synthesis[n], pictures.attacked[n])
        for axis, picture, title in zip(axes[n], strip, TITLES, strict=False):
            axis.imshow(picture.transpose(1, 2, 0)[8:128, 4:124], interpolation="lanczos")
            axis.set_xticks([]), axis.set_yticks([])
            axis.set_title(title if n == 0 else "", fontsize=9)
            for side in axis.spines.values():
                side.set_visible(False)
        axes[n][0].set_ylabel(NAMES[setting], fontsize=8.5, rotation=0, ha="right", va="center", labelpad=8)
        axis = axes[n][3]
        turned = view(38.0)
        for name, colour, width in (("pose_clean", BLUE, 2.2), ("pose_attacked", ORANGE, 2.2)):
            pose = np.array(table[name][row], float).reshape(17, 3) @ turned.T
            for a, b in BONES:
                axis.plot(pose[[a, b], 0], pose[[a, b], 1], color=colour, lw=width, solid_capstyle="round")
        axis.invert_yaxis()
        axis.set_aspect("equal")
        axis.axis("off")
        axis.set_title(TITLES[3] if n == 0 else "", fontsize=9)
        moved = f"moved {table['error_final_mm'][row]:.0f} mm ({table['error_pa_mm'][row]:.0f} mm aligned)"
        axis.text(0.5, -0.04, moved, transform=axis.transAxes, ha="center", va="top", fontsize=8)
    axes[0][3].plot([], [], color=BLUE, label="before")
    axes[0][3].plot([], [], color=ORANGE, label="after")
    axes[0][3].legend(fontsize=7.5, frameon=False, loc="upper left", bbox_to_anchor=(0.8, 1.0), handlelength=1.2)
    figure.subplots_adjust(left=0.155, right=0.93, top=0.93, bottom=0.035, wspace=0.04, hspace=0.1)
    figure.savefig(Path(__file__).with_name("attack.png"), dpi=130)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo"))
