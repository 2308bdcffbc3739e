"""The model server: open inference protocol v2 on onnxruntime, for models of our own."""
