// The model's inputs for N candidates, from the golden cases: the same numbers
// for both runtimes. Runs in the page.

/** Rows of the golden cases one after another until there are `rows` of them. */
export function tile(ports, cases, rows) {
  const inputs = {};
  for (const { name, kind, rows: each, len, width } of ports) {
    const Typed = kind === "i32" ? Int32Array : Float32Array;
    const size = len * width;
    if (each === "shared") {
      inputs[name] = Typed.from(cases[0].inputs[name]);
      continue;
    }
    const array = new Typed(rows * size);
    for (let filled = 0, turn = 0; filled < array.length; turn++) {
      const source = cases[turn % cases.length].inputs[name];
      array.set(source.slice(0, array.length - filled), filled);
      filled += source.length;
    }
    inputs[name] = array;
  }
  return inputs;
}

/** The same as onnxruntime wants them. */
export function tensors(ort, ports, inputs, rows) {
  const feeds = {};
  for (const { name, kind, rows: each, len, width } of ports) {
    const dims = [each === "shared" ? 1 : rows, len * width];
    feeds[name] =
      kind === "i32"
        ? new ort.Tensor("int64", BigInt64Array.from(inputs[name], BigInt), dims)
        : new ort.Tensor("float32", inputs[name], dims);
  }
  return feeds;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function largestDifference(a, b) {
  let largest = a.length === b.length ? 0 : Infinity;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i] - b[i]));
  return largest;
}
