// Holds what came of the trials against what had to.
import assert from "node:assert/strict";
import { trials } from "./trials.mjs";

export function checkTrials(found) {
  assert.equal(found.length, trials.length);
  const wrong = [];
  for (const [n, { name, code, mentions, faults, passes }] of trials.entries()) {
    const { value, error } = found[n];
    const where = `${name}: ${JSON.stringify(found[n])}`;
    try {
      if (code === undefined) {
        assert.equal(error, undefined, where);
        assert.deepEqual(value, passes, where);
        continue;
      }
      assert.ok(error, where);
      assert.ok(error.ours, `${where} is no ShelfedgeError`);
      assert.equal(error.code, code, where);
      assert.ok(error.message.length > 0, where);
      if (mentions) assert.ok(JSON.stringify(error).includes(mentions), `${where} doesn't mention ${mentions}`);
      if (faults) assert.equal(error.faults.length, faults, where);
      for (const { code, path, cause, action } of error.faults) {
        for (const text of [code, path, cause, action]) assert.equal(typeof text, "string", where);
        assert.ok(code && cause && action, where);
      }
    } catch (failure) {
      wrong.push(failure.message);
    }
  }
  assert.deepEqual(wrong, []);
}
