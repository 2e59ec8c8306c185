"""Bakes the studio's body and motion assets from their sources. Run once by a developer; users get the baked files.

    python -m turncoat.training.data.studio.bake --mpfb2 DIR --cmu FILE.npz --deepmimic DIR

Sources (see ``assets/LICENCES.md``): MakeHuman/MPFB2 mesh, shape targets, rig and weights (CC0); CMU motion capture;
the DeepMimic reference motions as redistributed with PyBullet (zlib).
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
from pathlib import Path

import numpy as np

ASSETS = Path(__file__).with_name("assets")
GROUPS = ("body", "helper-l-eye", "helper-r-eye", "helper-hair", "helper-skirt")
#: vertices are stored as int16 multiples of this many millimetres (range +-1365 mm)
VERTEX_STEP_MM = 1 / 24
WEIGHTS_PER_VERTEX = 8

Shape = tuple[tuple[str, float], ...]


def _macro(race: str, gender: str, age: str, mix: dict[str, float], height: tuple[str, float] = ("max", 0.0)) -> Shape:
    """Shape targets of one body. ``mix``: weights of "<muscle>muscle-<weight>weight" corners, summing to one."""
    shape = [(f"macrodetails/{race}-{gender}-{age}", 1.0)]
    for corner, amount in mix.items():
        shape.append((f"macrodetails/universal-{gender}-{age}-{corner}", amount))
        if height[1]:
            shape.append((f"macrodetails/height/{gender}-{age}-{corner}-{height[0]}height", amount * height[1]))
    return tuple(shape)


_AVERAGE = "averagemuscle-averageweight"
#: The nine bodies. The first five are trained on, the next two are never; the last two serve ``decorrelated`` and
#: ``crossed``.
BODIES: dict[str, Shape] = {
    "b1": _macro("caucasian", "male", "young", {_AVERAGE: 1.0}, ("max", 0.15)),
    "b2": _macro("african", "female", "young", {"averagemuscle-minweight": 0.7, _AVERAGE: 0.3}),
    "b3": _macro("asian", "male", "young", {"maxmuscle-maxweight": 0.6, _AVERAGE: 0.4}),
    "b4": _macro("caucasian", "female", "old", {"minmuscle-maxweight": 0.7, _AVERAGE: 0.3}, ("min", 0.2)),
    "b5": _macro("african", "male", "young", {"averagemuscle-minweight": 0.6, _AVERAGE: 0.4}, ("max", 0.08)),
    "b6": _macro("asian", "female", "young", {"maxmuscle-averageweight": 0.6, _AVERAGE: 0.4}, ("max", 0.2)),
    "b7": _macro("caucasian", "male", "old", {"averagemuscle-maxweight": 0.6, _AVERAGE: 0.4}),
    "b8": _macro("asian", "female", "old", {"averagemuscle-minweight": 0.5, _AVERAGE: 0.5}, ("max", 0.1)),
    "b9": _macro("african", "female", "young", {"averagemuscle-maxweight": 0.6, _AVERAGE: 0.4}, ("max", 0.2)),
}


def _read_mesh(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (n, 3) in decimetres, triangles (m, 3), group name of each triangle."""
    vertices, triangles, groups, group = [], [], [], ""
    for line in path.read_text().splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(x) for x in words[1:4]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            corner = [int(word.split("/")[0]) - 1 for word in words[1:]]
            for k in range(1, len(corner) - 1):
                triangles.append((corner[0], corner[k], corner[k + 1]))
                groups.append(group)
    return np.array(vertices), np.array(triangles), np.array(groups)


def _read_target(path: Path, count: int) -> np.ndarray:
    delta = np.zeros((count, 3))
    with gzip.open(path, "rt") as lines:
        for line in lines:
            words = line.split()
            if words and not words[0].startswith("#"):
                delta[int(words[0])] += [float(x) for x in words[1:4]]
    return delta


