// Pictures for products that have no photo: a pattern, a thing and colours, all
// read from the words of the title, so that a product always looks the same.

const SVG = "http://www.w3.org/2000/svg";

// Things, the more special first. On a grid of 64; "f" is the main colour, "g"
// the second, "s" only a line: bright on the tile, and dark once it lies on
// something that was filled.
const THINGS = [
  [/hot water bottle/, "g M28 7h8v11h-8z|f M22 20c-8 4-8 31 0 34h20c8-3 8-30 0-34l-4-3H26z|s M25 32h14M25 40h14"],
  [/cake ?stand|cakestand|tier/, "s M32 41v11M21 54h22|g M19 29c0-13 26-13 26 0v7H19z|f M9 36h46v5H9z"],
  [/cake case|cupcake|cakes?\b|muffin/, "g M16 32c-5-16 37-16 32 0z|g M32 10a4 4 0 1 0 .1 0z|f M17 32h30l-4 22H21z|s M26 36l2 14M38 36l-2 14"],
  [/teapot|tea cosy|tea for one|sugar bowl/, "s M46 38c6 0 5-10 12-11M17 36c-11-3-11 13 1 12|f M17 31c2-7 28-7 30 0 4 15-4 22-15 22S13 46 17 31z|g M26 25h12l-3-6h-6z"],
  [/mug|tea ?cup|cup\b|beaker|saucer|egg cup|tumbler/, "s M44 27h4a7 7 0 0 1 0 16h-5M23 15q-3-4 0-8M33 15q-3-4 0-8|f M14 21h30v24a9 9 0 0 1-9 9H23a9 9 0 0 1-9-9z"],
  [/lunch box|snack box|bread ?bin|tins?\b|trinket|canister|pantry|container/, "s M27 11h10v4H27z|f M13 24h38v26a4 4 0 0 1-4 4H17a4 4 0 0 1-4-4z|g M11 15h42v10H11z|s M22 36h20"],
  [/hand ?bag|purse|wallet|clutch|make ?up|wash ?bag/, "s M21 26c0-17 22-17 22 0|f M10 30c0-7 44-7 44 0l2 19a5 5 0 0 1-5 5H13a5 5 0 0 1-5-5z|g M28 32h8v8h-8z"],
  [/\bbags?\b|shopper|luggage|rucksack/, "s M22 27V18a10 10 0 0 1 20 0v9|f M13 24h38l3 30H10z|g M32 48c-9-6-9-14-4-14 2 0 4 2 4 4 0-2 2-4 4-4 5 0 5 8-4 14z"],
  [/garland|bunting|paper chain|banner|flags?\b/, "s M4 15q28 14 56 0|f M9 19l13 3-9 15z|g M25 23h14l-7 16z|f M42 22l13-3-4 18z"],
  [/fairy light|string.*light|lights\b|bulb/, "s M4 16q28 18 56 0|f M13 24a6 7 0 1 0 .1 0z|g M25 30a6 7 0 1 0 .1 0z|f M39 30a6 7 0 1 0 .1 0z|g M51 24a6 7 0 1 0 .1 0z"],
  [/lantern/, "s M32 14V7M15 54h34|f M19 24l13-11 13 11v28H19z|g M26 29h12v19H26z|s M32 38v10"],
  [/t[- ]?light|tealight|candle ?holder|votive|burner|incense|candlestick/, "s M32 23v8M24 54h16|g M32 9c6 7 5 13 0 14-5-1-6-7 0-14z|f M14 32h36l-5 20H19z"],
  [/candle|wick/, "s M32 21v6|g M32 7c6 7 5 13 0 14-5-1-6-7 0-14z|f M22 27h20v27H22z|s M22 36c5 5 7-3 11 2"],
  [/lamp ?shade|\blamp\b/, "s M32 36v16M22 54h20|f M22 11h20l9 26H13z|g M24 30h17l2 7H22z"],
  [/clock|\btimer?\b/, "f M32 9a23 23 0 1 0 .1 0z|g M32 15a17 17 0 1 0 .1 0z|s M32 21v11l8 5"],
  [/earring/, "s M20 24c-6-8 0-15 4-12M44 24c-6-8 0-15 4-12|f M20 24c9 11 8 24 0 24s-9-13 0-24z|f M44 24c9 11 8 24 0 24s-9-13 0-24z|g M20 36a4 4 0 1 0 .1 0z|g M44 36a4 4 0 1 0 .1 0z"],
  [/necklace|neckl|pendant|\bcharm/, "s M12 9c0 32 40 32 40 0|f M32 32c9 9 9 21 0 21s-9-12 0-21z|g M32 42a4 4 0 1 0 .1 0z"],
  [/bracelet|\bring\b|bangle/, "f M32 20a18 17 0 1 0 .1 0zm0 7a11 10 0 1 1-.1 0z|g M25 13h14l4 6-11 10-11-10z"],
  [/photo|picture|frame|jigsaw|postcard|\bart\b|image/, "f M9 11h46v42H9z|g M16 18h32v28H16z|s M18 44l10-12 7 8 5-5 6 8"],
  [/mirror/, "s M32 48v6M23 55h18|f M32 7a17 21 0 1 0 .1 0z|g M32 13a11 15 0 1 0 .1 0z"],
  [/door ?mat|\brug\b/, "s M10 46v6M19 46v6M28 46v6M37 46v6M46 46v6M54 46v6|f M6 24h52v22H6z|g M13 30h38v10H13z"],
  [/\bsigns?\b|chalk|black ?board|memo|notice|plaque|letter rack|number tile/, "s M18 25l14-14 14 14|f M7 25h50v24H7z|s M16 34h32M16 41h20"],
  [/hook|hanger|coat rack/, "s M32 21c0-6 7-5 7-11a7 7 0 0 0-14 0|f M32 21l24 19c4 4 1 8-3 8H11c-4 0-7-4-3-8z|g M32 30l11 11H21z"],
  [/drawer|cabinet|cupboard|chest|knob|shelf|shelves|stool|chair|bench/, "s M16 52v4M48 52v4|f M11 10h42v42H11z|s M11 31h42|g M32 18a4 4 0 1 0 .1 0z|g M32 38a4 4 0 1 0 .1 0z"],
  [/umbrella|parasol/, "s M32 6v44a5 5 0 0 0 10 0|f M5 33a27 25 0 0 1 54 0q-7-5-13 0-7-5-14 0-7-5-14 0-6-5-13 0z|g M32 8q-13 10-14 25 7-5 14 0 7-5 14 0-1-15-14-25z"],
  [/cushion|pillow|bean ?bag/, "f M11 13q21 6 42 0-6 19 0 38-21-6-42 0 6-19 0-38z|g M32 24a8 8 0 1 0 .1 0z"],
  [/apron|oven glove|towel|flannel/, "s M22 10q10 11 20 0|f M22 10l2 8q8 5 16 0l2-8 3 13 8 5v27H11V28l8-5z|g M23 36h18v11H23z"],
  [/cutlery|spoon|fork|knife|measuring|spatula|baking|pastry|rolling|whisk|kitchen/, "s M17 8v13a6 6 0 0 0 12 0V8M23 8v48|f M39 8c10 6 10 21 5 27h-5z|s M41 35v21"],
  [/notebook|book|journal|diary|sketch|recipe|passport|pad\b|calendar/, "f M14 9h36v46H14z|g M24 17h20v10H24z|s M20 9v46"],
  [/pen\b|pencil|crayon|chalks|marker|ruler|draw/, "f M12 52l4-14 28-28 10 10-28 28z|g M44 10l10 10-6 6-10-10z|s M16 38l10 10"],
  [/gift wrap|wrap|ribbon|\breel|tape\b|sewing|craft|knit|crochet|wool|stitch|button/, "f M22 17h20v30H22z|g M16 9h32v9H16z|g M16 46h32v9H16z|s M22 25h20M22 32h20M22 39h20"],
  [/cards?\b|envelope|letter|stationery|sticker|tags?\b/, "f M9 16h46v34H9z|s M9 17l23 19 23-19|g M32 48c-8-5-8-12-4-12 2 0 4 2 4 3 0-1 2-3 4-3 4 0 4 7-4 12z"],
  [/magnet/, "f M13 10h13v22a6 6 0 0 0 12 0V10h13v22a19 19 0 0 1-38 0z|g M13 10h13v9H13z|g M38 10h13v9H38z"],
  [/napkin|tissue|doil|coaster|placemat|table ?cloth|paper plate|handkerchief|hankie/, "f M32 7l8 5 10 1 1 10 6 9-6 9-1 10-10 1-8 5-8-5-10-1-1-10-6-9 6-9 1-10 10-1z|g M32 21a11 11 0 1 0 .1 0z"],
  [/basket|hamper|picnic|wicker|trug/, "s M15 28C15 4 49 4 49 28|f M9 27h46l-6 27H15z|s M12 36h40M14 45h36M26 27l2 27M38 27l-2 27"],
  [/watering|bucket|garden (tool|kit)|trowel/, "s M44 36l11-12M50 20l8 9M16 32c-11-2-11 15 1 15|f M16 27h28v26H16z|g M19 20h20v7H19z"],
  [/plant|herb|\bpots?\b|planter|seed|grow/, "g M32 34C30 20 20 18 15 11c13-1 17 9 17 23zM32 34c2-14 12-16 17-23-13-1-17 9-17 23z|f M17 34h30l-5 20H22z"],
  [/jar|jam|preserv|storage/, "f M16 22h32v26a6 6 0 0 1-6 6H22a6 6 0 0 1-6-6z|g M14 11h36v11H14z|g M23 30h18v14H23z"],
  [/bottle|soap|perfume|lotion|bath|jug|vase|decanter|pitcher/, "f M27 8h10v11c9 5 9 9 9 16v16a4 4 0 0 1-4 4H22a4 4 0 0 1-4-4V35c0-7 0-11 9-16z|g M18 34h28v12H18z"],
  [/bowl|dish|plate|tray|porringer|colander|bakeware/, "s M21 55h22|f M7 29h50c0 15-11 23-25 23S7 44 7 29z|g M7 29c0-6 50-6 50 0z"],
  [/wreath/, "f M32 8a23 23 0 1 0 .1 0zm0 12a11 11 0 1 1-.1 0z|g M32 44l-9-5v13zM32 44l9-5v13z"],
  [/bauble|ornament|\bball\b|bells?\b/, "s M32 14V6|f M32 18a18 18 0 1 0 .1 0z|g M27 12h10v7H27z|s M15 33q8 6 17 0t17 0"],
  [/christmas tree|\btree\b|advent|\bxmas\b|woodland/, "g M28 48h8v8h-8z|f M32 6l13 17h-6l11 14h-7l9 12H12l9-12h-7l11-14h-6z"],
  [/space|rocket|robot|\btoy\b|game|puzzle|playing|\bblocks?\b|skittle|whistle|circus|soldier/, "s M24 33l-9 10v7l10-7M40 33l9 10v7l-10-7M28 47v8M36 47v8|f M32 5c11 10 12 25 8 38H24C20 30 21 15 32 5z|g M32 19a6 6 0 1 0 .1 0z"],
  [/doll|babushka|angel|fairy|ballerina/, "f M32 7a12 12 0 0 1 9 20c10 8 9 26 1 28H22c-8-2-9-20 1-28A12 12 0 0 1 32 7z|g M32 11a8 8 0 1 0 .1 0z|s M25 41q7 7 14 0"],
  [/rabbit|bunny/, "f M23 30C14 8 24 2 30 25h4C40 2 50 8 41 30c8 14-1 25-9 25s-17-11-9-25z|s M27 39v1M37 39v1|g M32 43a3 3 0 1 0 .1 0z"],
  [/\bcat\b|kitten|\bdog\b|puppy|fox|bear|reindeer|elephant|frog/, "f M14 12l11 9h14l11-9v26a18 18 0 0 1-36 0z|s M25 34v1M39 34v1|g M32 41a4 3 0 1 0 .1 0z"],
  [/\beggs?\b/, "f M32 7c13 8 19 23 17 31a17 17 0 0 1-34 0C13 30 19 15 32 7z|s M16 31q5 6 11 0t10 0 11 0"],
  [/bird|\bhen\b|chick|duck|owl|dove|peacock|robin|cockerel|feather/, "s M26 50v6M33 50v6|f M12 36c0-15 21-22 27-11l12-2-7 9c1 14-9 19-17 19-9 0-15-7-15-15z|g M21 35q11-7 16 2-7 9-16-2z|s M37 27v1"],
  [/butterfl|dragonfly|\bbee\b|ladybird/, "s M32 22v26M32 22l-4-7M32 22l4-7|f M32 32C24 8 6 10 10 26c-6 14 12 28 22 10zM32 32c8-24 26-22 22-6 6 14-12 28-22 10z"],
  [/toadstool|mushroom/, "g M25 34h14l3 20H22z|f M7 36C7 2 57 2 57 36z|g M22 18a4 4 0 1 0 .1 0zM41 20a4 4 0 1 0 .1 0z"],
  [/heart|love|valentine/, "f M32 54C6 38 9 14 22 14c6 0 9 5 10 9 1-4 4-9 10-9 13 0 16 24-10 40z|s M18 28c0-4 2-7 5-7"],
  [/\bstars?\b|snow|christmas|noel|glitter/, "f M32 7l7 16 17 2-13 12 4 18-15-9-15 9 4-18L8 25l17-2z"],
  [/flower|rose|daisy|floral|blossom|poppy|tulip|lavender|\bleaf/, "s M32 40v17M32 52q8 0 10-8|f M32 7a8 8 0 1 0 .1 0zM45 16a8 8 0 1 0 .1 0zM40 31a8 8 0 1 0 .1 0zM24 31a8 8 0 1 0 .1 0zM19 16a8 8 0 1 0 .1 0z|g M32 21a6 6 0 1 0 .1 0z"],
  [/./, "s M32 20c-4-12-16-10-13-3 1 3 9 3 13 3 4 0 12 0 13-3 3-7-9-9-13 3|f M11 29h42v25H11z|g M8 20h48v10H8z|s M32 20v34"],
];

