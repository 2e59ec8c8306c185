"""One runtime over every backend: PyTorch, ONNX Runtime, TensorRT, with the same verbs."""
