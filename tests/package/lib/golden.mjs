// What every target's replay is held against.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bundle } from "./paths.mjs";
import { floats } from "./replay.mjs";

export const goldenOf = (bundle) => JSON.parse(readFileSync(join(bundle, "golden.json"), "utf8"));
export const golden = goldenOf(bundle);

/** f32 models: the learner's own outputs, to this. */
const TOLERANCE = 1e-4;

export function checkReplay(outcomes, { cases } = golden) {
  assert.equal(outcomes.length, cases.length);
  assert.ok(outcomes.length >= 32, `${outcomes.length} golden cases`);
  for (const [n, outcome] of outcomes.entries()) {
    const { scores, response } = cases[n];
    const where = `case ${n}`;
    // The native engine's response, byte for byte: the same ranking, the same
    // scores to the last bit (shortest text of an f32 is exact).
    assert.equal(outcome.answered, typeof response === "string" ? response : JSON.stringify(response), where);
    assert.equal(outcome.repeated, outcome.ranked, `${where}: request() and rank() disagree`);
    // Events that had no id have got one, so the exposure is another; nothing else is.
    assert.deepEqual(withoutExposure(outcome.ranked), withoutExposure(outcome.answered), where);
    const items = JSON.parse(outcome.ranked).items;
    if (outcome.bulk) assert.deepEqual([...floats(outcome.bulk.scores)], items.map(({ score }) => Math.fround(score)), where);
    const raw = floats(outcome.scores);
    assert.equal(raw.length, scores.length, where);
    for (const [row, score] of scores.entries()) {
      const difference = Math.abs(raw[row] - score);
      assert.ok(difference <= TOLERANCE, `${where}, row ${row}: ${raw[row]} but the learner has ${score}`);
    }
  }
}

/** Our own targets agree to the bit. */
export function checkSame(outcomes, others, whose) {
  // Case by case and as text: a difference of all of them at once is megabytes,
  // which the test runner would take minutes to draw.
  assert.equal(outcomes.length, others.length);
  for (const [n, outcome] of outcomes.entries()) {
    for (const [what, value] of Object.entries(outcome)) {
      const same = JSON.stringify(value) === JSON.stringify(others[n][what]);
      assert.ok(same, `case ${n}: ${what} has not the same bits as ${whose}`);
    }
  }
}

function withoutExposure(json) {
  const { exposure_id, ...rest } = JSON.parse(json);
  return rest;
}
