"""Runs onnxruntime on the cases in a folder and compares it with tract.

Usage: ort_agreement.py FOLDER

Every case is a folder with `model.onnx`, `case.json` (name, element type and
shape of each input and expected output) and one little-endian file of elements
each. `agreement.rs` writes them. Exits with 1 when any case differs by more than
the tolerance: absolute below 1, relative above.
"""

import json
import sys
from pathlib import Path

import numpy
import onnxruntime

TOLERANCE = 1e-4


def read(folder, entry):
    data = numpy.fromfile(folder / entry["file"], dtype=entry["type"])
    return data.reshape(entry["shape"])


def difference(expected, found):
    if expected.shape != found.shape:
        return f"shape {found.shape} instead of {expected.shape}"
    expected = expected.astype(numpy.float64)
    found = found.astype(numpy.float64)
    both_nan = numpy.isnan(expected) & numpy.isnan(found)
    with numpy.errstate(invalid="ignore"):
        worst = numpy.abs(expected - found) / numpy.maximum(numpy.abs(expected), 1.0)
    worst = numpy.where(both_nan | (expected == found), 0.0, worst)
    worst = numpy.where(numpy.isnan(worst), numpy.inf, worst)
    largest = float(worst.max(initial=0.0))
    return f"differs by {largest}" if largest > TOLERANCE else None


def main():
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    faults = []
    cases = sorted(Path(sys.argv[1]).glob("*/case.json"))
    for path in cases:
        folder = path.parent
        case = json.loads(path.read_text())
        try:
            session = onnxruntime.InferenceSession(
                (folder / "model.onnx").read_bytes(), options, providers=["CPUExecutionProvider"]
            )
            known = {i.name for i in session.get_inputs()}
            inputs = {e["name"]: read(folder, e) for e in case["inputs"] if e["name"] in known}
            names = [e["name"] for e in case["outputs"]]
            results = session.run(names, inputs)
        except Exception as error:  # every failure is a fault of the case
            faults.append(f"{folder.name}: {str(error).splitlines()[0]}")
            continue
        for entry, found in zip(case["outputs"], results):
            fault = difference(read(folder, entry), found)
            if fault:
                faults.append(f"{folder.name}: output {entry['name']} {fault}")
    for fault in faults:
        print(fault)
    print(f"onnxruntime {onnxruntime.__version__}: {len(cases)} cases, {len(faults)} faults")
    sys.exit(1 if faults or not cases else 0)


main()
