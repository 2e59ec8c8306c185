"""How fast the studio renders, everything per frame included: motion, skinning, four views, labels, writing.

    python benchmarks/rendering.py [--preset default]

Renders into a temporary folder (removed afterwards) with all cores, after a warm-up that compiles the kernels.
"""

import argparse
import tempfile
import time
from pathlib import Path

from measure import save, versions

from turncoat.training.data.studio.render import render_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="default")
    preset = parser.parse_args().preset
    rows = []
    for name in dict.fromkeys(["demo", preset]):  # the demo comes first: it compiles
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            info = render_dataset(Path(folder) / "dataset", preset=name)
            seconds = time.perf_counter() - started
            stored = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        frames = sum(info["splits"].values())
        rows.append(
            {
                "preset": name,
                "frames": frames,
                "seconds": round(seconds, 1),
                "frames/s": round(frames / seconds),
                "MB on disk": round(stored / 1e6),
                "fingerprint": info["fingerprint"],
            }
        )
    print(save("rendering", "Rendering the studio dataset, 128 x 128", rows, {"versions": versions("numpy", "numba")}))


if __name__ == "__main__":
    main()
