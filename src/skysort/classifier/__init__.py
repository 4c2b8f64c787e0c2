"""The portable classifier: a folder with a model for ONNX Runtime, a description and a proof."""
