"""Where a foreign target's numbers come from: a Python callable, ONNX Runtime, or LiteRT.

Importing a callable runs the code of its module: read a description that someone else wrote before you use it.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from turncoat.engine.runtime.onnxruntime import import_onnxruntime
from turncoat.engine.targets.description import TargetSettings
from turncoat.kernels.errors import ConfigError, DataError, EngineError

Ask = Callable[[np.ndarray], np.ndarray]
"""Pictures (B, ...) as the description says -> the numbers of the output that holds the joints, (B, ...)."""


def import_callable(source: str, folder: Path) -> Any:
    """The object that `module:name` names; modules beside the description are found too.

    Raises:
        ConfigError: the module does not import, has no such name, or it cannot be called.
    """
    module, _, name = source.partition(":")
    sys.path.append(str(folder))
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # whatever the module raises while it runs
        raise ConfigError(
            f"The target {source!r} cannot be imported ({type(error).__name__}: {error}); put its module beside the "
            "description, or install it."
        ) from error
    finally:
        sys.path.remove(str(folder))
    for part in name.split("."):
        if not hasattr(found, part):
            raise ConfigError(
                f"The target {source!r} cannot be imported: {module} has no {name!r}; correct the source."
            )
        found = getattr(found, part)
    if isinstance(found, type) or not callable(found):
        kind = "a class" if isinstance(found, type) else f"a {type(found).__name__}"
        raise ConfigError(
            f"The target {source!r} is {kind}; expected a function, or an object that can be called with pictures."
        )
    return found


def open_file(path: Path, settings: TargetSettings) -> Ask:
    """What runs an .onnx or .tflite file on the processor.

    Raises:
        DataError: it is missing or damaged.
        EngineError: the package that runs it is missing.
        ConfigError: its inputs or outputs are not those of the description.
    """
    if not path.is_file():
        raise DataError(f"There is no file {path} that the target could be read from; correct `source`.")
    return (_onnx if path.suffix.lower() == ".onnx" else _tflite)(path, settings)


def _onnx(path: Path, settings: TargetSettings) -> Ask:
    package = import_onnxruntime()
    options = package.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    try:
        session = package.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base
        raise DataError(f"{path} cannot be read as an ONNX model: {_short(error)}.") from error
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ConfigError(f"{path} has {len(inputs)} inputs; expected one, the pictures.")
    fixed = _check_input(path, list(inputs[0].shape), settings)
    output = _output(path, {one.name: list(one.shape) for one in session.get_outputs()}, settings)
    dtype = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
             "tensor(uint8)": np.uint8}.get(inputs[0].type)  # fmt: skip
    if dtype is None:
        raise ConfigError(f"{path} wants pictures of type {inputs[0].type}; expected float or uint8.")

    def ask(pictures: np.ndarray) -> np.ndarray:
        try:
            (found,) = session.run([output], {inputs[0].name: _typed(pictures, dtype)})
        except Exception as error:
            raise EngineError(f"{path} does not run: {_short(error)}.") from error
        return np.asarray(found)

    return _in_batches(ask, settings.input.batch if fixed is None else fixed, fixed is not None)


def _tflite(path: Path, settings: TargetSettings) -> Ask:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise EngineError(
            f"{path.name} needs LiteRT, which cannot be imported ({error}); run `pip install 'turncoat[tflite]'`."
        ) from error
    try:
        interpreter = Interpreter(str(path), num_threads=torch.get_num_threads())
        interpreter.allocate_tensors()
    except Exception as error:
        raise DataError(f"{path} cannot be read as a LiteRT model: {_short(error)}.") from error
    inputs = interpreter.get_input_details()
    if len(inputs) != 1:
        raise ConfigError(f"{path} has {len(inputs)} inputs; expected one, the pictures.")
    fixed = _check_input(path, inputs[0]["shape"].tolist(), settings) or 1
    outputs = {one["name"]: one for one in interpreter.get_output_details()}
    name = _output(path, {key: one["shape"].tolist() for key, one in outputs.items()}, settings)

    def ask(pictures: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(inputs[0]["index"], np.ascontiguousarray(_typed(pictures, inputs[0]["dtype"])))
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(outputs[name]["index"])).copy()

    return _in_batches(ask, fixed, True)


def _check_input(path: Path, shape: list[Any], settings: TargetSettings) -> int | None:
    """Hold the file's input against the description; returns its batch if that is fixed."""
    wanted = settings.input
    sides = [wanted.height, wanted.width]
    expected = [3, *sides] if wanted.layout == "NCHW" else [*sides, 3]
    fits = len(shape) == 4 and all(
        not _fixed(side) or side == want for side, want in zip(shape[1:], expected, strict=True)
    )
    if not fits:
        raise ConfigError(
            f"{path} wants pictures of shape {_shown(shape)}; the description says {wanted.layout}, "
            f"(batch, {', '.join(map(str, expected))}): correct [input] height, width or layout."
        )
    return shape[0] if _fixed(shape[0]) else None


def _output(path: Path, outputs: dict[str, list[Any]], settings: TargetSettings) -> str:
    """The name of the output that holds the joints, whose shape is held against the description."""
    wanted, known = settings.output, ", ".join(f"{name} {_shown(shape)}" for name, shape in outputs.items())
    name = wanted.name if wanted.name is not None else next(iter(outputs)) if len(outputs) == 1 else None
    if name not in outputs or not isinstance(name, str):
        raise ConfigError(f"{path} has the outputs {known}, and [output] name is {wanted.name!r}; name one of them.")
    sides = outputs[name][1:]
    known_size = all(_fixed(side) for side in sides)
    if not sides or (known_size and int(np.prod(sides)) != wanted.count * wanted.numbers):
        raise ConfigError(
            f"The output {name!r} of {path} has the shape {_shown(outputs[name])}, which is not {wanted.count} joints "
            f"of {wanted.numbers} numbers each in 3D; choose the output or correct [output] count and numbers."
        )
    return name


def _in_batches(ask: Ask, size: int, fixed: bool) -> Ask:
    """Ask for at most `size` pictures at once, or for exactly so many: the last are filled up by repeating one."""

    def run(pictures: np.ndarray) -> np.ndarray:
        found = []
        for at in range(0, len(pictures), size):
            piece = pictures[at : at + size]
            missing = size - len(piece) if fixed else 0
            whole = np.concatenate([piece, np.repeat(piece[-1:], missing, axis=0)]) if missing else piece
            found.append(ask(whole)[: len(piece)])
        return np.concatenate(found)

    return run


def _typed(pictures: np.ndarray, dtype: Any) -> np.ndarray:
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        pictures = np.rint(pictures).clip(limits.min, limits.max)
    return pictures.astype(dtype, copy=False)


def _fixed(side: Any) -> bool:
    return isinstance(side, int) and side > 0


def _shown(shape: list[Any]) -> str:
    return "(" + ", ".join(str(side) for side in shape) + ")"


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