// Patterns: the words that ask for one, its tile's size, its shape.
const PATTERNS = [
  [/polka|retro ?spot|\bspots?\b|dott?y|\bdots?\b/, 16, "M4 1a3 3 0 1 0 .1 0zM12 9a3 3 0 1 0 .1 0z"],
  [/stripe|candy|circus|deck ?chair|hammock/, 12, "M0 0h6v12H0z"],
  [/gingham|check|tartan|picnic|apron|kitchen/, 14, "M0 0h7v14H0zM7 0h7v7H7z"],
  [/heart|love|valentine/, 20, "M10 15C3 10 4 5 7 5c2 0 3 2 3 3 0-1 1-3 3-3 3 0 4 5-3 10z"],
  [/star|christmas|noel|santa|snow|glitter|xmas/, 22, "M11 5l1.6 4.3L17 11l-4.400 1.700L11 17l-1.600-4.300L5 11l4.400-1.700z"],
  [/leaf|leaves|woodland|forest|garden|botanical|herb|tree|bird/, 20, "M4 16C4 7 9 4 16 4c0 7-3 12-12 12z"],
  [/flower|floral|rose|daisy|blossom|poppy|paisley|lavender|butterfly|cherry|strawberry/, 20, "M10 3a3 3 0 1 0 .1 0zM14 8a3 3 0 1 0 .1 0zM12.500 12a3 3 0 1 0 .1 0zM7.500 12a3 3 0 1 0 .1 0zM6 8a3 3 0 1 0 .1 0z"],
  [/diamante|crystal|baroque|bling|lace|jewel|regency|glass|french|damask/, 18, "M9 2l5 7-5 7-5-7z"],
  [/union jack|london|british/, 40, "M0 0l40 40h-8L0 8zM40 0L0 40h8L40 8zM17 0h6v40h-6zM0 17h40v6H0z"],
];
const PLAIN = [
  [18, "M0 18a9 9 0 0 1 18 0h-3a6 6 0 0 0-12 0z"],
  [14, "M2 0l2 0-2 14-2 0z"],
  [20, "M10 8a2 2 0 1 0 .1 0z"],
  [16, "M0 8q4-5 8 0t8 0v2q-4 5-8 0t-8 0z"],
];

