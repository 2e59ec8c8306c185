"""What a foreign target is, in TOML: where it lies, what it wants to see, what its numbers mean (docs/targets.md)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from turncoat.kernels.settings import Settings
from turncoat.kernels.skeleton import JOINTS

MILLIMETRES = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
AXES = ("x", "y", "z")
HIPS = ("left_hip", "right_hip")
FEWEST = 3  # joints; a Procrustes rotation is determined by no less

Channels = tuple[float, float, float]
Place = Annotated[int, Field(ge=0)] | Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class InputSettings(Settings):
    """What the target wants to see.

    Attributes:
        height, width: in pixels; pictures are resized to them, bilinear.
        layout: of the array that it is given.
        colours: order of the channels.
        range: values of black and white.
        mean, std: subtracted from and divided by, after `range`, in the order of `colours`.
        kind: `tensor`, or `numpy` for a callable that takes arrays; files are given arrays anyway.
        crop: `frame`: all of it; `box`: a square around the person, from the dataset's mask, so that an attack cannot
            move it.
        margin: side of that square over the longer side of the person's rectangle.
        padding: what lies outside the frame in a box: black, before `range`, or the border's colour repeated.
        batch: pictures at once; a file with a fixed batch keeps its own.
    """

    height: int = Field(ge=1)
    width: int = Field(ge=1)
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    colours: Literal["RGB", "BGR"] = "RGB"
    range: tuple[float, float] = (0.0, 1.0)
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)
    kind: Literal["tensor", "numpy"] = "tensor"
    crop: Literal["frame", "box"] = "frame"
    margin: float = Field(default=1.25, gt=0)
    padding: Literal["black", "border"] = "black"
    batch: int = Field(default=32, ge=1)

    @field_validator("range")
    @classmethod
    def _two_values(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] == value[1]:
            raise ValueError("black and white have to have different values")
        return value

    @field_validator("std")
    @classmethod
    def _positive(cls, value: Channels) -> Channels:
        if min(value) <= 0:
            raise ValueError("a standard deviation has to be above 0")
        return value


class OutputSettings(Settings):
    """What its numbers mean.

    Attributes:
        name: of the output that holds the joints, for files with several and callables that return a dictionary; a
            number for callables that return a tuple. None: the only one.
        count: joints that it predicts, of which `joints` picks.
        numbers: of each joint; the first three are its place. Shapes (B, count, numbers), (B, count * numbers), and
            with ones between are understood.
        joints: which of our 17 joints (docs/conventions.md) lies where: our name = its number, or several, whose mean
            is taken. What is not named takes no part.
        axes: which of its axes run right, down and forward (away from the camera), with a minus where it runs the
            other way: ["x", "-y", "-z"] of a target whose y runs up and whose z runs towards the camera.
        unit: mm, cm, m, or how many millimetres its unit has.
        root: what poses are laid relative to: its own pelvis, or the mean of its two hips.
    """

    name: str | int | None = None
    count: int = Field(ge=1)
    numbers: int = Field(default=3, ge=3)
    joints: dict[str, Place]
    axes: tuple[str, str, str] = AXES
    unit: Literal["mm", "cm", "m"] | Annotated[float, Field(gt=0)] = "mm"
    root: Literal["pelvis", "hips"] = "pelvis"

    @field_validator("joints")
    @classmethod
    def _ours(cls, value: dict[str, Place]) -> dict[str, Place]:
        unknown = [name for name in value if name not in JOINTS]
        if unknown:
            raise ValueError(f"{', '.join(unknown)} {_are(unknown)} not among our joints; they are {', '.join(JOINTS)}")
        if len(value) < FEWEST:
            raise ValueError(f"name at least {FEWEST} joints")
        return value

    @field_validator("axes")
    @classmethod
    def _each_once(cls, value: tuple[str, str, str]) -> tuple[str, str, str]:
        if sorted(axis.removeprefix("-") for axis in value) != sorted(AXES):
            raise ValueError('name x, y and z once each, with a minus or without, like ["x", "-y", "-z"]')
        return value

    @model_validator(mode="after")
    def _fits(self) -> "OutputSettings":
        beyond = [name for name, place in self.joints.items() if max(places(place)) >= self.count]
        if beyond:
            raise ValueError(f"{', '.join(beyond)} {_are(beyond)} beyond the target's {self.count} joints, 0 to "
                             f"{self.count - 1}; correct `joints` or `count`")  # fmt: skip
        wanted = HIPS if self.root == "hips" else ("pelvis",)
        missing = [name for name in wanted if name not in self.joints]
        if missing:
            raise ValueError(f"the root is {self.root!r}, but `joints` does not say where {' and '.join(missing)} lies")
        return self

    @property
    def numbers_of_joints(self) -> tuple[int, ...]:
        """Our numbers of the joints that are named, rising: the order of the poses that come out."""
        return tuple(number for number, name in enumerate(JOINTS) if name in self.joints)

    @property
    def millimetres(self) -> float:
        """That the target's unit has."""
        return MILLIMETRES[self.unit] if isinstance(self.unit, str) else self.unit


class QuerySettings(Settings):
    """How a target without gradients is asked (engine/targets/queries.py).

    Attributes:
        estimator: `nes`: Gaussian directions; `spsa`: directions of coordinates +1 and -1.
        pairs: directions that one gradient is estimated from; each costs two predictions.
        radius: length of a step along one coordinate, in whitened coordinates where the generator has statistics
            (1 is a standard deviation of natural codes), else in those of the code.
        colour_radius: the same for the garments' colours, of which 1 is the whole range.
    """

    estimator: Literal["nes", "spsa"] = "nes"
    pairs: int = Field(default=16, ge=1)
    radius: float = Field(default=0.5, gt=0)
    colour_radius: float = Field(default=0.05, gt=0)


class TargetSettings(Settings):
    """A foreign target; `TargetSettings.load("target.toml")`.

    Attributes:
        source: `module:name` of a Python callable or `nn.Module` (dots in the name go into objects), or the path of an
            .onnx or .tflite file, from the folder of the TOML.
        name: what tables call it; None: the TOML file's name.
        gradients: whether it is differentiable in PyTorch, to which it is held; None: a callable that takes tensors is.
        input, output, queries: see there.
    """

    source: str
    name: str | None = None
    gradients: bool | None = None
    input: InputSettings
    output: OutputSettings
    queries: QuerySettings = QuerySettings()

    @field_validator("source")
    @classmethod
    def _of_a_kind(cls, value: str) -> str:
        module, colon, name = value.partition(":")
        if Path(value).suffix.lower() in FILES or (colon and module and name):
            return value
        raise ValueError("give module:name of a callable, or the path of an .onnx or .tflite file")

    @model_validator(mode="after")
    def _may_have_gradients(self) -> "TargetSettings":
        if self.gradients and (self.is_file or self.input.kind == "numpy"):
            what = "a file" if self.is_file else "a callable that takes arrays"
            raise ValueError(
                f"gradients were asked for, and {what} has none; leave `gradients` out, and it is attacked by queries"
            )
        return self

    @property
    def is_file(self) -> bool:
        """Whether the source is a file, not a callable."""
        return Path(self.source).suffix.lower() in FILES

    @property
    def differentiable(self) -> bool:
        """Whether it can be attacked with gradients."""
        return self.gradients is not False and not self.is_file and self.input.kind == "tensor"


FILES = (".onnx", ".tflite")


def places(place: int | tuple[int, ...]) -> tuple[int, ...]:
    """The target's joints whose mean is one of ours."""
    return (place,) if isinstance(place, int) else place


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
