// Every text of the page in both languages. Titles of products stay English,
// as the data has them; reasons come in both languages with the ranking.

const EN = {
  skip: "Skip to the products",
  language: "Language",
  search: "Search products",
  basket: "Basket",
  shopping_as: "Shopping as",
  newcomer: "Someone new, no history",
  kind_frequent: "Frequent", kind_regular: "Regular", kind_occasional: "Occasional", kind_new: "New", kind_lapsed: "Lapsed",
  option: (id, country, orders) => `${id} · ${country} · ${orders} ${orders === 1 ? "order" : "orders"}`,
  history: (orders, lines, first, last) => orders === 1
    ? `1 order of ${lines} lines, on ${last}.`
    : `${orders} orders since ${first}, last on ${last}; ${lines} lines in all.`,
  history_new: "No orders yet: the list starts from what sells now and learns from your clicks.",
  history_more: (n) => ` ${n} more in this visit.`,
  history_erased: "Profile erased: the shop knows nothing of this shopper now.",
  clock: (now) => `The data ends on 9 December 2011 at 12:50, so the shop's clock started there: it is now ${now}.`,
  shelves: "Shelves",
  shelf_all: "For you", shelf_christmas: "Christmas", shelf_kitchen: "Kitchen", shelf_lights: "Lights", shelf_bags: "Bags", shelf_garden: "Garden", shelf_jewellery: "Jewellery", shelf_children: "Children",
  for_you: "Picked for you",
  for_new: "Popular now",
  found: (what) => `“${what}”, best for you first`,
  ranked: (shown, of) => `${shown} shown of ${of.toLocaleString("en")} candidates, ranked in this page. Click anything: the list follows.`,
  capped: (n, of) => ` ${of.toLocaleString("en")} products match; the first ${n.toLocaleString("en")} were ranked.`,
  nothing: (what) => `Nothing matches “${what}”.`,
  add: "Add", add_label: (title) => `Add ${title} to the basket`,
  more_label: (title) => `One more ${title}`, fewer_label: (title) => `One fewer ${title}`,
  quantity: (n) => `${n} in basket`,
  up: (n) => `up ${n}`, down: (n) => `down ${n}`, fresh: "new here",
  why_title: "Why this order",
  place: (n, of) => `Place ${n} of ${of}`,
  score: "score",
  source_bought_again: "Bought before", source_similar: "Goes with yours", source_popular: "Popular", source_given: "From this shelf",
  no_reasons: "The ranking gave no reasons for this product.",
  why_note: "A bar is what the score loses without that reason. Reasons act together, so the bars don't add up to the score.",
  reason_sum: "Why",
  proof_title: "Same answer, two places",
  badge_wait: "Asking the edge…",
  badge_same: (bytes, sha) => `Browser and edge answered with identical bytes (${bytes} bytes${sha ? `, sha256 ${sha}…` : ""})`,
  badge_differ: (a, b, at) => `Browser and edge differ: ${a} and ${b} bytes, first at byte ${at}. This is a defect; please report it with the request below.`,
  badge_down: (why) => `The edge did not answer (${why}). The list is the browser's own and complete without it.`,
  badge_off: "Not compared: nothing leaves this page.",
  tally: (same, all) => `${same} of ${all} answers identical in this visit`,
  time_browser: "This browser", time_rank: "ranking alone", time_edge: "Edge, there and back", time_edge_rank: "ranking at the edge", time_load: "Model ready after", compared: "Compared",
  glance_same: "identical bytes", glance_differ: "answers differ", glance_down: "edge down", glance_off: "browser only", glance_wait: "…",
  privacy_title: "What leaves this page",
  compare: "Compare with the edge",
  leaves_on: (size, events) => `Each ranking is made here, and the same request (${size}, with the profile's ${events} events) goes to /v1/rank of this server to compare the answers.`,
  leaves_off: "Nothing. The list is ranked in this page, and no event or request is sent anywhere.",
  sent: "The last request, as it was sent",
  profile_title: "Your profile",
  profile_note: (n, kept) => `${n} ${n === 1 ? "event" : "events"}, ${kept ? "kept on this device (IndexedDB) until you erase them" : "in memory only: gone with this page"}.`,
  profile_show: "What the shop knows",
  profile_latest: (n) => `The latest ${n}:`,
  keep: "Keep it on this device",
  kept: "Kept on this device from now on.", not_kept: "No longer kept: the copy on this device is erased.",
  export: "Export as JSON", exported: "Exported.",
  erase: "Erase", erased: "Erased, here and on this device.",
  event_purchase: "Bought", event_view_item: "Looked at", event_add_to_cart: "Added", event_remove_from_cart: "Removed",
  and_more: (n) => ` and ${n} more`,
  close: "Close", total: "Total", buy: "Buy",
  buy_note: "No money moves: a purchase event joins the profile and the list follows.",
  basket_empty: "The basket is empty.",
  basket_label: (n, total) => `Basket, ${n} ${n === 1 ? "item" : "items"}, ${total}`,
  bought: (n, total) => `Ordered: ${n} ${n === 1 ? "item" : "items"}, ${total}. The list now knows.`,
  updated: (title, moved) => `List updated: ${title} is now first; ${moved} products moved.`,
  unchanged: (title) => `List updated: ${title} is still first, nothing moved.`,
  model: (products, size, digest) => `Model: ${products.toLocaleString("en")} products, ${size}, ${digest}`,
  data_by: "Orders:",
  no_photos: "There are no photos in the data: the pictures are drawn from each product's words. Nothing is sold here.",
  problem: "The shop can't rank here",
  retry: "Try again",
  do_wasm: "This browser has no WebAssembly, or it is switched off (lockdown modes do that). Switch it on for this page or use another browser.",
  do_package: "The package's files are not where the page looks for them (/package/index.js). Build them with: cargo xtask npm",
  do_fetch: "Check that the server runs and serves /models/ranking/ and /package/, then try again.",
  do_model: "The bundle's parts don't belong together or are damaged. Copy the whole folder of one training run, then try again.",
  do_other: "Try again; if it stays, report the code and the message.",
  shoppers_failed: "The customers' histories can't be read (/shoppers.json), so only a new shopper can be picked.",
};

