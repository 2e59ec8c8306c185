"""A short trial of a backend: are its answers right, and how long do they take?

This is no verification: `turncoat verify` asks every graph on real frames. Here a few invented pictures are enough to
tell a backend that computes something else.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.engine.runtime.session import Session
from turncoat.kernels.pose_error import mpjpe
from turncoat.training.networks import Canvas, Given

Purpose = Literal["gradient", "predict"]

JOINTS = 17
POSE_MM = {"float32": 0.5, "reduced": 15.0}  # mean joint error, in the mean over the pictures
COSINE = {"float32": 0.9999, "reduced": 0.6}  # of gradients, in the median
_SECONDS, _ROUNDS = 2.0, 40


@dataclass(frozen=True)
class Question:
    """Invented pictures and what is asked about them. Tensors batch first, float32; see `Session`."""

    frames: Tensor
    given: Given | None
    appearance: Tensor | None
    canvas: Canvas | None
    reference: Tensor
    weight: Tensor
    sign: Tensor

    def on(self, device: torch.device, rows: slice = slice(None)) -> "Question":
        """The same on a device, or some rows of it."""

        def moved(value: Tensor) -> Tensor:
            return value[rows].to(device)

        return Question(
            moved(self.frames),
            None if self.given is None else Given(*map(moved, self.given)),
            None if self.appearance is None else moved(self.appearance),
            None if self.canvas is None else Canvas(*map(moved, self.canvas)),
            moved(self.reference),
            self.weight.to(device),
            moved(self.sign),
        )


def invented_question(reference: Session, batch: int) -> Question:
    """Smooth random pictures, repainted where the network can with natural appearance codes.

    reference: a float32 session of the same network.
    """
    settings = reference.bundle.settings
    random = torch.Generator().manual_seed(0)

    def smooth(channels: int) -> Tensor:
        coarse = torch.rand(batch, channels, 12, 12, generator=random)
        return F.interpolate(coarse, [settings.frame_size] * 2, mode="bicubic").clamp(0, 1).to(reference.device)

    frames, background = smooth(3), smooth(3)
    given = None
    if settings.paints == "crop":
        box = torch.tensor([[0.45, 0.7, 0.0, 0.1]], device=reference.device).repeat(batch, 1)
        given = Given(box, smooth(1))
    appearance = canvas = None
    if settings.paints != "nothing":
        codes = reference.encode(frames, given=given)
        canvas = reference.canvas(codes, background, given=given)
        appearance, statistics = codes.appearance, reference.bundle.network.statistics
        if statistics is not None:
            natural = statistics.colour(torch.randn(batch, len(statistics.mean), generator=random))
            appearance = natural.to(reference.device)
        frames = reference.paint(appearance, canvas)
    pose = torch.zeros(batch, JOINTS, 3, device=reference.device)
    if reference.bundle.info["has_regressor"]:
        pose = reference.predict(frames, given=given)
    pose = pose + 20 * torch.randn(pose.shape, generator=random).to(pose)
    ones = torch.ones(batch, device=pose.device)
    return Question(frames, given, appearance, canvas, pose, torch.ones(JOINTS, device=pose.device), ones)


def ask(session: Session, question: Question, purpose: Purpose) -> tuple[Tensor, Tensor | None]:
    """pose (B, 17, 3) mm, and for purpose "gradient" the gradient (B, ...): of the code, or of the frames."""
    if purpose == "predict":
        return session.predict(question.frames, given=question.given), None
    aim = (question.reference, question.weight, question.sign)
    if question.appearance is None or question.canvas is None:
        return session.target_step(question.frames, *aim, given=question.given)
    return session.attack_step(question.appearance, question.canvas, *aim)


def mistake(session: Session, reference: Session, question: Question, purpose: Purpose, batch: int) -> tuple[str, str]:
    """What is wrong with a session's answers ("": nothing), and how close they are, both in words.

    reference: in float32.
    batch: how many pictures are asked about at a time.
    """
    allowed = "float32" if session.precision == "float32" else "reduced"
    off, cosines = [], []
    for begin in range(0, len(question.frames), batch):
        rows = slice(begin, begin + batch)
        right_pose, right = ask(reference, question.on(reference.device, rows), purpose)
        pose, gradient = ask(session, question.on(session.device, rows), purpose)
        off.append(mpjpe(pose.to(right_pose), right_pose))
        if gradient is not None and right is not None:
            cosines.append(F.cosine_similarity(gradient.to(right).flatten(1), right.flatten(1), eps=1e-30))
    distance = float(torch.cat(off).mean())
    facts, limits = f"poses {distance:.2g} mm off", f"at most {POSE_MM[allowed]:g} mm"
    wrong = not distance <= POSE_MM[allowed]  # NaN is wrong
    if cosines:
        cosine = float(torch.cat(cosines).median())
        facts, limits = f"{facts}, cosine of gradients {cosine:.4g}", f"{limits} and at least {COSINE[allowed]:g}"
        wrong = wrong or not cosine >= COSINE[allowed]
    facts = f"{facts} on {len(question.frames)} invented pictures"
    return (f"{facts}, expected {limits}" if wrong else ""), facts


def race(sessions: Mapping[str, Session], question: Question, purpose: Purpose, batch: int) -> dict[str, float]:
    """Milliseconds of one call of each session, in turn: the lower quartile, which other work hardly moves."""
    asked: dict[str, Callable[[], float]] = {}
    for name, session in sessions.items():
        asked[name] = _timed(session, question.on(session.device, slice(batch)), purpose)
        asked[name]()
    times: dict[str, list[float]] = {name: [] for name in asked}
    begin = time.perf_counter()
    for turn in range(_ROUNDS):
        if turn >= 3 and time.perf_counter() - begin > _SECONDS * len(asked):
            break
        for name, one in asked.items():
            times[name].append(one())
    return {name: float(torch.tensor(values).quantile(0.25)) * 1e3 for name, values in times.items()}


def _timed(session: Session, question: Question, purpose: Purpose) -> Callable[[], float]:
    def once() -> float:
        begin = time.perf_counter()
        ask(session, question, purpose)[0].sum().item()  # waits for a GPU
        return time.perf_counter() - begin

    return once
