// The list of products: tiles that keep their identity while their places
// change, so that a re-ranking is a movement and not a new page.
import { picture } from "./art.js";
import { readableSentence } from "./titles.js";
import { language, money, t } from "./words.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** An element: `make("button", { class: "quiet" }, "Close")`. */
export function make(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** A reason in the page's language. */
export const sentence = (reason) => readableSentence(reason[language] ?? reason.en);

/** A short text for the eye, a longer one for the ear. */
const twice = (eye, ear) => [make("span", { "aria-hidden": "true" }, eye), make("span", { class: "sr" }, ear)];

/** "− 2 +" for a product in the basket. */
export function stepper(product, quantity) {
  const step = (act, sign) => make("button", { type: "button", "data-act": act, "aria-label": t(`${act}_label`, product.name) }, sign);
  return make("div", { class: "stepper" }, step("fewer", "−"), ...twice(quantity, t("quantity", quantity)), step("more", "+"));
}

export class Grid {
  #root;
  #tiles = new Map();
  #places = new Map();

  constructor(root) {
    this.#root = root;
  }

  /** Grey tiles while the model is on its way, or none at all. */
  wait(count) {
    this.#tiles.clear();
    this.#places.clear();
    this.#root.setAttribute("aria-busy", count > 0);
    this.#root.replaceChildren(...Array.from({ length: count }, () => make("li", { class: "tile blank", "aria-hidden": "true" })));
  }

  /**
   * Shows a ranking; `moves` when it follows the one that is shown.
   *
   * @returns {number} how many products have another place than before
   */
  show(items, products, basket, selected, moves) {
    const before = new Map([...this.#tiles].map(([id, tile]) => [id, tile.getBoundingClientRect()]));
    const focused = document.activeElement;
    const focusedTile = focused?.closest(".tile");
    const seen = focused?.matches(":focus-visible");

    const tiles = new Map();
    const places = new Map();
    let moved = 0;
    for (const [index, item] of items.entries()) {
      const id = item.item_id;
      const tile = this.#tiles.get(id) ?? this.#tile(products.get(id));
      const was = moves && this.#places.size > 0 ? this.#places.get(id) ?? -1 : index;
      if (was !== index) moved++;
      this.#fill(tile, products.get(id), item, was, index, basket.get(id), id === selected);
      tiles.set(id, tile);
      places.set(id, index);
    }
    for (const tile of this.#tiles.values()) for (const animation of tile.getAnimations()) animation.cancel();
    this.#root.replaceChildren(...tiles.values());
    this.#root.setAttribute("aria-busy", "false");
    this.#tiles = tiles;
    this.#places = places;

    if (focusedTile) {
      // Moving a node takes its focus away. A product that left the list hands
      // it to the list's heading, so that the keyboard is never lost.
      const act = focused.dataset.act;
      const [same, twin] = [act, act === "add" ? "more" : "add"].map((name) => focusedTile.querySelector(`[data-act="${name}"]`));
      const target = focusedTile.isConnected ? same ?? twin : document.getElementById("list-title");
      target.focus({ preventScroll: true });
      if (seen) target.scrollIntoView({ block: "nearest" });
    }
    this.#move(before, moves);
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

  #fill(tile, product, item, was, index, quantity, selected) {
    const direction = was === index ? "" : was < 0 ? "fresh" : was > index ? "up" : "down";
    const steps = Math.abs(was - index);
    const arrow = { up: "↑", down: "↓" }[direction];
    const move = tile.querySelector(".tile-move");
    move.className = `tile-move ${direction}`;
    move.replaceChildren(...(arrow ? twice(`${arrow} ${steps}`, t(direction, steps)) : direction ? [t("fresh")] : []));
    const view = tile.querySelector(".tile-view");
    view.ariaCurrent = selected ? "true" : null;
    const top = item.reasons?.find(({ contribution }) => contribution > 0);
    tile.querySelector(".tile-reason").textContent = top ? sentence(top) : "";
    tile.querySelector(".tile-foot").replaceChildren(
      make("span", { class: "price" }, money(product.price)),
      quantity
        ? stepper(product, quantity)
        : make("button", { type: "button", class: "add", "data-act": "add", "aria-label": t("add_label", product.name) }, t("add")),
    );
  }
}