const ZH = {
  skip: "跳到商品",
  language: "语言",
  search: "搜索商品",
  basket: "购物篮",
  shopping_as: "顾客",
  newcomer: "新顾客，没有历史",
  kind_frequent: "常客", kind_regular: "老顾客", kind_occasional: "偶尔光顾", kind_new: "新客", kind_lapsed: "许久未来",
  option: (id, country, orders) => `${id} · ${country} · ${orders} 单`,
  history: (orders, lines, first, last) => orders === 1
    ? `1 单，共 ${lines} 行，下单于 ${last}。`
    : `自 ${first} 起共 ${orders} 单 ${lines} 行，最近一单在 ${last}。`,
  history_new: "还没有订单：列表先按当前热销排列，再随您的点击学习。",
  history_more: (n) => `本次访问又下了 ${n} 单。`,
  history_erased: "资料已清除：商店现在对这位顾客一无所知。",
  clock: (now) => `数据止于 2011 年 12 月 9 日 12:50，商店的时钟从那一刻走起：现在是 ${now}。`,
  shelves: "货架",
  shelf_all: "为您推荐", shelf_christmas: "圣诞", shelf_kitchen: "厨房", shelf_lights: "灯烛", shelf_bags: "包袋", shelf_garden: "花园", shelf_jewellery: "首饰", shelf_children: "儿童",
  for_you: "为您挑选",
  for_new: "当前热销",
  found: (what) => `“${what}”，最适合您的在前`,
  ranked: (shown, of) => `从 ${of.toLocaleString("zh")} 个候选中选出 ${shown} 个，就在本页内排序。点一点，列表随之而变。`,
  capped: (n, of) => `共有 ${of.toLocaleString("zh")} 个商品相符，只对前 ${n.toLocaleString("zh")} 个排序。`,
  nothing: (what) => `没有与“${what}”相符的商品。`,
  add: "加入", add_label: (title) => `加入购物篮：${title}`,
  more_label: (title) => `再加一件：${title}`, fewer_label: (title) => `减少一件：${title}`,
  quantity: (n) => `篮中 ${n} 件`,
  up: (n) => `上升 ${n} 位`, down: (n) => `下降 ${n} 位`, fresh: "新上榜",
  why_title: "为什么这样排",
  place: (n, of) => `第 ${n} 位，共 ${of} 位`,
  score: "得分",
  source_bought_again: "买过", source_similar: "与您的相配", source_popular: "热销", source_given: "来自此货架",
  no_reasons: "排序没有给出这个商品的理由。",
  why_note: "条形表示去掉该理由后得分的损失。各理由共同起作用，所以相加并不等于得分。",
  reason_sum: "理由",
  proof_title: "两处，同一个答案",
  badge_wait: "正在询问边缘…",
  badge_same: (bytes, sha) => `浏览器与边缘的回答逐字节相同（${bytes} 字节${sha ? `，sha256 ${sha}…` : ""}）`,
  badge_differ: (a, b, at) => `浏览器与边缘的回答不同：${a} 与 ${b} 字节，从第 ${at} 字节起。这是缺陷，请连同下面的请求一起报告。`,
  badge_down: (why) => `边缘没有回答（${why}）。列表由浏览器自己完成，不受影响。`,
  badge_off: "未作比较：没有任何数据离开本页。",
  tally: (same, all) => `本次访问 ${all} 次回答中有 ${same} 次相同`,
  time_browser: "本浏览器", time_rank: "仅排序", time_edge: "边缘往返", time_edge_rank: "边缘上的排序", time_load: "模型就绪用时", compared: "比较",
  glance_same: "逐字节相同", glance_differ: "回答不同", glance_down: "边缘无应答", glance_off: "仅浏览器", glance_wait: "…",
  privacy_title: "哪些数据会离开本页",
  compare: "与边缘比较",
  leaves_on: (size, events) => `排序都在本页完成；同一个请求（${size}，含资料中的 ${events} 个事件）也会发往本服务器的 /v1/rank，用来比较两个答案。`,
  leaves_off: "没有。列表在本页内排序，不发送任何事件或请求。",
  sent: "上一个请求的原文",
  profile_title: "您的资料",
  profile_note: (n, kept) => `${n} 个事件，${kept ? "保存在本设备（IndexedDB），直到您清除" : "只在内存中：关闭页面即消失"}。`,
  profile_show: "商店知道什么",
  profile_latest: (n) => `最近 ${n} 个：`,
  keep: "保存在本设备",
  kept: "从现在起保存在本设备。", not_kept: "不再保存：本设备上的副本已清除。",
  export: "导出 JSON", exported: "已导出。",
  erase: "清除", erased: "已清除，包括本设备上的副本。",
  event_purchase: "购买", event_view_item: "查看", event_add_to_cart: "加入", event_remove_from_cart: "移除",
  and_more: (n) => ` 等另外 ${n} 件`,
  close: "关闭", total: "合计", buy: "购买",
  buy_note: "不涉及真实付款：购买事件写入资料，列表随之更新。",
  basket_empty: "购物篮是空的。",
  basket_label: (n, total) => `购物篮，${n} 件，${total}`,
  bought: (n, total) => `已下单：${n} 件，${total}。列表已经知道了。`,
  updated: (title, moved) => `列表已更新：现在第一位是 ${title}，移动了 ${moved} 个商品。`,
  unchanged: (title) => `列表已更新：第一位仍是 ${title}，没有变动。`,
  model: (products, size, digest) => `模型：${products.toLocaleString("zh")} 个商品，${size}，${digest}`,
  data_by: "订单数据：",
  no_photos: "数据中没有照片：图案按商品名中的词绘制。这里不出售任何东西。",
  problem: "商店无法在这里排序",
  retry: "重试",
  do_wasm: "此浏览器没有 WebAssembly，或已被关闭（锁定模式会这样）。请为本页打开它，或换一个浏览器。",
  do_package: "页面找不到软件包的文件（/package/index.js）。请先构建：cargo xtask npm",
  do_fetch: "请确认服务器正在运行并提供 /models/ranking/ 与 /package/，然后重试。",
  do_model: "模型包的各部分不匹配或已损坏。请复制同一次训练的整个文件夹，然后重试。",
  do_other: "请重试；若仍失败，请报告代码与消息。",
  shoppers_failed: "无法读取顾客历史（/shoppers.json），只能选择新顾客。",
};

