"""The five rooms, as lists of solids. Sizes in mm; the middle (radius 1.2 m) and all lines of sight stay free.

Each room has its own colours and its own things; the first solid is the room itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from turncoat.training.data.studio import surfaces as tx
from turncoat.training.data.studio.furniture import Builder, tilt, upright
from turncoat.training.data.studio.raycast import BOX, CYLINDER, Solid

GREENS = ("3f6b3a", "5d8f4c", "7fae5e")
BOOKS = ("b5483c", "d9a441", "3f6f8f", "e8dcc3", "5c7f5a", "7d4f6d", "c9764a", "2f4858", "d8d2c4")


def loft() -> list[Solid]:
    """Oak boards, whitewashed and red brick, sage paint; a living room."""
    oak = tx.planks(("c49a6c", "b98d5f", "cfa678", "bd9468"), 160, 1700)
    white = tx.bricks(("dcd6cb", "d3ccc0", "e2ddd3"), "c6bfb3")
    red = tx.bricks(("b4745a", "a9684f", "be8067", "b07a62"), "cdbfae")
    sage = tx.plain("a9b9a2", 0.03, 3)
    b = Builder(4250, 4250, 3400, tx.room(oak, tx.planks(("e8e2d6",), 300, 9000), white, sage, red, sage))
    b.skirting("ece7dc")
    city = tx.sky("7fb2dc", "dcebf2", "8fa6b5", "7b8f86")
    b.wall("north").at(0, 4250).box(0, 0, 0, 3000, 6, 2300, tx.rug(("c3c6c0", "aab8bd", "7f9bab", "d9d3c4")))
    # North-west corner.
    b.wall("west").at(2250, 90).sofa(1700, "3f7f86", ("e0b25a", "d9d2c2", "c8674a"))
    b.at(0, 0).picture(2250, 1280, 1050, 760, tx.art("hills", ("f0d9b0", "e0a46c", "b8664c", "6a4f5c")))
    b.wall("north").window(-1900, 850, 1500, 1650, city, "3d4246", 3)
    b.at(-3350, 420).floor_lamp(1700, "4a4540", "f3dfb4")
    # South-west.
    b.wall("west").at(-2450, 0).shelf(1700, 2050, 330, "8a5d3b", BOOKS, 1)
    b.wall("south").at(2250, 0).picture(300, 1150, 560, 760, tx.art("leaf", ("efe9da", "5f8560", "3d5a44")))
    b.picture(-450, 1150, 560, 760, tx.art("circles", ("efe3cf", "d98c5f", "3f6f8f", "e2b95c")))
    b.at(3550, 480).plant(1450, 560, "d8d0c2", GREENS, 18)
    b.at(2000, 560).table(1150, 420, 480, "a8794f", "3c3936")
    b.at(2000, 560).box(-250, 480, 0, 330, 60, 230, tx.plain("c8674a"))
    b.box(-235, 540, 10, 290, 45, 210, tx.plain("e8dcc3"))
    b.ball(270, 590, 0, (120, 110, 120), tx.plain("4f7f8c"))
    # South-east.
    b.wall("south").at(-2300, 0).window(0, 850, 1500, 1650, city, "3d4246", 3)
    b.at(-2300, 60).box(0, 0, 200, 1700, 560, 360, tx.wood("b58a5c"))
    b.box(-430, 560, 200, 460, 60, 320, tx.cloth("7a8f98"))
    b.ball(480, 680, 200, (150, 120, 150), tx.foliage(GREENS, 50))
    b.wall("east").at(2100, 0).door(0, "5f7f86")
    b.at(3300, 480).plant(1350, 560, "c8674a", GREENS, 15, 2)
    # North-east.
    b.wall("east").at(-2500, 550, 12).box(0, 90, 0, 820, 330, 780, tx.cloth("d9a25a"))
    b.box(0, 90, -330, 820, 800, 190, tx.cloth("d9a25a", 2))
    b.box(-400, 90, 0, 150, 520, 800, tx.cloth("cf9850"))
    b.box(400, 90, 0, 150, 520, 800, tx.cloth("cf9850"))
    b.wall("east").at(-2500, 0).picture(0, 1350, 760, 760, tx.art("blocks", ("f0ebdf", "c8674a", "3f7f86", "e0b25a")))
    b.wall("north").at(2050, 0).box(0, 0, 220, 1700, 620, 400, tx.wood("8a5d3b"))
    for s in (-425, 425):
        b.box(s, 70, 224, 790, 480, 400, tx.wood("98694a", 4))
    b.box(-350, 620, 200, 300, 420, 200, tx.plain("3d4246"))
    b.tube(250, 620, 220, 110, 260, tx.plain("e6dfd0"))
    b.ball(250, 1010, 220, (170, 200, 170), tx.foliage(GREENS, 55))
    b.picture(0, 1380, 1100, 620, tx.art("sun", ("f2dcb8", "e08f5a", "5f8f96", "3f6f7c")))
    return b.solids


def gym() -> list[Solid]:
    """A sports hall: grey-green floor with court lines, white walls with blue padding; mats, wall bars, balls."""

    def floor(p: np.ndarray, n: np.ndarray, half: np.ndarray) -> np.ndarray:
        base = tx.planks(("c9b48c", "c3ad84", "cfbb95"), 90, 1100)(p, n, half)
        x, z = p[:, 0], p[:, 2]
        base[np.abs(np.hypot(x, z) - 2300) < 35] = tx.rgb("e9eef0")
        base[(np.abs(x - 2900) < 35) | (np.abs(x + 2900) < 35)] = tx.rgb("3c78a8")
        base[(np.abs(z - 3500) < 30) & (np.abs(x) < 2900)] = tx.rgb("c9553f")
        base[(np.abs(z + 3500) < 30) & (np.abs(x) < 2900)] = tx.rgb("c9553f")
        return base

    padding = tx.stripes(("4f86b5", "4a80ae"), 1000, gap=24)
    high = tx.tiles(("d8dcda", "dcdfdc", "d5d9d8"), "c6ccca", 400, 200)
    wall = tx.banded(1500, padding, high, "e8ebec", 30)
    b = Builder(5600, 5600, 4600, tx.room(floor, tx.plain("dfe2e2"), wall, wall, wall, wall))
    bar = tx.wood("d8ae74")
    # North: wall bars and a stack of mats.
    b.wall("north")
    for s in (-1250, -250, 750):
        for side in (0, 1000):
            b.box(s + side - 500, 0, 110, 70, 2600, 150, tx.wood("c79a60", upright=True))
        for i in range(13):
            b.rod(s, 180 + 185 * i, 120, 22, 930, bar)
    b.at(2350, 560)
    for i, colour in enumerate(("c9553f", "3c78a8", "c9553f", "e0b040")):
        b.box(12 * (-1) ** i, 160 * i, 0, 1500, 155, 900, tx.plain(colour, 0.03))
    b.at(-2550, 700).ball(0, 375, 0, (375, 375, 375), tx.plain("5fa58a"))
    b.at(-3150, 900).ball(0, 275, 0, (275, 275, 275), tx.plain("d98a4a"))
    # West: vaulting box, bench, banner.
    b.wall("west").at(-300, 700)
    for i in range(4):
        b.box(0, 240 * i, 0, 1600 - 60 * i, 232, 620 - 45 * i, tx.wood("d3a56a", i))
    b.box(0, 960, 0, 1380, 160, 470, tx.plain("a8573f", 0.04))
    b.at(2050, 300).bench(2000, "d8ae74", "5b6a72")
    b.at(-2350, 420).ball(0, 300, 0, (300, 300, 300), tx.plain("4f8fc0"))
    b.at(-300, 0).box(0, 1950, 20, 2600, 900, 30, tx.art("lanes", ("3c78a8", "dfe6e8", "c9553f")))
    # South: goal, clock, climbing ropes, crash mat leaning on the wall.
    b.wall("south").at(-700, 0)
    for s in (-1150, 1150):
        b.box(s, 0, 600, 80, 2000, 80, tx.stripes(("e8e8e4", "c9553f"), 250, upright=False))
        b.box(s, 0, 300, 50, 50, 600, tx.plain("8f999e"))
    b.box(0, 1960, 600, 2380, 80, 80, tx.stripes(("e8e8e4", "c9553f"), 250))
    b.add(BOX, (0, 1000, 220), (1150, 1000, 6), tx.tiles(("7fa3c0", "86a9c5"), "e8ecee", 150), None)
    b.at(2050, 0).add(BOX, (0, 1080, 330), (800, 1080, 130), tx.plain("4f9a86", 0.03), tilt(0, -9))
    b.at(1200, 0).add(CYLINDER, (-300, 2750, 30), (300, 24, 300), tx.plain("f2f2ee"), tilt(0, 90))
    b.box(-300, 2750, 56, 20, 210, 6, tx.plain("30363a"))
    b.box(-230, 2745, 56, 140, 20, 6, tx.plain("30363a"))
    # East: dumbbell rack, mirror, boxes for jumping.
    b.wall("east").at(900, 330)
    for level in (330, 760):
        b.box(0, level - 60, 0, 1900, 50, 420, tx.plain("5b6a72"))
        for i in range(7):
            s = -780 + 260 * i
            b.rod(s, level + 80, 0, 22, 300, tx.plain("aab2b6"), across=True)
            for z in (-120, 120):
                b.rod(
                    s, level + 80, z, 78 + 6 * (i % 3), 90, tx.plain(("3f4a50", "c9553f", "3c78a8")[i % 3]), across=True
                )
    for s in (-900, 900):
        b.box(s, 0, 0, 60, 1000, 420, tx.plain("5b6a72"))
    b.at(-1500, 560, 8)
    b.box(0, 0, 0, 800, 600, 700, tx.wood("c99d66"))
    b.box(-120, 600, 0, 500, 450, 450, tx.wood("d3a974", 3))
    b.at(-2600, 600, -14).box(0, 0, 0, 700, 450, 600, tx.wood("bb9060", 6))
    b.at(0, 0).box(400, 1750, 20, 3000, 1050, 30, tx.sky("9cc4e0", "dbe8ee", "a9bfb0", "8aa884"), glow=1)
    for i in range(5):
        b.box(-1100 + 750 * i, 1720, 30, 60, 1110, 60, tx.plain("f0f2f2"))
    b.box(400, 1720, 30, 3060, 60, 60, tx.plain("f0f2f2"))
    b.box(400, 2780, 30, 3060, 60, 60, tx.plain("f0f2f2"))
    return b.solids


def kitchen() -> list[Solid]:
    """Chequered tiles, butter-yellow walls, blue-green cupboards; a family kitchen."""
    floor = tx.tiles(("d3cebf", "9db1ad"), "b9b6aa", 420, checker=True)
    butter = tx.plain("dcc88f", 0.02, 5)
    splash = tx.tiles(("e3e4dd", "dadcd6", "e8e8e2"), "c3c5be", 200, 100)
    boards = tx.banded(1050, tx.stripes(("cfd8cc",), 120, gap=10), butter, "e6e8df", 35)
    tiled = tx.banded(1700, splash, butter, "c9b57c", 12)
    b = Builder(4300, 4300, 3100, tx.room(floor, tx.plain("ece8dc"), tiled, boards, boards, tiled))
    front, top = "6f9a94", "b98b5a"
    garden = tx.sky("8cbfe2", "e2eff2", "93b585", "6f9a5c")

    def units(first: float, count: int, step: float = 600) -> None:
        for i in range(count):
            s = first + step * i
            b.box(s, 100, 290, step, 760, 580, tx.plain(front))
            b.box(s, 140, 296, step - 50, 480, 580, tx.plain("7aa59f", 0.03))
            b.box(s, 650, 296, step - 50, 170, 580, tx.plain("7aa59f", 0.03))
            b.box(s, 730, 596, 160, 22, 22, tx.plain("e0d8c0"))
            b.box(s, 560, 596, 160, 22, 22, tx.plain("e0d8c0"))
        b.box(first + step * (count - 1) / 2, 860, 300, step * count + 20, 45, 620, tx.wood(top))

    # North-west: worktop round the corner, window, hanging shelf.
    b.wall("north").at(0, 0)
    units(-3700, 6)
    b.window(-2200, 1150, 1500, 1150, garden, bars=2)
    b.tube(-3300, 905, 300, 90, 250, tx.plain("c8674a"))
    b.ball(-1500, 990, 300, (190, 90, 190), tx.plain("e9e4d6"))
    for i, (s, c) in enumerate(((-1560, "d9553f"), (-1430, "e8a53c"), (-1500, "8fb54c"))):
        b.ball(s, 1060, 280 + 70 * i, (60, 60, 60), tx.plain(c))
    b.wall("west").at(0, 0)
    units(2200, 3)
    b.box(2600, 1480, 140, 1500, 40, 260, tx.wood(top))
    for i, c in enumerate(("e9e4d6", "c8674a", "6f9a94", "e0b25a", "e9e4d6", "7d8fa0")):
        b.tube(2020 + 230 * i, 1520, 140, 62 + 10 * (i % 2), 130 + 60 * (i % 3), tx.plain(c))
    b.box(2200, 905, 290, 520, 14, 480, tx.plain("4a4f52"))
    b.tube(2080, 920, 330, 130, 170, tx.plain("b9483a"))
    b.wall("west").at(1250, 0).box(0, 0, 300, 680, 2250, 600, tx.plain(front))
    for y, tall in ((120, 1150), (1310, 900)):
        b.box(0, y, 306, 620, tall, 600, tx.plain("7aa59f", 0.03))
    b.box(230, 1150, 610, 22, 300, 22, tx.plain("e0d8c0"))
    # South-west: fridge, dresser with plates.
    b.wall("west").at(-2000, 0).box(0, 30, 340, 780, 1850, 660, tx.plain("b9d0cb"))
    b.box(0, 1210, 675, 770, 14, 6, tx.plain("7f9a95"))
    b.box(-310, 1290, 690, 30, 380, 30, tx.plain("e8ecea"))
    b.box(-310, 760, 690, 30, 400, 30, tx.plain("e8ecea"))
    b.box(120, 1480, 672, 140, 180, 4, tx.art("sun", ("f2dcb8", "e08f5a", "5f8f96")))
    b.wall("west").at(-3300, 0).box(0, 0, 200, 900, 900, 400, tx.wood("b3814f"))
    b.wall("south").at(2300, 0).box(0, 0, 230, 1700, 880, 440, tx.wood("b3814f", 2))
    for s in (-560, 0, 560):
        b.box(s, 80, 236, 510, 720, 440, tx.wood("c1905c", 3))
        b.ball(s + 180, 480, 462, (22, 22, 22), tx.plain("e6dcc0"))
    for level in (1330, 1730):
        b.box(0, level, 120, 1700, 36, 240, tx.wood("b3814f"))
        for i in range(6):
            axes = tilt(0, 78)
            shade = tx.rug(("e9e6da", "5f8fb0", "e9e6da", "c8674a")[i % 2 :], "rings")
            b.add(CYLINDER, (-690 + 276 * i, level + 160, 70), (125, 9, 125), shade, axes)
    b.tube(-500, 880, 240, 90, 300, tx.plain("5f8fb0"))
    b.ball(-500, 1240, 240, (150, 130, 150), tx.foliage(("c8674a", "e0b25a", "7fae5e"), 45))
    # South-east: dining corner.
    b.wall("south").at(-2400, 0).window(0, 1000, 1300, 1200, garden)
    b.curtain(-800, 850, 260, 1500, "c8674a")
    b.curtain(800, 850, 260, 1500, "c8674a")
    b.at(-2500, 720, 5).table(1300, 800, 750, "c79a63", "8a6a48")
    b.ball(0, 830, 0, (170, 80, 170), tx.plain("5f8fb0"))
    b.ball(40, 890, 10, (65, 65, 65), tx.plain("e8a53c"))
    b.at(-1450, 650, 70).chair("c8674a", "8a6a48")
    b.wall("east").at(1800, 560, 10).chair("6f9a94", "8a6a48")
    b.at(1700, 0).picture(0, 1350, 620, 760, tx.art("leaf", ("f2ecd9", "7aa35f", "4c6f4a")))
    b.at(2500, 0).picture(0, 1450, 460, 560, tx.art("circles", ("f2ecd9", "d9553f", "e8a53c", "8fb54c")))
    # North-east: garden door, high table with stools, plant.
    b.wall("north").at(2500, 0).door(0, "e3e6dc", 950, 2100, garden)
    b.at(3550, 480).plant(1250, 520, "5f8fb0", GREENS, 16, 1)
    b.wall("east").at(-2300, 420).table(1700, 460, 950, "c79a63", "6b6f70")
    b.tube(-500, 950, 0, 70, 240, tx.plain("8fb54c"))
    b.box(350, 950, 0, 320, 220, 220, tx.plain("c8674a"))
    b.at(-2700, 900).stool("e0b25a", "6b6f70")
    b.at(-1900, 900).stool("e0b25a", "6b6f70")
    b.at(-2300, 0).box(0, 1500, 110, 1400, 36, 220, tx.wood(top))
    for i in range(5):
        b.box(-500 + 240 * i, 1536, 110, 130, 200 + 40 * (i % 3), 140, tx.plain(("e9e4d6", "5f8fb0", "c8674a")[i % 3]))
    return b.solids


def studio() -> list[Solid]:
    """An artist's studio: blue-grey carpet, lilac and plum walls, slatted panels; easels, canvases, paper rolls."""
    carpet = tx.tiles(("9ca0b0", "9599aa", "a3a7b6"), "9599aa", 600)
    lilac, plum = tx.plain("b7abc4", 0.03, 7), tx.plain("a08dab", 0.03, 8)
    slats = tx.stripes(("bfb096", "b8a98f", "c5b79e"), 110, gap=26)
    concrete = tx.tiles(("b3b3b0", "acacaa", "b9b8b4"), "9a9a98", 1250, 1000)
    b = Builder(5000, 5000, 3800, tx.room(carpet, tx.plain("e2e0e4"), lilac, slats, concrete, plum))
    b.skirting("d9d5dd", 90)

    def easel(image: str, colours: tuple[str, ...], w: float, h: float) -> None:
        axes = tilt(0, -10)
        for side in (-1, 1):
            b.add(BOX, (side * 260, 850, 40), (22, 860, 18), tx.wood("b88c5c"), axes @ tilt(2, side * 9))
        b.box(0, 620, 130, 700, 40, 90, tx.wood("b88c5c"))
        b.add(BOX, (0, 660 + h / 2, 110), (w / 2, h / 2, 16), tx.art(image, colours), axes)

    # North.
    b.wall("north").at(-450, 500, 8)
    easel("hills", ("e9dcc8", "d7a08c", "8f7aa0", "4f5f86"), 850, 1000)
    b.at(-2500, 650, 14)
    easel("circles", ("ece6dc", "e0b25a", "5f8f96", "c8674a"), 760, 760)
    b.at(-3550, 0).window(0, 800, 1700, 1900, tx.sky("8fb8e0", "e6ecf4", "9aa6bf", "7f8fa0"), bars=3)
    b.at(700, 0).picture(0, 1200, 900, 1200, tx.art("lanes", ("ece6dc", "7f6f95", "e0b25a")))
    b.at(-1500, 350).box(0, 0, 0, 500, 700, 400, tx.plain("d8d4cc"))
    for i, c in enumerate(("c8674a", "5f8f96", "e0b25a", "7f6f95")):
        b.tube(-160 + 105 * i, 700, 30 * (-1) ** i, 44, 140, tx.plain(c))
    # West: shelves with rolls and jars, canvases leaning.
    b.wall("west").at(-450, 0)
    b.shelf(1900, 2000, 380, "d8cfc0", ("c8674a", "e0b25a", "5f8f96", "7f6f95", "e6e0d4", "9fb08a"), 3, 400)
    for i in range(4):
        b.add(
            BOX,
            (-1650 - 330 * i, 520 + 60 * (i % 2), 200),
            (380, 500 + 60 * (i % 2), 14),
            tx.art(("sun", "blocks", "hills", "leaf")[i], ("ece6dc", "c8674a", "5f8f96", "4f5f86")),
            tilt(0, -9) @ upright(4),
        )
    b.at(-3750, 550).plant(1650, 600, "ece6dc", GREENS, 17, 3)
    b.at(-1750, 750).stool("e0b25a", "5a5560")
    b.at(-2400, 0).picture(0, 1700, 1100, 760, tx.art("sun", ("f0dcc0", "e08f5a", "7f6f95", "4f5f86")))
    # South: paper backdrop rolls, soft box, plinths with sculptures.
    b.wall("south").at(-400, 0)
    b.box(0, 0, 60, 2300, 2700, 20, tx.plain("b9c8c4", 0.02))
    b.rod(0, 2740, 110, 90, 2500, tx.plain("dde6e2"))
    b.box(0, 0, 700, 2300, 8, 1280, tx.plain("b9c8c4", 0.02))
    b.at(-1800, 500).floor_lamp(1900, "4a4a52", "f4f1ea")
    b.at(-2600, 450, 20).box(0, 0, 0, 420, 950, 420, tx.plain("e9e7e4"))
    b.ball(0, 1130, 0, (190, 190, 190), tx.plain("7f6f95", 0.05))
    b.at(-3250, 650, -10).box(0, 0, 0, 420, 650, 420, tx.plain("e9e7e4"))
    b.add(BOX, (0, 850, 0), (150, 200, 150), tx.plain("c8674a", 0.05), upright(35) @ tilt(2, 20))
    b.at(-4100, 700).crate(560, 420, "c79a63", 12)
    b.crate(460, 360, "b88c5c", -18, 430)
    # East: long work table, pin-board, sofa.
    b.wall("east").at(-2300, 520).table(2300, 760, 780, "d3b083", "6a6470")
    b.box(-600, 780, 0, 520, 260, 360, tx.plain("5f8f96"))
    b.rod(300, 840, 0, 60, 700, tx.plain("ece6dc"))
    b.rod(320, 840, 130, 60, 700, tx.plain("e0b25a"))
    b.tube(850, 780, 0, 75, 180, tx.plain("c8674a"))
    for i in range(5):
        b.add(CYLINDER, (850, 1010, 0), (9, 150, 9), tx.wood("d8ae74"), upright(72 * i) @ tilt(0, 14))
    b.at(-2300, 0).box(0, 1250, 20, 2100, 1000, 40, tx.plain("d7c9ae"))
    for i in range(6):
        b.box(
            -800 + 320 * i,
            1420 + 130 * (i % 2),
            30,
            230,
            300 + 60 * (i % 3),
            36,
            tx.art(("sun", "blocks", "leaf", "circles", "hills", "lanes")[i], ("f2ecdf", "c8674a", "5f8f96", "e0b25a")),
        )
    b.at(350, 80).sofa(1500, "7f6f95", ("e0b25a", "ece6dc"))
    b.at(350, 0).picture(0, 1300, 1000, 700, tx.art("blocks", ("ece6dc", "5f8f96", "c8674a", "4f5f86")))
    return b.solids


