"""TensorRT: engines built from the ONNX file, cached, and served while others are built."""
