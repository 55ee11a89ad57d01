// Every public name of the package, as a strict project would use it.
import { load, ShelfedgeError } from "shelfedge";
import type {
  Answer, BulkRanking, Fault, LoadOptions, ModelInfo, ModelInput, ModelParts, PackageErrorCode, Product, Profile, ProfileView, Questions, RankOptions, Ranking, RankResponse, ScoreOptions,
  Shop, ShopEvent, Timing, WasmSource,
} from "shelfedge";

const parts: ModelParts = { manifest: new ArrayBuffer(0), shelf: new Uint8Array() };
const wasm: WasmSource = new URL("https://example.org/shelfedge_bg.wasm");
const options: LoadOptions = { model: parts, wasm, worker: false, consent: { storage: true }, shopper: "ann", clock: () => Date.now(), signal: new AbortController().signal };
const shop: Shop = await load(options);
const event: ShopEvent = { name: "add_to_cart", params: { currency: "GBP", items: [{ item_id: "85123A", quantity: 2, price: 2.55, index: 0 }] } };
const added: number = await shop.observe([event]);
const asked: RankOptions = { limit: 12, explain: true, candidates: ["85123A"], listId: "home", sessionId: "s1", context: { device: "mobile", utc_offset_minutes: 60 }, now: new Date(), seed: 7 };
const ranking: Ranking = await shop.rank(asked);
const response: RankResponse = ranking;
for (const item of response.items) {
  const id: string = item.item_id;
  const score: number = item.score;
  for (const reason of item.reasons ?? []) void [reason.code, reason.contribution, reason.en, reason.zh];
  void [id, score, item.index, item.propensity, item.sources];
}
const bulk: BulkRanking = await shop.rankBulk({ candidates: Uint32Array.of(1, 2) });
const timing: Timing = bulk.timing;
const text: string = await shop.request(asked);
const scoring: ScoreOptions = { rows: 1, inputs: { context: new Float32Array(4) }, transfer: true };
const scores: Float32Array = await shop.score(scoring);
const inputs: ModelInput[] = await shop.inputs();
const products: Product[] = await shop.products();
const questions: Questions["questions"] = await shop.questions();
const answers: Answer[] = questions.map(({ id, answers }) => ({ question: id, answer: answers[0]?.id ?? "" }));
await shop.rank({ answers });
const model: ModelInfo = shop.model;
const profile: Profile = shop.profile;
const view: ProfileView = await profile.get();
await profile.persist(false);
await profile.erase();
void [added, timing, text, scores, inputs[0]?.name, products[0]?.price, model.digest, view.events, await profile.export()];
try {
  await shop.answer(text);
} catch (error) {
  if (error instanceof ShelfedgeError) {
    const faults: readonly Fault[] = error.faults;
    const closed: PackageErrorCode = "closed";
    void [error.code === closed, faults[0]?.path];
  }
}
shop.close();

// @ts-expect-error: a misspelt option is refused.
await load({ model: "/models/ranking/", wroker: false });
// @ts-expect-error: so is a device that no model knows.
await shop.rank({ context: { device: "fridge" } });