def courtyard() -> list[Solid]:
    """Outdoors: paving, ochre and brick walls under an open sky, hedges, trees in planters, a gate. Not trained on."""
    paving = tx.flagstones(("b5aca0", "aaa298", "c0b6a8", "a8a39c"), "8d867c")
    b = Builder(16000, 16000, 13000, tx.room(paving, tx.plain("8fbbe2"), *[tx.plain("a9cbe8")] * 4))
    half = 5200
    room = b.solids.pop()
    b.half = (half, half)
    outside = tx.sky("86b7e4", "d3e6f2", "a8bfa0", "8aa87c")
    b.solids.append(Solid(room.kind, room.centre, room.half, room.rotation, room.texture))
    greens = ("3f6a34", "5a8a45", "78a658", "94bc6c")
    for name in ("north", "west", "south", "east"):
        b.wall(name).box(0, 0, -9000, 32000, 15000, 100, outside, glow=1.0)
    stucco = tx.plain("d6b98a", 0.05, 9)
    brick = tx.bricks(("b98468", "ad785c", "c49177"), "cbbca8")
    # North: an ochre house front with shutters and a door.
    b.wall("north").box(0, 0, -150, 11000, 5200, 300, tx.banded(520, tx.plain("b3a08a", 0.05), stucco, "a8957e", 18))
    for s in (-2950, 1650):
        b.window(s, 1150, 1000, 1300, tx.sky("6f93b0", "b9cfdc", "7f97a8", "6f8698"), "efe8da")
        for side in (-1, 1):
            b.box(s + side * 800, 1080, 30, 480, 1440, 50, tx.stripes(("5f8a86",), 70, upright=False, gap=18))
        b.box(s, 900, 130, 1100, 170, 220, tx.plain("b3684a"))
        for i in range(6):
            b.ball(
                s - 450 + 180 * i, 1110, 140, (130, 110, 120), tx.foliage(("4f7f3f", "c8525a", "e8a0a8", "78a658"), 50)
            )
    b.door(-650, "5f8a86", 1050, 2250)
    b.box(-650, 0, 350, 1700, 120, 700, tx.plain("bdb4a6", 0.05))
    for s in (-1700, 400):
        b.at(s, 420).plant(1150, 520, "b3684a", GREENS, 15)
    # West: brick wall with coping, espalier hedge and a bench.
    b.wall("west").box(0, 0, -150, 10400, 2300, 300, brick)
    b.box(0, 2300, -150, 10400, 110, 420, tx.plain("c9c0b2", 0.04))
    b.at(-750, 80).bench(1900, "a8794f", "5f6a66", 450)
    b.box(0, 560, 40, 1900, 130, 40, tx.wood("a8794f", 2))
    b.box(0, 760, 40, 1900, 130, 40, tx.wood("a8794f", 3))
    b.at(-2850, 520).tree(2600, 980, "9a7350", greens)
    b.at(850, 520).tree(2300, 820, "9a7350", greens)
    b.at(0, 0).add(
        CYLINDER,
        (-750, 1650, 12),
        (330, 20, 330),
        tx.rug(("e0d6c4", "5f8a86", "e0d6c4", "b3684a"), "rings"),
        tilt(0, 90),
    )
    # South: tall hedge with a wooden gate.
    b.wall("south").box(-4450, 0, 150, 3000, 2050, 700, tx.foliage(greens, 120))
    b.box(2500, 0, 150, 6000, 2050, 700, tx.foliage(greens, 120))
    for s in (-2950, -350):
        b.box(s, 0, 300, 420, 2350, 420, brick)
        b.box(s, 2350, 300, 520, 90, 520, tx.plain("c9c0b2"))
        b.ball(s, 2600, 300, (190, 190, 190), tx.plain("c9c0b2", 0.05))
    b.box(-1650, 60, 250, 2180, 1750, 70, tx.stripes(("8a9fa8", "92a7b0"), 180, gap=14))
    for y in (350, 1350):
        b.box(-1650, y, 300, 2180, 130, 50, tx.plain("7d929b"))
    b.at(450, 850).tube(0, 0, 0, 300, 480, tx.plain("b3684a", 0.05))
    b.ball(0, 700, 0, (420, 340, 420), tx.foliage(("5a8a45", "e8c14a", "78a658", "d9803f"), 60))
    b.at(-3600, 850).tube(0, 0, 0, 260, 400, tx.plain("7d929b", 0.05))
    b.ball(0, 600, 0, (380, 320, 380), tx.foliage(("5a8a45", "8a6fb5", "78a658", "c9a0d8"), 60))
    # East: pergola wall with vines, table and chairs.
    b.wall("east").box(0, 0, -150, 10400, 2500, 300, tx.plain("cfc4b2", 0.05, 10))
    for i in range(7):
        b.box(-3000 + 1000 * i, 0, 60, 110, 2600, 110, tx.wood("8a6a4c", upright=True))
        b.box(-3000 + 1000 * i, 2600, 400, 90, 130, 1300, tx.wood("8a6a4c"))
    b.box(0, 2540, 60, 7000, 120, 120, tx.wood("8a6a4c"))
    for i in range(16):
        s = -3200 + 430 * i
        drop = 300 + 260 * ((i * 7) % 4)
        b.ball(s, 2500 - 0.4 * drop, 130, (300, drop, 150), tx.foliage(greens, 80))
    b.at(-1000, 720).table(1100, 1100, 740, "dcd6c8", "5f6a66", round_top=True)
    b.ball(0, 800, 0, (130, 70, 130), tx.plain("b3684a"))
    b.at(-1850, 640, 35).chair("5f8a86", "5f6a66")
    b.at(-150, 640, -35).chair("5f8a86", "5f6a66")
    b.at(-3100, 450).crate(620, 420, "b08a5c", 10)
    b.ball(0, 560, 0, (300, 240, 300), tx.foliage(greens, 60))
    return b.solids


ROOMS: dict[str, Callable[[], list[Solid]]] = {
    "loft": loft,
    "gym": gym,
    "kitchen": kitchen,
    "studio": studio,
    "courtyard": courtyard,
}
