"""onnxruntime, with its reports to its maker turned off. The only place that imports it; it knows no model.

From 1.29 on the official builds send data about their use by default, on Linux too, among it the names and hashes of
model files, and keep a database of it in the user's cache folder. That is not for a gateway to give away. The variable
counts when the library is loaded; one that the operator has set is left alone.
"""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["onnxruntime"]
