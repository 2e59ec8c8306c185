"""How fast frames come off the disk: random batches as training draws them, and in order as sweeps read.

python benchmarks/data_reading.py [DATASET]     without one, 20,000 made-up frames with records of a person's size

Compared in the same process, interleaved: with and without the checksum, a numba kernel for the copy, and a plain array
of whole frames (three times the bytes), which is the most that any storage could give.
"""

import argparse
import os
import tempfile
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
from measure import interleaved, quantiles_ms, save, versions

from turncoat.training.data import Dataset, open_dataset
from turncoat.training.data.samplers import ViewPairs
from turncoat.training.data.store import ShardWriter, finish_dataset

BATCH, SIZE = 64, 128


def make_dataset(folder: Path, frames: int, shards: int) -> None:
    """Noise of a person's size, 25 to 60 x 60 to 100 pixels, in sequences of four cameras."""
    random = np.random.default_rng(0)
    scenery = random.integers(0, 256, (16, SIZE, SIZE, 3), dtype=np.uint8)
    for shard in range(shards):
        with ShardWriter(folder, shard) as writer:
            for number in range(shard * frames // shards, (shard + 1) * frames // shards):
                width, height = random.integers(25, 60), random.integers(60, 100)
                x0, y0 = random.integers(0, SIZE - width), random.integers(0, SIZE - height)
                planes = random.integers(0, 256, (5, height, width), dtype=np.uint8)
                sequence, camera = number // 400, number % 4
                writer.add(
                    planes[:3].transpose(1, 2, 0),
                    planes[3],
                    planes[4],
                    int(x0),
                    int(y0),
                    joints_world=np.zeros((17, 3)),
                    sample_id=f"{number:06d}",
                    sequence=f"{sequence}",
                    instant=number % 400 // 4,
                    camera=camera,
                    scene=f"{sequence % 4}",
                    subject="S1",
                    action=f"{sequence % 15}",
                    group="everyday",
                    split="train",
                    view=sequence % 4 * 4 + camera,
                )
    cameras = {
        "scene": [str(view // 4) for view in range(16)],
        "camera": [view % 4 for view in range(16)],
        "rotation": np.repeat(np.eye(3)[None], 16, 0),
        "translation": np.zeros((16, 3)),
        "intrinsics": np.repeat(np.eye(3)[None], 16, 0),
    }
    finish_dataset(folder, {"name": "noise"}, scenery, cameras, shards=shards)


@numba.njit(nogil=True, cache=True)
def paste(frame: np.ndarray, background: np.ndarray, record: np.ndarray, x0: int, y0: int, x1: int, y1: int) -> None:
    """The copy of `Dataset.read` as a compiled loop over whole rows of bytes: frame and background (H, 3 W)."""
    width = 3 * (x1 - x0)
    for y in range(frame.shape[0]):
        if y0 <= y < y1:
            start = (y - y0) * width
            frame[y, : 3 * x0] = background[y, : 3 * x0]
            frame[y, 3 * x0 : 3 * x1] = record[start : start + width]
            frame[y, 3 * x1 :] = background[y, 3 * x1 :]
        else:
            frame[y] = background[y]


def read_numba(ds: Dataset, rows: np.ndarray) -> np.ndarray:
    """`Dataset.read` with `paste`, checksum included."""
    frames = np.empty((len(rows), ds.size, 3 * ds.size), np.uint8)
    backgrounds = ds._backgrounds.reshape(-1, ds.size, 3 * ds.size)
    views = ds.column("view")[rows].tolist()
    bad: list[int] = []
    for i, down, across, record in ds._reader.records(rows, bad):
        paste(frames[i], backgrounds[views[i]], record, across.start, down.start, across.stop, down.stop)
    return frames


def drop_cache(ds: Dataset) -> None:
    """Ask the system to forget the shards, so that the next read comes from the disk (Linux; pages in use stay)."""
    for shard in ds.info["shards"]:
        descriptor = os.open(ds.folder / shard["file"], os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def measure_cold(ds: Dataset, samples: int = 50) -> dict[str, np.ndarray]:
    """Batches from the disk, before anything has mapped the shards; every batch starts with an empty cache."""
    if not hasattr(os, "posix_fadvise"):
        return {}
    random = np.random.default_rng(2)
    seconds: dict[str, list[float]] = {"random": [], "in order": []}
    for _ in range(samples):
        start = int(random.integers(len(ds) - BATCH))
        for name, rows in (("random", random.integers(len(ds), size=BATCH)), ("in order", np.arange(BATCH) + start)):
            fresh = Dataset(ds.folder)
            drop_cache(fresh)
            seconds[name].append(interleaved({"": lambda _, d=fresh, r=rows: d.read(r)}, warm_up=0, samples=1)[""][0])
    return {f"{name} from the disk, empty cache": np.array(values) for name, values in seconds.items()}


def measure(ds: Dataset, samples: int) -> list[dict[str, object]]:
    """One row of the table per way to read."""
    cold = measure_cold(ds)
    random = np.random.default_rng(1)
    batches = random.integers(len(ds), size=(samples + 8, BATCH))
    pairs = ViewPairs(ds, ds.select(split="train"), BATCH // 4, seed=0)
    whole = ds.read(np.arange(min(len(ds), 4000))).transpose(0, 2, 3, 1)
    checksum = zlib.crc32

    def unchecked(turn: int) -> None:
        expected = iter(ds.column("crc32")[batches[turn]].tolist())
        zlib.crc32 = lambda _: next(expected)  # type: ignore[assignment]
        try:
            ds.read(batches[turn])
        finally:
            zlib.crc32 = checksum

    pool = ThreadPoolExecutor(2)
    tasks: dict[str, Callable[[int], object]] = {
        "random": lambda turn: ds.read(batches[turn]),
        "random, 2 threads a half each": lambda turn: list(pool.map(ds.read, np.split(batches[turn], 2))),
        "view pairs, drawn and read": lambda turn: ds.read(pairs.batch(abs(turn))),
        "in order": lambda turn: ds.read(np.arange(BATCH) + (turn % (len(ds) // BATCH)) * BATCH),
        "random, no checksum": unchecked,
        "random, numba copy": lambda turn: read_numba(ds, batches[turn]),
        "random, plain array of frames in memory": lambda turn: whole[batches[turn] % len(whole)],
        "random with masks, labels and poses": lambda turn: (
            ds.read(batches[turn]),
            ds.masks(batches[turn]),
            ds.labels(batches[turn]),
            ds.pose(batches[turn]),
        ),
        "backgrounds, random": lambda turn: ds.background(batches[turn]),
    }
    seconds = interleaved(tasks, warm_up=3, samples=samples) | cold
    worked = interleaved(tasks, warm_up=0, samples=samples, clock=time.process_time)
    base = np.median(worked["random"])
    return [
        {
            "what": name,
            "frames_per_s": round(BATCH / float(np.median(values))),
            **quantiles_ms(values),
            "frames_per_cpu_s": round(BATCH / float(np.median(worked[name]))) if name in worked else None,
            "cpu_times_random": round(float(np.median(worked[name]) / base), 2) if name in worked else None,
        }
        for name, values in seconds.items()
    ]


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", nargs="?", type=Path)
    parser.add_argument("--samples", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as scratch:
        folder = arguments.dataset
        if folder is None:
            folder = Path(scratch) / "noise"
            make_dataset(folder, frames=20_000, shards=20)
        ds = open_dataset(folder)
        stored = sum(shard["bytes"] for shard in ds.info["shards"])
        rows = measure(ds, arguments.samples)
    facts = {
        "dataset": f"{ds.info['name']}, {len(ds):,} frames of {ds.size} x {ds.size}",
        "bytes_per_frame": round(stored / len(ds)),
        "batch": BATCH,
        "samples": arguments.samples,
        "warm_up": 3,
        "versions": versions("numpy", "numba", "pyarrow"),
    }
    print(save("data_reading", "Reading frames", rows, facts))


if __name__ == "__main__":
    main()
