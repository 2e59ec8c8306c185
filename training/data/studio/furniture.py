"""Things to put into a room: each is a few solids, placed against a wall.

A `Builder` collects solids. Its coordinates are a wall's own: `s` along the wall to the right (seen from inside,
facing it, 0 at its middle), `y` up from the floor, `z` out of the wall into the room; all mm. `turn` rotates about
the upright.
"""

from __future__ import annotations

import numpy as np

from turncoat.training.data.studio import surfaces as tx
from turncoat.training.data.studio.raycast import BOX, CYLINDER, ELLIPSOID, ROOM, Solid, Texture


def upright(degrees: float) -> np.ndarray:
    """(3, 3) rotation about y."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def tilt(axis: int, degrees: float) -> np.ndarray:
    """(3, 3) rotation about x (0) or z (2)."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) if axis == 0 else np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


class Builder:
    """Collects the solids of one room of half widths `x`, `z` and the given height (mm)."""

    def __init__(self, x: float, z: float, height: float, texture: Texture) -> None:
        self.half = (x, z)
        self.solids = [Solid(ROOM, np.array([0, height / 2, 0]), np.array([x, height / 2, z]), np.eye(3), texture)]
        self.wall("north")

    def wall(self, name: str, turn: float = 0.0) -> Builder:
        """Work at this wall from now on."""
        index = ("north", "west", "south", "east").index(name)
        self.frame = upright(90.0 * index)
        depth = self.half[1] if index % 2 == 0 else self.half[0]
        self.origin = self.frame @ np.array([0, 0, -depth])
        self.spot = np.zeros(3)
        self.turn = np.eye(3)
        return self

    def at(self, s: float, z: float, turn: float = 0.0) -> Builder:
        """Move the origin to (s, z) on the floor before this wall, turned by `turn` degrees."""
        self.spot = np.array([s, 0.0, z])
        self.turn = upright(turn)
        return self

    def add(
        self,
        kind: int,
        centre: tuple[float, float, float],
        half: tuple[float, float, float],
        texture: Texture,
        rotation: np.ndarray | None = None,
        glow: float = 0.0,
    ) -> None:
        world = self.origin + self.frame @ (self.spot + self.turn @ np.array(centre, dtype=np.float64))
        axes = self.frame @ self.turn @ (np.eye(3) if rotation is None else rotation)
        self.solids.append(Solid(kind, world, np.array(half, dtype=np.float64), axes, texture, glow))

    def box(
        self, s: float, y: float, z: float, w: float, h: float, d: float, texture: Texture, glow: float = 0
    ) -> None:
        """A box whose foot is at height y, centred at (s, z), of width w, height h, depth d."""
        self.add(BOX, (s, y + h / 2, z), (w / 2, h / 2, d / 2), texture, glow=glow)

    def tube(self, s: float, y: float, z: float, r: float, h: float, texture: Texture, glow: float = 0) -> None:
        """An upright cylinder whose foot is at height y."""
        self.add(CYLINDER, (s, y + h / 2, z), (r, h / 2, r), texture, glow=glow)

    def rod(self, s: float, y: float, z: float, r: float, w: float, texture: Texture, across: bool = False) -> None:
        """A lying cylinder along the wall (or out of it), centred at (s, y, z)."""
        self.add(CYLINDER, (s, y, z), (r, w / 2, r), texture, tilt(0, 90) if across else tilt(2, 90))

    def ball(self, s: float, y: float, z: float, r: tuple[float, float, float], texture: Texture) -> None:
        self.add(ELLIPSOID, (s, y, z), r, texture)

    # ---- things ----

    def skirting(self, colour: str, height: float = 110) -> None:
        """A skirting board along all four walls."""
        for name, half in (("north", 0), ("west", 1), ("south", 0), ("east", 1)):
            self.wall(name).box(0, 0, 9, 2 * self.half[half], height, 18, tx.plain(colour))

    def window(
        self, s: float, y: float, w: float, h: float, view: Texture, frame: str = "f4f2ec", bars: int = 2
    ) -> None:
        """A window with `bars` panes across, two up, and a sill."""
        paint = tx.plain(frame)
        self.box(s, y, 12, w, h, 20, view, glow=1.0)
        for i in range(bars + 1):
            thick = 70 if i in (0, bars) else 38
            self.box(s - w / 2 + w * i / bars, y - 35, 25, thick, h + 70, 50, paint)
        for level, thick in ((y, 70), (y + 0.62 * h, 38), (y + h, 70)):
            self.box(s, level - thick / 2, 24, w, thick, 48, paint)
        self.box(s, y - 75, 70, w + 200, 40, 140, paint)

    def curtain(self, s: float, y: float, w: float, h: float, colour: str) -> None:
        """Hanging folds."""
        count = max(int(w / 90), 2)
        for i in range(count):
            self.tube(s - w / 2 + w * (i + 0.5) / count, y, 85 + 22 * (i % 2), w / count * 0.62, h, tx.cloth(colour))

    def picture(self, s: float, y: float, w: float, h: float, image: Texture, frame: str = "3c3630") -> None:
        self.box(s, y - 25, 14, w + 50, h + 50, 28, tx.wood(frame))
        self.box(s, y, 18, w, h, 28, image)

    def door(self, s: float, colour: str, w: float = 900, h: float = 2080, glass: Texture | None = None) -> None:
        self.box(s, 0, 16, w + 180, h + 90, 32, tx.plain("efece4"))
        self.box(s, 0, 24, w, h, 36, tx.plain(colour))
        for y, tall in ((160, 0.36 * h), (0.36 * h + 280, 0.64 * h - 420)):
            pane = glass if glass is not None and y > 200 else tx.plain(colour, 0.05)
            self.box(s, y, 30, w - 260, tall, 36, pane, glow=0.8 if pane is glass else 0)
        self.ball(s + w / 2 - 80, 1020, 70, (30, 30, 30), tx.plain("c9b27a"))

    def sofa(self, w: float, colour: str, cushions: tuple[str, ...]) -> None:
        body = tx.cloth(colour)
        self.box(0, 90, 450, w, 300, 840, body)
        self.box(0, 90, 130, w, 720, 230, body)
        for side in (-1, 1):
            self.box(side * (w / 2 + 90), 90, 450, 190, 520, 860, body)
            self.box(side * w / 4, 390, 500, w / 2 - 20, 130, 720, tx.cloth(colour, 4))
            for z in (120, 800):
                self.tube(side * (w / 2 + 60), 0, z, 28, 90, tx.wood("5b4030"))
        for i, shade in enumerate(cushions):
            s = (i + 0.5) / len(cushions) * (w - 150) - (w - 150) / 2
            self.add(BOX, (s, 690, 320), (210, 190, 65), tx.cloth(shade), tilt(0, -18) @ tilt(2, 6 * (-1) ** i))

    def shelf(
        self, w: float, h: float, d: float, colour: str, palette: tuple[str, ...], seed: int, step: float = 340
    ) -> None:
        """A bookcase; `h` is made of whole shelves of `step` mm."""
        count, board = int(h / step), tx.wood(colour, seed)
        h = count * step
        self.box(0, 60, d / 2 - 30, w, h, d - 100, tx.books(palette, step, seed))
        for i in range(count + 1):
            self.box(0, 30 + i * step, d / 2, w, 32, d, board)
        for side in (-1, 0, 1) if w > 1100 else (-1, 1):
            self.box(side * w / 2, 0, d / 2, 36, h + 90, d + 4, tx.wood(colour, seed + 1, upright=True))

    def plant(
        self, height: float, spread: float, pot: str, greens: tuple[str, ...], leaves: int = 16, seed: int = 0
    ) -> None:
        """A pot with leaves that rise and hang over in a spiral."""
        self.tube(0, 0, 0, 0.34 * spread, 0.30 * height, tx.plain(pot, 0.04))
        self.tube(0, 0.30 * height, 0, 0.36 * spread, 30, tx.plain(pot, 0.04))
        for i in range(leaves):
            angle, share = 137.5 * i + 40 * seed, (i + 0.5) / leaves
            lean = 62 - 52 * share
            long = (0.22 + 0.22 * share) * height
            axes = upright(angle) @ tilt(0, lean)
            foot = np.array([0, (0.30 + 0.12 * share) * height, 0])
            centre = foot + axes @ np.array([0, long, 0])
            leaf = tx.foliage(greens[i % 2 :], 60)
            self.add(ELLIPSOID, (centre[0], centre[1], centre[2]), (0.17 * spread, long, 0.035 * spread), leaf, axes)

    def tree(self, height: float, spread: float, pot: str, greens: tuple[str, ...], trunk: str = "7a5b42") -> None:
        """A small tree with a round crown in a square planter."""
        self.box(0, 0, 0, 460, 420, 460, tx.wood(pot))
        self.tube(0, 400, 0, 38, height - 0.9 * spread - 350, tx.wood(trunk, upright=True))
        for i, (s, y, z, r) in enumerate(
            (
                (0, 0, 0, 0.62),
                (-0.42, -0.1, 0.1, 0.42),
                (0.44, -0.06, 0.02, 0.43),
                (0.06, 0.3, 0.12, 0.44),
                (0.0, -0.2, 0.42, 0.4),
            )
        ):
            size = r * spread
            crown = height - 0.75 * spread
            self.ball(
                s * spread, crown + y * spread, z * spread, (size, 0.92 * size, size), tx.foliage(greens, 62 + 9 * i)
            )

    def floor_lamp(self, height: float, metal: str, shade: str) -> None:
        self.tube(0, 0, 0, 150, 24, tx.plain(metal))
        self.tube(0, 0, 0, 14, height - 200, tx.plain(metal))
        self.tube(0, height - 330, 0, 210, 300, tx.stripes((shade, shade), 60, gap=6), glow=0.75)

    def table(self, w: float, d: float, h: float, top: str, legs: str, round_top: bool = False) -> None:
        if round_top:
            self.tube(0, h - 40, 0, w / 2, 40, tx.wood(top))
            self.tube(0, 0, 0, 45, h - 40, tx.plain(legs))
            self.tube(0, 0, 0, w / 4, 25, tx.plain(legs))
            return
        self.box(0, h - 45, 0, w, 45, d, tx.wood(top))
        for i in (-1, 1):
            for j in (-1, 1):
                self.box(i * (w / 2 - 60), 0, j * (d / 2 - 60), 60, h - 45, 60, tx.wood(legs, upright=True))

    def chair(self, seat: str, legs: str, h: float = 450) -> None:
        """A chair whose back is towards the wall."""
        self.box(0, h - 35, 0, 420, 40, 420, tx.cloth(seat))
        self.box(0, h + 180, -195, 420, 260, 30, tx.cloth(seat))
        for i in (-1, 1):
            self.box(i * 185, 0, 185, 36, h - 30, 36, tx.wood(legs))
            self.box(i * 185, 0, -195, 36, h + 430, 36, tx.wood(legs))

    def stool(self, seat: str, legs: str, h: float = 640) -> None:
        self.tube(0, h, 0, 180, 50, tx.cloth(seat))
        for i in range(4):
            axes = upright(45 + 90 * i) @ tilt(0, -9)
            centre = axes @ np.array([0, 0, 0]) + upright(45 + 90 * i) @ np.array([0, h / 2, 130])
            self.add(CYLINDER, (centre[0], centre[1], centre[2]), (17, h / 2, 17), tx.wood(legs), axes)

    def crate(self, w: float, h: float, colour: str, turn: float = 0.0, y: float = 0.0) -> None:
        """A slatted wooden box."""
        self.add(
            BOX,
            (0, y + h / 2, 0),
            (w / 2, h / 2, w / 2),
            tx.stripes((colour,), h / 3, upright=False, gap=16),
            upright(turn),
        )
        for i in (-1, 1):
            for j in (-1, 1):
                c = upright(turn) @ np.array([i * (w / 2 - 25), 0, j * (w / 2 - 25)])
                self.add(
                    BOX, (c[0], y + h / 2, c[2]), (34, h / 2 + 3, 34), tx.wood(colour, 5, upright=True), upright(turn)
                )

    def bench(self, w: float, top: str, legs: str, h: float = 430) -> None:
        for i in range(3):
            self.box(0, h - 40, 60 + 130 * i, w, 40, 115, tx.wood(top, i))
        for side in (-1, 1):
            self.box(side * (w / 2 - 120), 0, 190, 60, h - 40, 360, tx.plain(legs))
