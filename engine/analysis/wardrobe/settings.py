"""What a wardrobe test measures, and on how much."""

from pydantic import Field, field_validator

from turncoat.kernels.settings import Settings


class WardrobeSettings(Settings):
    """Settings of `wardrobe_test`.

    Attributes:
        group: of actions, whose numbers are the result; numbers of other groups stand apart.
        poses: at most so many base poses of each group, spread evenly over the set; None: all.
        thresholds_mm: by more than which an error counts as grown.
        noise_draws: pictures of one grey level of noise, of each anchor.
        batch: frames that are predicted at once.
        seed: of the noise.
    """

    group: str = "everyday"
    poses: int | None = Field(default=None, ge=1)
    thresholds_mm: tuple[float, ...] = (25.0, 50.0, 100.0)
    noise_draws: int = Field(default=3, ge=1)
    batch: int = Field(default=128, ge=1)
    seed: int = Field(default=0, ge=0)

    @field_validator("thresholds_mm")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or any(each <= 0 for each in value) or len(set(value)) < len(value):
            raise ValueError(f"the thresholds are {value}; each has to be above 0 and there once")
        return tuple(sorted(value))