// Colours by word: hue, chroma, lightness of the main colour.
const COLOURS = [
  [/\b(red|strawberry|cherry|poppy|santa|union jack|london)\b/, 25, 0.15],
  [/\b(pink|sweetheart|valentine|ballerina|dolly)\b/, 5, 0.1],
  [/\b(fuschia|fuchsia|raspberry|magenta)\b/, 350, 0.15],
  [/\b(orange|copper|amber|pumpkin|terracotta)\b/, 55, 0.12],
  [/\b(yellow|lemon|sunflower|chick)\b/, 95, 0.13, 0.82],
  [/\b(gold|golden|brass|baroque)\b/, 85, 0.1, 0.76],
  [/\b(ivory|cream|vanilla|natural|pearl)\b/, 85, 0.035, 0.92],
  [/\b(white|snow|lace|porcelain)\b/, 240, 0.012, 0.95],
  [/\b(silver|zinc|metal|pewter|chrome|tin|glass|crystal|diamante)\b/, 240, 0.025, 0.8],
  [/\b(grey|gray|slate)\b/, 250, 0.02, 0.6],
  [/\b(black|chalk|chalkboard|skulls?|jet)\b/, 280, 0.02, 0.4],
  [/\b(green|apples?|woodland|forest|leaf|botanical|garden|herb|olive)\b/, 148, 0.09],
  [/\b(mint|turquoise|aqua|teal)\b/, 190, 0.08, 0.74],
  [/\b(blue|spaceboy|sky|navy|sea|beach)\b/, 245, 0.1],
  [/\b(purple|lilac|lavender|amethyst|mauve|violet)\b/, 305, 0.1],
  [/\b(brown|chocolate|wood|wooden|wicker|rustic|antique|coffee)\b/, 62, 0.06, 0.58],
];
const HUES = [18, 40, 75, 110, 150, 175, 205, 235, 285, 340];