def _bone_order(bones: dict) -> list[str]:
    """Parents before children, otherwise as in the file."""
    order: list[str] = []
    while len(order) < len(bones):
        order += [b for b in bones if b not in order and (not bones[b]["parent"] or bones[b]["parent"] in order)]
    return order


def bake_bodies(mpfb2: Path, out: Path) -> None:
    mesh, triangles, group = _read_mesh(mpfb2 / "3dobjs/base.obj")
    rig = json.loads((mpfb2 / "rigs/standard/rig.cmu_mb.json").read_text())
    bones = rig.get("bones", rig)
    weights = json.loads((mpfb2 / "rigs/standard/weights.cmu_mb.json").read_text())["weights"]
    order = _bone_order(bones)
    cubes = {name: np.unique(triangles[group == name]) for name in set(group) if name.startswith("joint-")}

    def place(vertices: np.ndarray, end: dict) -> np.ndarray:
        if end["strategy"] == "CUBE":
            return vertices[cubes[end["cube_name"]]].mean(0)
        if end["strategy"] == "VERTEX":
            return vertices[end["vertex_index"]]
        return vertices[end["vertex_indices"]].mean(0)

    keep = np.isin(group, GROUPS)
    used = np.unique(triangles[keep])
    renumber = np.full(len(mesh), -1)
    renumber[used] = np.arange(len(used))

    full = np.zeros((len(mesh), len(order)))
    for j, name in enumerate(order):
        if weights.get(name):
            pairs = np.array(weights[name])
            full[pairs[:, 0].astype(int), j] = pairs[:, 1]
    full = full[used]
    strongest = np.argsort(-full, axis=1, kind="stable")[:, :WEIGHTS_PER_VERTEX]
    strength = np.take_along_axis(full, strongest, 1)
    strength /= strength.sum(1, keepdims=True)

    positions, heads, tails = [], [], []
    for shape in BODIES.values():
        body = mesh + sum(
            amount * _read_target(mpfb2 / f"targets/{name}.target.gz", len(mesh)) for name, amount in shape
        )
        body = body * 100.0  # decimetres to millimetres
        steps = np.rint(body[used] / VERTEX_STEP_MM)
        if np.abs(steps).max() > np.iinfo(np.int16).max:
            raise ValueError(f"a vertex lies {np.abs(body[used]).max():.0f} mm from the origin: raise VERTEX_STEP_MM")
        positions.append(steps.astype(np.int16))
        heads.append([place(body, bones[b]["head"]) for b in order])
        tails.append([place(body, bones[b]["tail"]) for b in order])
    np.savez_compressed(
        out / "bodies.npz",
        names=np.array(list(BODIES)),
        vertices=np.array(positions),
        vertex_step_mm=VERTEX_STEP_MM,
        triangles=renumber[triangles[keep]].astype(np.uint16),
        triangle_group=np.array([GROUPS.index(g) for g in group[keep]], np.uint8),
        bones=np.array(order),
        parent=np.array([order.index(bones[b]["parent"]) if bones[b]["parent"] else -1 for b in order], np.int8),
        bone_head_mm=np.array(heads, np.float32),
        bone_tail_mm=np.array(tails, np.float32),
        weight_bone=strongest.astype(np.uint8),
        weight=strength.astype(np.float32),
    )


def bake_motions(cmu: Path, deepmimic: Path, out: Path) -> None:
    shutil.copyfile(cmu, out / "motion_cmu.npz")
    clips = {
        p.stem.removeprefix("humanoid3d_"): json.loads(p.read_text())["Frames"]
        for p in sorted(deepmimic.glob("humanoid3d_*.txt"))
    }
    arrays = {name: np.array(rows, np.float32) for name, rows in clips.items()}
    np.savez_compressed(out / "motion_deepmimic.npz", **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("mpfb2", "cmu", "deepmimic"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    options = parser.parse_args()
    bake_bodies(options.mpfb2, ASSETS)
    bake_motions(options.cmu, options.deepmimic, ASSETS)
