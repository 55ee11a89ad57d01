"""Exports small binary classifiers with the tools that people use, and writes
what onnxruntime answers: NAME.onnx and NAME.json in this folder.

Made with Python 3.11 and

    pip install numpy==2.4.6 scikit-learn==1.9.1 lightgbm==4.7.0 xgboost-cpu==3.2.0 \
        onnx==1.23.2 skl2onnx==1.20.0 onnxmltools==1.16.0 onnxruntime==1.31.1
    python generate.py

The test reads the files only; run this again when an exporter's next version
writes another form.
"""

import json
from pathlib import Path

import lightgbm
import numpy
import onnxmltools
import onnxruntime
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

FOLDER = Path(__file__).parent
FEATURES = 4
ROWS = 24

rng = numpy.random.default_rng(1)
x = rng.normal(size=(400, FEATURES)).astype(numpy.float32)
signal = x[:, 0] + x[:, 1] * x[:, 2] + 0.3 * rng.normal(size=len(x))
y = (signal > 0).astype(numpy.int64)


def sklearn(model, labels=y):
    model.fit(x, labels)
    return to_onnx(
        model,
        x[:1],
        options={"zipmap": False},
        target_opset={"": 17, "ai.onnx.ml": 3},
    )


def gradient_boosting(model, convert, **options):
    model.fit(x, y)
    initial = [("x", FloatTensorType([None, FEATURES]))]
    return convert(model, initial_types=initial, target_opset=15, **options)


MODELS = {
    "sklearn-tree": lambda: sklearn(DecisionTreeClassifier(max_depth=3, random_state=1)),
    "sklearn-forest": lambda: sklearn(
        RandomForestClassifier(4, max_depth=3, random_state=1)
    ),
    "sklearn-forest-other-labels": lambda: sklearn(
        RandomForestClassifier(4, max_depth=3, random_state=1),
        numpy.where(y == 1, 7, -3),
    ),
    "sklearn-boosting": lambda: sklearn(
        GradientBoostingClassifier(n_estimators=6, max_depth=2, random_state=1)
    ),
    "lightgbm": lambda: gradient_boosting(
        lightgbm.LGBMClassifier(
            n_estimators=6, num_leaves=5, verbose=-1, num_threads=1, deterministic=True
        ),
        onnxmltools.convert_lightgbm,
        zipmap=False,
    ),
    "xgboost": lambda: gradient_boosting(
        xgboost.XGBClassifier(n_estimators=6, max_depth=2, n_jobs=1),
        onnxmltools.convert_xgboost,
    ),
}

asked = x[:ROWS]
for name, export in MODELS.items():
    model = export().SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (port,) = session.get_inputs()
    label, scores = session.run(None, {port.name: asked})
    (FOLDER / f"{name}.onnx").write_bytes(model)
    case = {
        "input": port.name,
        "x": [float(v) for v in asked.ravel()],
        "label": [int(v) for v in label],
        "scores": [float(v) for v in numpy.asarray(scores).ravel()],
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(case) + "\n")