/** FNV-1a: the same number for the same text, everywhere. */
function hash(text) {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

function element(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

let serial = 0;

/** A picture for a product, hidden from assistive technology: the title says it all. */
export function picture({ item_id, title }) {
  const words = title.toLowerCase();
  const seed = hash(item_id);
  const colours = COLOURS.map((entry) => [words.search(entry[0]), ...entry.slice(1)])
    .filter(([at]) => at >= 0)
    .sort((a, b) => a[0] - b[0]);
  const hue = /christmas|xmas|noel/.test(words) ? [25, 148][seed % 2] : HUES[hash(words) % HUES.length];
  const [, h, c, l = 0.66] = colours[0] ?? [0, hue, 0.075];
  const [, h2, c2, l2 = 0.78] = colours[1] ?? [0, (h + 45) % 360, Math.max(c * 0.5, 0.03), 0.93];
  const [size, shape] = PATTERNS.find(([word]) => word.test(words))?.slice(1) ?? PLAIN[seed % PLAIN.length];
  const id = `pattern-${++serial}`;
  const parts = THINGS.find(([word]) => word.test(words))[1].split("|");
  const filled = parts.findIndex((part) => part[0] !== "s");

  const svg = element(
    "svg",
    { viewBox: "0 0 160 128", class: "art", "aria-hidden": "true", preserveAspectRatio: "xMidYMid slice" },
    element(
      "pattern",
      { id, width: size, height: size, patternUnits: "userSpaceOnUse", patternTransform: `rotate(${(seed >> 4) % 3 * 15})` },
      element("path", { d: shape, class: "art-shape" }),
    ),
    element("rect", { width: 160, height: 128, class: "art-back" }),
    element("rect", { width: 160, height: 128, fill: `url(#${id})` }),
    element("ellipse", { cx: 80, cy: 108, rx: 32, ry: 4, class: "art-shadow" }),
    element(
      "g",
      { transform: "translate(39 23) scale(1.28)" },
      ...parts.map((part, at) => element("path", { d: part.slice(2), class: `art-${part[0]}${at < filled ? " art-line" : ""}` })),
    ),
  );
  // Set through the object model: the page's policy forbids style attributes.
  for (const [name, value] of Object.entries({ h, c, l, h2, c2, l2 })) svg.style.setProperty(`--${name}`, value);
  return svg;
}
