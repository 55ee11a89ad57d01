// Asks the edge the same question and compares the two answers byte for byte.

const encoder = new TextEncoder();

/** "rank;dur=0.8, total;dur=1.2" as { rank: 0.8, total: 1.2 }. */
export function serverTiming(header) {
  const times = {};
  for (const entry of (header ?? "").split(",")) {
    const [name, ...parameters] = entry.split(";").map((part) => part.trim());
    const duration = parameters.find((parameter) => parameter.startsWith("dur="));
    if (name && duration) times[name] = Number(duration.slice(4));
  }
  return times;
}

async function sha256(bytes) {
  // Only secure contexts have it; comparing bytes needs no digest.
  if (!globalThis.crypto?.subtle) return undefined;
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Sends the request and compares the answer with the browser's.
 *
 * @param {string} json the browser's answer
 * @param {string} body the request that the edge answers with the same bytes
 * @returns {Promise<object>} `state` "same", "differ" or "down", and what there is to say about it
 */
export async function compare(json, body) {
  const start = performance.now();
  let response, theirs;
  try {
    response = await fetch("/v1/rank", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      signal: AbortSignal.timeout(10_000),
    });
    theirs = new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    return { state: "down", why: error.name === "TimeoutError" ? "10 s" : error.message };
  }
  const round_trip = performance.now() - start;
  if (!response.ok) {
    let code = "";
    try {
      code = JSON.parse(new TextDecoder().decode(theirs)).code ?? "";
    } catch {
      // Whoever answered speaks no problem+json; the status says enough.
    }
    return { state: "down", why: `HTTP ${response.status}${code ? ` ${code}` : ""}` };
  }
  const ours = encoder.encode(json);
  const timing = serverTiming(response.headers.get("server-timing"));
  const length = Math.max(ours.length, theirs.length);
  let at = 0;
  while (at < length && ours[at] === theirs[at]) at++;
  if (at < length) {
    const models = [json, new TextDecoder().decode(theirs)].map((text) => /"model":"sha256:(\w{12})/.exec(text)?.[1]);
    return { state: "differ", ours: ours.length, theirs: theirs.length, at, models, round_trip, timing };
  }
  return { state: "same", bytes: ours.length, sha: await sha256(theirs), round_trip, timing };
}
