"""`turncoat attack`: one sentence and exit 2 for bad input; tables, JSON and exit 1 where they belong."""

import json
from pathlib import Path

import pytest

from turncoat.engine.cli import main


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network with a regressor and statistics, on disk."""
    import torch

    from turncoat.training.checkpoint import save_network
    from turncoat.training.networks import Disentangled, preset
    from turncoat.training.statistics import AppearanceStatistics

    torch.manual_seed(0)
    network = Disentangled(preset("studio", frame_size=32))
    regressor = network.add_regressor()
    for parameter in regressor.parameters():
        parameter.data.mul_(30)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    statistics = AppearanceStatistics(torch.zeros(128), torch.eye(128), mean_radius=11.0, radius_p99=14.0)
    save_network(path, network.eval(), {"method": "none"}, statistics=statistics)
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main(["attack", *map(str, arguments)])
    return int(exit_info.value.code or 0)


def test_one_command_attacks_and_says_so_in_json(
    tiny_dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(
        tiny_dataset, "--network", weights, "--out", tmp_path / "run", "--attack", "paper", "--attack", "natural",
        "--group", "everyday", "--per-subject", 2, "--iterations", 3, "--step-size", "0.5", "--batch", 4, "--json",
    )  # fmt: skip
    document = json.loads(capsys.readouterr().out)
    assert code == 0 and document["failed"] == 0
    assert document["attacks"]["paper"]["rows"] == 4 and document["attacks"]["natural"]["step_size"] == 0.5
    assert {one["control"] for one in document["summaries"]} == {
        None, "random direction", "same subject", "other subjects",
    }  # fmt: skip
    assert (tmp_path / "run" / "run.json").is_file()
    assert run(tiny_dataset, "--network", weights, "--out", tmp_path / "run", "--per-subject", 2) == 2
    assert "not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--batch", "0"], "batch"),
        (["--attack", "papier"], "there is no attack 'papier'"),
        (["--step-size", "fast"], "expected a number"),
        (["--optimiser", "sgd"], "optimiser"),
        (["--optimiser", "colours-0.1=adam"], "has no choice of optimiser"),
        (["--optimiser", "adam", "--optimiser", "natural=sign"], "expected adam, or attack=name"),
        (["--restarts", "0"], "restarts"),
        (["--subject", "S9"], "S9"),
        (["--group", "sporty"], "sporty"),
        (["--split", "hold-out"], "hold-out"),
        (["--device", "tpu"], "device is 'tpu'"),
        (["--threshold", "-3"], "threshold_mm"),
        (["--network", "no-such-network"], "no-such-network"),
        (["--attack", "colours-0.1"], "studio"),
        (["--towards", "nobody"], "no sample of"),
        (["--towards", "gone.npy"], "cannot be read as a pose"),
        (["--attack", "towards"], "say which by `towards`"),
        (["--attack", "natural", "--towards", "mirror"], "no attack goes there"),
        (["--towards", "mirror", "--reach", "0"], "reach_mm"),
        (["--attack", "pixels-8", "--psnr-floor", "30"], "have budgets of their own"),
        (["--ssim-floor", "1.5"], "ssim_floor"),
        (["--objective", "l1"], "objective"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    arguments: list[str],
    words: str,
    tiny_dataset: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [tiny_dataset, "--out", tmp_path / "run", "--network", weights, "--per-subject", 1, *arguments]
    assert run(*given) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.err.count("\n") == 1
    assert captured.out == ""
    assert not (tmp_path / "run").exists()


def test_a_missing_dataset_and_truncated_weights_are_refused(
    tiny_dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "nowhere", "--network", weights, "--out", tmp_path / "run") == 2
    assert "no dataset folder" in capsys.readouterr().err
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(weights.read_bytes()[:5000])
    assert run(tiny_dataset, "--network", cut, "--out", tmp_path / "run") == 2
    assert "truncated" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_weights_of_another_preset_are_refused(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from fixtures.tiny import write_tiny_dataset

    larger = write_tiny_dataset(tmp_path / "larger", size=96, instants=2)
    assert run(larger, "--network", weights, "--out", tmp_path / "run", "--per-subject", 1) == 2
    assert "96 pixels wide and the network's 32" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_step_sizes_are_chosen_recorded_with_the_weights_and_used(
    tiny_dataset: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    from turncoat.training.checkpoint import load_network

    own = Path(shutil.copy(weights, tmp_path / "own.safetensors"))
    given = ["step-size", str(own), "--data", str(tiny_dataset), "--frames", "2", "--iterations", "2", "--json"]
    with pytest.raises(SystemExit) as exit_info:
        main([*given, "--attack", "paper", "--attack", "natural", "--precision", "float32"])
    assert not exit_info.value.code
    chosen = json.loads(capsys.readouterr().out)
    recorded = load_network(own).metadata
    expected = {name: choice["step_size"] for name, choice in chosen.items()}
    ladders = {name: choice["ladder"] for name, choice in chosen.items()}
    assert recorded["attack_step_size"] == {**expected, "ladder": ladders, "optimiser": {"natural": "gradient"}}
    assert len(ladders["natural"]) == 4
    assert recorded["method"] == "none", "what was there stays"
    for before, after in zip(load_network(weights).parameters(), load_network(own).parameters(), strict=True):
        assert (before == after).all()
    code = run(
        tiny_dataset, "--network", own, "--out", tmp_path / "run", "--group", "everyday", "--per-subject", 1,
        "--iterations", 1, "--no-controls", "--json",
    )  # fmt: skip
    document = json.loads(capsys.readouterr().out)
    assert code == 0 and document["attacks"]["paper"]["step_size_from"] == "weights"
    for name in ("paper", "natural"):
        assert document["attacks"][name]["step_size"] == expected[name]
        assert document["attacks"][name]["ladder"] == ladders[name], "run.json shows what the choice was made from"
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert "choosing_step_size_of" not in log, "and does not choose again"