const ALL = { en: EN, zh: ZH };
const TAGS = { en: "en", zh: "zh-Hans" };
const LOCALES = { en: "en-GB", zh: "zh-CN" };

/** The language that is shown: "en" or "zh". */
export let language = "en";

/** Switches the language and fills every text that stands in the page itself. */
export function setLanguage(code) {
  language = code in ALL ? code : "en";
  document.documentElement.lang = TAGS[language];
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
  for (const node of document.querySelectorAll("[data-t-placeholder]")) node.placeholder = t(node.dataset.tPlaceholder);
}

/** A text in the language of the page. */
export function t(key, ...values) {
  const text = ALL[language][key] ?? EN[key] ?? key;
  return typeof text === "function" ? text(...values) : text;
}

export const money = (amount) => new Intl.NumberFormat(LOCALES[language], { style: "currency", currency: "GBP", currencyDisplay: "narrowSymbol" }).format(amount);
export const number = (value, digits) => new Intl.NumberFormat(LOCALES[language], { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
export const ms = (value) => `${number(value, value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
export const kilobytes = (bytes) => `${number(bytes / 1000, bytes < 100_000 ? 1 : 0)} kB`;
const date = (options) => (time) => new Intl.DateTimeFormat(LOCALES[language], { timeZone: "UTC", ...options }).format(new Date(time));
export const day = date({ dateStyle: "long" });
export const month = date({ year: "numeric", month: "long" });
export const moment = date({ dateStyle: "long", timeStyle: "short", hourCycle: "h23" });
export const shortMoment = date({ dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
