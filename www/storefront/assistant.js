// What the assistant calls in this shop: the shopper's own orders, in this page. The data knows
// when an order was made and nothing of its delivery, so the demo's rule is that an order
// leaves after a day and arrives after three. What is changed lasts as long as the visit.
import { day, money, t } from "./words.js";

const DAY = 86_400_000;
const LEAVES = DAY;
const ARRIVES = 3 * DAY;
const RETURNS = 30 * DAY;
/** Orders that are listed. */
const RECENT = 5;

/**
 * The actions of the bundled flows.
 *
 * @param {{ now: () => number, orders: () => Promise<{ id: string, time: string, total: number, items: string[] }[]> }} shop
 */
export function actions({ now, orders }) {
  const changed = new Map();
  let cases = 0;
  const change = (id, what) => changed.set(id, { ...changed.get(id), ...what });
  const find = async (id) => {
    const found = (await orders()).find((order) => order.id === id);
    return found && { ...found, made: Date.parse(found.time), ...changed.get(id) };
  };
  const left = ({ made }) => now() >= made + LEAVES;
  const arrived = ({ made }) => now() >= made + ARRIVES;
  const on = ({ made }, after) => day(made + after);
  const soon = () => day(now() + 2 * DAY);

  return {
    async recent_orders() {
      const recent = (await orders()).sort((a, b) => b.time.localeCompare(a.time)).slice(0, RECENT);
      if (recent.length === 0) return { outcome: "none" };
      return {
        outcome: "found",
        items: recent.map(({ id, time, total, items }) => ({ kind: "order_number", value: id, label: t("chat_order", id, day(time), money(total), items[0] ?? "", items.length) })),
      };
    },
    async order_status({ order }) {
      const found = await find(order);
      if (!found) return { outcome: "not_found" };
      if (found.cancelled) return { outcome: "cancelled", facts: { cancelled_on: day(found.cancelled) } };
      if (arrived(found)) return { outcome: "delivered", facts: { delivered_on: on(found, ARRIVES) } };
      if (left(found)) return { outcome: "shipped", facts: { carrier: t("chat_carrier"), arrives_on: on(found, ARRIVES) } };
      return { outcome: "preparing", facts: { ships_on: on(found, LEAVES) } };
    },
    async check_return({ order }) {
      const found = await find(order);
      if (!found || found.cancelled) return { outcome: "not_found" };
      const until = found.made + ARRIVES + RETURNS;
      return { outcome: now() <= until ? "allowed" : "too_late", facts: { return_by: day(until) } };
    },
    create_return({ order }) {
      change(order, { returned: now() });
      return { outcome: "created", facts: { return_code: `R${order}`, next_step: t("chat_return") } };
    },
    async check_address_change({ order }) {
      const found = await find(order);
      if (!found || found.cancelled) return { outcome: "not_found" };
      if (arrived(found)) return { outcome: "delivered", facts: { delivered_on: on(found, ARRIVES) } };
      if (left(found)) return { outcome: "shipped", facts: { arrives_on: on(found, ARRIVES) } };
      return { outcome: "allowed", facts: { current_address: found.address ?? t("chat_address") } };
    },
    async change_address({ order, address }) {
      change(order, { address });
      return { outcome: "changed", facts: { arrives_on: on(await find(order), ARRIVES) } };
    },
    async check_cancel({ order }) {
      const found = await find(order);
      if (!found) return { outcome: "not_found" };
      if (found.cancelled) return { outcome: "cancelled", facts: { cancelled_on: day(found.cancelled) } };
      if (arrived(found)) return { outcome: "delivered", facts: { delivered_on: on(found, ARRIVES) } };
      if (left(found)) return { outcome: "shipped", facts: { arrives_on: on(found, ARRIVES) } };
      return { outcome: "allowed", facts: { total: money(found.total) } };
    },
    async cancel_order({ order }) {
      // The customer may have thought for long.
      if (left(await find(order))) return { outcome: "too_late" };
      change(order, { cancelled: now() });
      return { outcome: "cancelled", facts: { refund_by: soon() } };
    },
    match_price: () => ({ outcome: "refused", facts: { why: t("chat_demo") } }),
    file_complaint: () => ({ outcome: "filed", facts: { case_number: `C${++cases}`, reply_by: soon() } }),
    find_person: () => ({ outcome: "open" }),
    leave_message: () => ({ outcome: "left", facts: { reply_by: soon() } }),
  };
}
