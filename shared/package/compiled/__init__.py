"""Compiled models: the whole fitted pipeline as one small float64 ONNX graph, equal to the original or not there.

`plan` and `runtime` are what serving needs; everything else is only for whoever makes or proves a compiled form.
"""
