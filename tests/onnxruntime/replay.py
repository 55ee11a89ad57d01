"""Replays the golden cases of a bundle in onnxruntime.

    python replay.py models/ranking

Every score must lie within 1e-4 of the learner's own, and the products must
come in the recorded order, except where two scores are nearer to each other
than both tolerances together. It reads the bundle and writes nothing.
"""

import json
import pathlib
import sys

import numpy
import onnxruntime

TOLERANCE = 1e-4
RULES = {"diversity", "sponsored", "explore", "exclude"}
KINDS = {"tensor(float)": numpy.float32, "tensor(int64)": numpy.int64}


def feed(session, case):
    """The flat lists of a case, in the shapes that the ONNX declares."""
    inputs = {}
    for port in session.get_inputs():
        values = numpy.array(case["inputs"][port.name], dtype=KINDS[port.type])
        # A symbolic dimension is the number of candidates.
        shape = [size if isinstance(size, int) else case["rows"] for size in port.shape]
        inputs[port.name] = values.reshape(shape)
    return inputs


def check(session, case):
    """What is wrong with a case, or None."""
    (scores,) = session.run(["score"], feed(session, case))
    scores = scores.reshape(-1)
    expected = numpy.array(case["scores"], dtype=numpy.float32)
    if scores.shape != expected.shape:
        return f"{scores.shape} scores, expected {expected.shape}"
    gap = numpy.abs(scores - expected)
    if not gap.max() <= TOLERANCE:
        row = int(gap.argmax())
        return f"row {row} scores {scores[row]}, the learner said {expected[row]}"

    # Rules for a list move products from where their scores put them.
    if RULES & case["request"].keys():
        return None
    ours = dict(zip(case["products"], scores.tolist(), strict=True))
    ranked = [item["item_id"] for item in json.loads(case["response"])["items"]]
    for earlier, later in zip(ranked, ranked[1:]):
        if ours[later] > ours[earlier] + 2 * TOLERANCE:
            return f"{later} ({ours[later]}) is ranked below {earlier} ({ours[earlier]})"
    left_out = set(ours) - set(ranked)
    if ranked and left_out:
        best = max(left_out, key=ours.get)
        if ours[best] > ours[ranked[-1]] + 2 * TOLERANCE:
            return f"{best} ({ours[best]}) is not among the {len(ranked)} best"
    return None


def main():
    bundle = pathlib.Path(sys.argv[1])
    golden = json.loads((bundle / "golden.json").read_text(encoding="utf-8"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(bundle / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    failed = 0
    for case in golden["cases"]:
        fault = check(session, case)
        if fault:
            failed += 1
            print(f"{case['name']}: {fault}")
    print(f"onnxruntime {onnxruntime.__version__}, numpy {numpy.__version__}")
    print(f"{len(golden['cases']) - failed} passed, {failed} failed")
    return 1 if failed or not golden["cases"] else 0


if __name__ == "__main__":
    sys.exit(main())
