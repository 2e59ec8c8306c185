"""Settings are frozen, checked, and say in one sentence what is wrong with them."""

import pytest
from pydantic import Field, ValidationError, field_validator, model_validator

from turncoat.kernels import ConfigError
from turncoat.kernels.settings import Settings, parse_overrides


class Optimiser(Settings):
    rate: float = Field(0.1, gt=0)


class Fit(Settings):
    name: str = "nsd"
    steps: int = Field(10, ge=1)
    optimiser: Optimiser = Optimiser()

    @field_validator("name")
    @classmethod
    def known(cls, name: str) -> str:
        if name not in ("nsd", "ugar"):
            raise ValueError("Expected nsd or ugar")
        return name


def test_settings_are_frozen_and_keyword_only():
    with pytest.raises(ValidationError):
        Fit().steps = 3
    with pytest.raises(TypeError):
        Fit(3)


def test_a_file_gives_the_values_and_overrides_win_key_by_key(tmp_path):
    path = tmp_path / "fit.toml"
    path.write_text("steps = 5\n[optimiser]\nrate = 0.5\n")
    assert Fit.load(path) == Fit(steps=5, optimiser=Optimiser(rate=0.5))
    assert Fit.load(path, {"steps": None, "name": "ugar", "optimiser": {}}) == Fit(
        steps=5, name="ugar", optimiser=Optimiser(rate=0.5)
    )
    assert Fit.load() == Fit()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("steps = 0", "Setting 'steps' is 0: input should be greater than or equal to 1."),
        ("step = 1", "Setting 'step' is unknown."),
        ("[optimiser]\nrate = nan", "Setting 'optimiser.rate' is nan: input should be a finite number."),
        ("name = 'x'", "Setting 'name' is 'x': expected nsd or ugar."),
        ("steps = 0\nstep = 1", "Setting 'steps' is 0: input should be greater than or equal to 1; setting 'step' is"),
        ("steps =", "is not valid TOML"),
    ],
)
def test_a_bad_file_is_one_sentence_that_names_the_file(tmp_path, text, sentence):
    path = tmp_path / "fit.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        Fit.load(path)
    assert sentence in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        Fit.load(tmp_path / "nowhere.toml")


def test_the_hash_depends_on_the_values_alone():
    assert Fit().hash() == Fit(optimiser=Optimiser(rate=0.1), name="nsd").hash()
    assert Fit().hash() != Fit(steps=11).hash()


def test_overrides_are_read_as_toml_where_they_are_toml():
    pairs = ["a.b=3", "a.c=0.5", "name=nsd", "flag=true", 'quoted="7"', "list=[1, 2]", "equation=x=y"]
    assert parse_overrides(pairs) == {
        "a": {"b": 3, "c": 0.5},
        "name": "nsd",
        "flag": True,
        "quoted": "7",
        "list": [1, 2],
        "equation": "x=y",
    }
    assert parse_overrides([]) == {}


@pytest.mark.parametrize("pair", ["steps", "=3", "a..b=3", ".a=1"])
def test_an_override_without_a_name_or_value_is_refused(pair):
    with pytest.raises(ConfigError, match="name=value"):
        parse_overrides([pair])


def test_settings_that_do_not_go_together_are_one_sentence_without_all_the_others():
    class Pair(Settings):
        low: int = 0
        high: int = 1

        @model_validator(mode="after")
        def _ordered(self):
            if self.low > self.high:
                raise ValueError("`low` is above `high`; exchange them")
            return self

    with pytest.raises(ConfigError) as caught:
        Pair.load(None, {"low": 2})
    assert str(caught.value) == "`low` is above `high`; exchange them."
