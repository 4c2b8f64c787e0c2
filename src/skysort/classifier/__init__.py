"""The portable classifier: a folder that says what it is, proves itself, and runs on ONNX Runtime."""
