"""The captured session: what a GPU replays is what PyTorch computes."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

from turncoat.engine.runtime import open_session
from turncoat.engine.runtime.cuda_graph import CudaGraphSession
from turncoat.kernels import EngineError


def test_without_a_gpu_it_is_one_sentence(bundle):
    with pytest.raises(EngineError, match="CUDA graphs need a GPU that PyTorch can use, and cpu is none"):
        CudaGraphSession(bundle, device="cpu")
    with pytest.raises(EngineError, match="torch-cuda-graph-bfloat16 cannot run on cpu: it needs a GPU"):
        open_session(bundle, "torch-cuda-graph-bfloat16", "cpu")


@pytest.mark.gpu
def test_replays_follow_their_inputs_and_results_are_not_overwritten(bundle, asked):
    with CudaGraphSession(bundle, precision="float32") as session:
        pose, gradient = session.attack_step(asked.appearance, asked.canvas, *asked.aim)
        kept = gradient.clone()
        other = session.attack_step(asked.appearance.flip(0), asked.canvas, *asked.aim)[1]
        assert torch.equal(gradient, kept) and not torch.equal(other, kept)
        torch.testing.assert_close(pose.cpu(), asked.step[0], atol=0.05, rtol=0)
        assert cosine_similarity(gradient.cpu(), asked.step[1]).min() > 0.9999
        torch.testing.assert_close(session.predict(asked.frames).cpu(), asked.pose, atol=0.05, rtol=0)
        assert set(session._captures) == {("attack", 2), ("attack", 1), ("predict", 2), ("predict", 1)}


@pytest.mark.gpu
def test_reduced_precision_is_near(bundle, asked):
    with CudaGraphSession(bundle) as session:
        _, gradient = session.attack_step(asked.appearance, asked.canvas, *asked.aim)
        assert cosine_similarity(gradient.cpu(), asked.step[1]).median() > 0.8
