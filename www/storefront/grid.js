// The list of products: tiles that keep their identity while their places
// change, so that a re-ranking is a movement and not a new page.
import { picture } from "./art.js";
import { money, t } from "./words.js";
import { readableSentence } from "./titles.js";
import { language } from "./words.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** An element: `make("button", { class: "quiet", type: "button" }, "Close")`. */
export function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** A reason in the page's language. */
export const sentence = (reason) => readableSentence(reason[language] ?? reason.en);

/** "−  2 in basket  +" for a product. */
export function stepper(product, quantity) {
  return make(
    "div",
    { class: "stepper" },
    make("button", { type: "button", "data-act": "fewer", "aria-label": t("fewer_label", product.name) }, "−"),
    make("span", {}, make("span", { "aria-hidden": "true" }, String(quantity)), make("span", { class: "sr" }, t("quantity", quantity))),
    make("button", { type: "button", "data-act": "more", "aria-label": t("more_label", product.name) }, "+"),
  );
}

export class Grid {
  #root;
  #tiles = new Map();
  #places = new Map();

  constructor(root) {
    this.#root = root;
  }

  /** Grey tiles while the model is on its way. */
  wait(count) {
    this.#tiles.clear();
    this.#places.clear();
    this.#root.setAttribute("aria-busy", "true");
    this.#root.replaceChildren(...Array.from({ length: count }, () => make("li", { class: "tile blank", "aria-hidden": "true" })));
  }

  /** Nothing to show. */
  clear() {
    this.wait(0);
    this.#root.removeAttribute("aria-busy");
  }

  /**
   * Shows a ranking.
   *
   * @returns how many products have another place than before
   */
  show(items, products, { basket, selected, compareWithBefore }) {
    const before = new Map();
    for (const [id, tile] of this.#tiles) before.set(id, tile.getBoundingClientRect());
    const focused = document.activeElement?.closest?.(".tile") ? document.activeElement : undefined;
    const focusedTile = focused?.closest(".tile");
    const act = focused?.dataset.act;
    const seen = focused?.matches(":focus-visible");

    const places = new Map(items.map(({ item_id }, index) => [item_id, index]));
    const tiles = new Map();
    let moved = 0;
    for (const [index, item] of items.entries()) {
      const id = item.item_id;
      const tile = this.#tiles.get(id) ?? this.#tile(products.get(id));
      const was = compareWithBefore && this.#places.size > 0 ? this.#places.get(id) ?? -1 : index;
      if (was !== index) moved++;
      this.#fill(tile, products.get(id), item, { was, index, quantity: basket.get(id) ?? 0, selected: id === selected });
      tiles.set(id, tile);
    }
    for (const tile of this.#tiles.values()) for (const animation of tile.getAnimations()) animation.cancel();
    this.#root.replaceChildren(...tiles.values());
    this.#root.removeAttribute("aria-busy");
    this.#tiles = tiles;
    this.#places = places;

    if (focusedTile) {
      // Moving a node takes its focus away. A product that left the list hands
      // it to the list's heading, so that the keyboard is never lost.
      const twin = { add: "more", fewer: "add", more: "add" }[act];
      const target = focusedTile.isConnected
        ? focusedTile.querySelector(`[data-act="${act}"]`) ?? focusedTile.querySelector(`[data-act="${twin}"]`)
        : document.getElementById("list-title");
      target?.focus({ preventScroll: true });
      if (seen) target?.scrollIntoView({ block: "nearest" });
    }
    this.#move(before, compareWithBefore);
    return moved;
  }

  /** From where the tiles were to where they are (FLIP). */
  #move(before, moves) {
    if (calm.matches) return;
    for (const [id, tile] of this.#tiles) {
      const now = tile.getBoundingClientRect();
      const was = before.get(id);
      const visible = (rect) => rect && rect.bottom > -200 && rect.top < innerHeight + 200;
      if (!visible(now) && !visible(was)) continue;
      if (!was || !moves) {
        tile.animate([{ opacity: 0, transform: "scale(.94)" }, { opacity: 1, transform: "none" }], { duration: 260, easing: "ease-out" });
      } else if (was.left !== now.left || was.top !== now.top) {
        tile.animate(
          [{ transform: `translate(${was.left - now.left}px, ${was.top - now.top}px)` }, { transform: "none" }],
          { duration: 420, easing: "cubic-bezier(.2, .8, .2, 1)" },
        );
      }
    }
  }

  #tile(product) {
    return make(
      "li",
      { class: "tile", "data-id": product.item_id },
      make(
        "article",
        {},
        make("div", { class: "tile-art" }, picture(product), make("span", { class: "tile-move" })),
        make("h2", {}, make("button", { type: "button", class: "tile-view", "data-act": "view", lang: "en" }, product.name)),
        make("p", { class: "tile-reason" }),
        make("div", { class: "tile-foot" }),
      ),
    );
  }

  #fill(tile, product, item, { was, index, quantity, selected }) {
    const move = tile.querySelector(".tile-move");
    const direction = was === index ? "" : was < 0 ? "fresh" : was > index ? "up" : "down";
    move.className = `tile-move ${direction}`;
    const arrow = { up: "↑", down: "↓" }[direction];
    move.replaceChildren(
      ...(arrow
        ? [make("span", { "aria-hidden": "true" }, `${arrow} ${Math.abs(was - index)}`), make("span", { class: "sr" }, t(direction, Math.abs(was - index)))]
        : direction ? [t("fresh")] : []),
    );
    const view = tile.querySelector(".tile-view");
    if (selected) view.setAttribute("aria-current", "true");
    else view.removeAttribute("aria-current");
    const top = item.reasons?.find(({ contribution }) => contribution > 0);
    tile.querySelector(".tile-reason").textContent = top ? sentence(top) : "";
    const price = make("span", { class: "price" }, money(product.price));
    tile.querySelector(".tile-foot").replaceChildren(
      price,
      quantity > 0
        ? stepper(product, quantity)
        : make("button", { type: "button", class: "add", "data-act": "add", "aria-label": t("add_label", product.name) }, t("add")),
    );
  }
}
