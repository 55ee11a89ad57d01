// Replays the golden cases through the package. No platform is named here: the
// same file runs in Node, in a page, in a bundle and in workerd.

/**
 * Every way in which the package answers a case: through the profile, from a
 * request body, and the raw model.
 *
 * @returns a list of plain objects, ready to leave a page as JSON.
 */
export async function replay(load, options, golden) {
  const outcomes = [];
  for (const { request, inputs, scores } of golden.cases) {
    const shop = await load({ ...options, ...(request.shopper ? { shopper: request.shopper } : {}) });
    try {
      // Ids that the case leaves out would be random; these are the same everywhere.
      const events = (request.events ?? []).map((event, n) => ({ id: `golden-${n}`, ...event }));
      if (events.length > 0) await shop.observe(events);
      const asked = {
        candidates: request.candidates,
        limit: request.limit,
        newOnly: request.new_only,
        explain: request.explain,
        listId: request.list_id,
        sessionId: request.session_id,
        context: { utc_offset_minutes: 0, ...request.context },
        now: request.now,
        seed: request.seed,
        exclude: request.exclude,
        answers: request.answers,
        diversity: request.diversity,
        sponsored: request.sponsored,
        explore: request.explore,
        policy: request.policy,
      };
      const ranking = await shop.rank(asked);
      // A bulk ranking has no room for labels and propensities.
      const bulk = request.sponsored || request.explore || request.policy ? undefined : await shop.rankBulk(asked);
      const body = await shop.request(asked);
      const answer = await shop.answer(JSON.stringify(request));
      const repeated = await shop.answer(body);
      const raw = await shop.score({ rows: scores.length, inputs: await typed(shop, inputs) });
      outcomes.push({
        ranked: ranking.json,
        answered: answer.json,
        repeated: repeated.json,
        bulk: bulk && { products: [...bulk.products], scores: bits(bulk.scores) },
        scores: bits(raw),
      });
    } finally {
      shop.close();
    }
  }
  return outcomes;
}

/** JSON numbers as the arrays that the model takes. */
async function typed(shop, inputs) {
  const ports = await shop.inputs();
  return Object.fromEntries(
    ports.map(({ name, kind }) => [name, kind === "i32" ? Int32Array.from(inputs[name]) : Float32Array.from(inputs[name])]),
  );
}

/** Floats by their bits, so that equal means equal. */
export function bits(floats) {
  return [...new Uint32Array(floats.buffer, floats.byteOffset, floats.length)];
}

/** And back. */
export function floats(bits) {
  return new Float32Array(Uint32Array.from(bits).buffer);
}
