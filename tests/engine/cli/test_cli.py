"""The command line itself: what it loads, what it says when something is wrong, how it exits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from pydantic import Field

from turncoat.engine import cli
from turncoat.engine.cli import commands, failure
from turncoat.kernels import DataError
from turncoat.kernels.settings import Settings
from turncoat.kernels.version import VERSION

HEAVY = {"torch", "numpy", "matplotlib", "pyarrow", "numba", "scipy", "torchmetrics", "tensorboard", "PIL"}


def run(*arguments, code="from turncoat.engine.cli import main; main()"):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)


@pytest.fixture
def fake(monkeypatch, capsys):
    """A command line whose only command, `fake`, runs the given function; returns (exit code, stdout, stderr)."""

    def call(function, *arguments):
        class Fake(commands.LazyCommand):
            def make_context(self, info_name, args, parent=None, **extra):
                single = typer.Typer(add_completion=False)
                single.command(name="fake")(function)
                return typer.main.get_command(single).make_context(info_name, args, parent=parent, **extra)

        monkeypatch.setattr(cli, "find_commands", lambda: [Fake("fake", help="A fake.")])
        with pytest.raises(SystemExit) as exit_info:
            cli.main(["fake", *arguments])
        captured = capsys.readouterr()
        return exit_info.value.code, captured.out, captured.err

    return call


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("nosuch",), ()])
def test_the_command_line_answers_without_loading_anything_heavy(arguments):
    code = (
        "import sys, json, atexit\n"
        "from turncoat.engine.cli import main\n"
        "atexit.register(lambda: print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})), file=sys.stderr))\n"
        "main()"
    )
    loaded = set(json.loads(run(*arguments, code=code).stderr.splitlines()[-1]))
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_help_lists_every_command_with_its_first_line():
    result = run("--help")
    assert result.returncode == 0
    text = " ".join(result.stdout.split())
    for command in commands.find_commands():
        assert command.name in text and command.help
    assert "Say what is installed" in text


@pytest.mark.parametrize("name", [command.name for command in commands.find_commands()])
def test_every_command_shows_its_own_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert not stop.value.code
    shown = capsys.readouterr().out
    assert f"turncoat {name}" in shown and "--help" in shown


def test_a_file_is_a_command_only_if_it_holds_a_function_of_its_own_name():
    names = {command.name for command in commands.find_commands()}
    assert "doctor" in names
    assert not names & {"output", "failure", "commands", "main", "--init--"}


def test_version():
    result = run("--version")
    assert (result.returncode, result.stdout) == (0, f"turncoat {VERSION}\n")


def test_an_unknown_command_is_one_sentence_with_the_nearest_name():
    result = run("docter")
    assert result.returncode == 2 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1 and "'doctor'" in result.stderr


def test_a_turncoat_error_is_one_sentence_and_exit_2(fake):
    def fails():
        raise DataError("The dataset\n x is not there.")

    assert fake(fails) == (2, "", "The dataset x is not there.\n")


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_lets_the_traceback_through_wherever_it_stands(place):
    code = (
        "import turncoat.engine.diagnosis as d, turncoat.engine.cli as c\n"
        "from turncoat.kernels import DataError\n"
        "def fail(): raise DataError('gone')\n"
        "d.diagnose = fail; c.main()"
    )
    arguments = ["--debug", "doctor"] if place == "before" else ["doctor", "--debug"]
    result = run(*arguments, code=code)
    assert result.returncode != 0 and "Traceback" in result.stderr and "gone" in result.stderr
    assert run("doctor", code=code).stderr == "gone\n"


def test_an_option_out_of_range_is_one_sentence_and_exit_2(fake):
    def batch(batch: int = typer.Option(8, min=1)):
        raise AssertionError("must not run")

    code, out, err = fake(batch, "--batch", "0")
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert "--batch" in err and "greater than or equal to 1" in err and "turncoat fake --help" in err


def test_settings_that_do_not_validate_are_one_sentence_and_exit_2(fake):
    class Steps(Settings):
        iterations: int = Field(200, ge=1)

    assert fake(lambda: Steps(iterations=0)) == (
        2,
        "",
        "Setting 'iterations' is 0: input should be greater than or equal to 1.\n",
    )


def test_a_missing_file_names_the_file_and_exits_2(fake, tmp_path):
    code, _, err = fake(lambda: (tmp_path / "nowhere").read_text())
    assert code == 2 and err == f"{tmp_path / 'nowhere'}: No such file or directory.\n"


def test_an_interrupt_exits_130(fake):
    def interrupted():
        raise KeyboardInterrupt

    assert fake(interrupted)[0] == failure.INTERRUPTED == 130


def test_a_defect_is_told_apart_from_a_no(fake):
    def defect():
        raise RuntimeError("index 7")

    code, _, err = fake(defect)
    assert code == 70 and "--debug" in err and "index 7" in err and "Traceback" not in err


@pytest.mark.parametrize(("raised", "expected"), [(None, 0), (0, 0), (1, 1)])
def test_a_command_says_no_with_exit_code_1(fake, raised, expected):
    def answer():
        if raised is not None:
            raise typer.Exit(raised)

    assert fake(answer)[0] == expected


def test_a_reader_that_leaves_early_is_told_nothing():
    command = f"{sys.executable} -m turncoat.engine.cli --help | true"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert result.stderr == ""


def test_doctor_finds_what_is_here_and_names_what_is_not(monkeypatch, capsys):
    from turncoat.engine import diagnosis

    missing = diagnosis._Piece("Nothing", "nothing", diagnosis._package("no_such_module", "no-such", "cpu"))
    broken = diagnosis._Piece("Wreck", "nothing", lambda: str(1 / 0), needed=True)
    pieces = [piece for piece in diagnosis._PIECES if piece.name in ("turncoat", "PyTorch", "numba")]
    monkeypatch.setattr(diagnosis, "_PIECES", (*pieces, missing, broken))
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["doctor", "--json"])
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    states = {finding["piece"]: finding["state"] for finding in document["findings"]}
    assert states == {
        "turncoat": "works",
        "PyTorch": "works",
        "numba": "works",
        "Nothing": "missing",
        "Wreck": "broken",
    }
    assert not document["healthy"] and exit_info.value.code == 1
    assert "turncoat[cpu]" in captured.err and "ZeroDivisionError" in captured.err


def test_doctor_prints_every_piece_in_one_table(capsys):
    with pytest.raises(SystemExit):
        cli.main(["doctor"])
    printed = " ".join(capsys.readouterr().out.split())
    for name in ("PyTorch", "CUDA", "Ray", "Rerun"):
        assert name in printed


def test_no_command_module_is_named_like_a_package_it_would_hide():
    folder = Path(cli.__file__).parent
    assert not {path.stem for path in folder.glob("*.py")} & {"json", "typer", "rich", "torch"}
