// Every text of the page in English and Chinese. Titles of products stay
// English, as the data has them; reasons come in both with the ranking.
// "{0}" is the first value, "{0:one|many}" a word that depends on it.
const TEXTS = {
  title: ["Shelfedge Gifts: a shop that ranks itself in your browser", "Shelfedge Gifts：在您的浏览器里自行排序的商店"],
  skip: ["Skip to the products", "跳到商品"],
  language: ["Language", "语言"],
  search: ["Search products", "搜索商品"],
  basket: ["Basket", "购物篮"],
  shopping_as: ["Shopping as", "顾客"],
  newcomer: ["Someone new, no history", "新顾客，没有历史"],
  kind_frequent: ["Frequent", "常客"],
  kind_regular: ["Regular", "老顾客"],
  kind_occasional: ["Occasional", "偶尔光顾"],
  kind_new: ["New", "新客"],
  kind_lapsed: ["Lapsed", "久未光顾"],
  option: ["{0} · {1} · {2} {2:order|orders}", "{0} · {1} · {2} 单"],
  history: ["{0} {0:order|orders} since {2}, last on {3}; {1} lines in all.", "自{2}起共 {0} 单 {1} 行，最近一单在{3}。"],
  history_one: ["1 order of {1} lines, on {3}.", "1 单，共 {1} 行，下单于{3}。"],
  history_new: ["No orders yet: the list starts from what sells now and learns from your clicks.", "还没有订单：列表先按当前热销排列，再随您的点击学习。"],
  history_more: [" {0} more in this visit.", "本次访问又下了 {0} 单。"],
  history_erased: ["Profile erased: the shop knows nothing of this shopper now.", "资料已清除：商店现在对这位顾客一无所知。"],
  clock: ["The data ends on 9 December 2011 at 12:50, so the shop's clock started there: it is now {0}.", "数据止于 2011年12月9日 12:50，商店的时钟从那一刻走起：现在是 {0}。"],
  shelves: ["Shelves", "货架"],
  shelf_all: ["For you", "为您推荐"],
  shelf_christmas: ["Christmas", "圣诞"],
  shelf_kitchen: ["Kitchen", "厨房"],
  shelf_lights: ["Lights", "灯烛"],
  shelf_bags: ["Bags", "包袋"],
  shelf_garden: ["Garden", "花园"],
  shelf_jewellery: ["Jewellery", "首饰"],
  shelf_children: ["Children", "儿童"],
  for_you: ["Picked for you", "为您挑选"],
  for_new: ["Popular now", "当前热销"],
  found: ["“{0}”, best for you first", "“{0}”，最适合您的在前"],
  ranked: ["{0} of {1} candidates, ranked in this page. Click anything: the list follows.", "{1} 个候选中的 {0} 个，就在本页内排序。点一点，列表随之而变。"],
  capped: [" {1} products match; the first {0} were ranked.", "共有 {1} 个商品相符，只对前 {0} 个排序。"],
  nothing: ["Nothing matches “{0}”.", "没有与“{0}”相符的商品。"],
  add: ["Add", "加入"],
  add_label: ["Add {0} to the basket", "加入购物篮：{0}"],
  more_label: ["One more {0}", "再加一件：{0}"],
  fewer_label: ["One fewer {0}", "减少一件：{0}"],
  quantity: ["{0} in basket", "篮中 {0} 件"],
  up: ["up {0}", "上升 {0} 位"],
  down: ["down {0}", "下降 {0} 位"],
  fresh: ["new here", "新上榜"],
  why_title: ["Why this order", "为什么这样排"],
  place: ["Place {0} of {1} · score {2}", "第 {0} 位，共 {1} 位 · 得分 {2}"],
  source_bought_again: ["Bought before", "买过"],
  source_similar: ["Goes with yours", "与您的相配"],
  source_popular: ["Popular", "热销"],
  source_given: ["From this shelf", "来自此货架"],
  more_reasons: ["{0} lesser {0:reason|reasons}", "另有 {0} 个较小的理由"],
  no_reasons: ["The ranking gave no reasons for this product.", "排序没有给出这个商品的理由。"],
  why_note: ["A bar is what the score loses without that reason. Reasons act together, so the bars don't add up to the score.", "条形是去掉该理由后得分的损失。各理由共同起作用，相加并不等于得分。"],
  proof_title: ["Same answer, two places", "两处，同一个答案"],
  badge_wait: ["Asking the edge…", "正在询问边缘…"],
  badge_same: ["Browser and edge answered with identical bytes ({0} bytes{1})", "浏览器与边缘的回答逐字节相同（{0} 字节{1}）"],
  badge_differ: ["Browser and edge differ: {0} and {1} bytes, first at byte {2}. Either the edge holds stored events of this shopper, or this is a defect to report with the request below.", "浏览器与边缘的回答不同：{0} 与 {1} 字节，从第 {2} 字节起。要么边缘存有这位顾客的事件，要么这是缺陷，请连同下面的请求一起报告。"],
  badge_model: ["Browser and edge differ: the page runs model {0}…, the edge {1}…. Build the edge again with the page's bundle (cargo xtask edge).", "浏览器与边缘的回答不同：本页运行模型 {0}…，边缘运行 {1}…。请用本页的模型包重新构建边缘（cargo xtask edge）。"],
  badge_down: ["The edge did not answer ({0}). The list is the browser's own and complete without it.", "边缘没有回答（{0}）。列表由浏览器自己完成，不受影响。"],
  badge_off: ["Not compared: nothing leaves this page.", "未作比较：没有任何数据离开本页。"],
  glance_wait: ["…", "…"],
  glance_same: ["identical bytes", "逐字节相同"],
  glance_differ: ["answers differ", "回答不同"],
  glance_down: ["edge down", "边缘无应答"],
  glance_off: ["browser only", "仅浏览器"],
  time_browser: ["This browser", "本浏览器"],
  time_edge: ["Edge round trip", "边缘往返"],
  time_load: ["Model ready after", "模型就绪用时"],
  time_rank: ["{0} (ranking {1})", "{0}（排序 {1}）"],
  compared: ["This visit", "本次访问"],
  tally: ["{0} of {1} answers identical", "{1} 次回答中 {0} 次相同"],
  privacy_title: ["What leaves this page", "哪些数据会离开本页"],
  compare: ["Compare with the edge", "与边缘比较"],
  leaves_on: ["Each ranking is made here; the same request ({0}, with the profile's {1} {1:event|events}) goes to /v1/rank of this server to compare the answers.", "排序都在本页完成；同一个请求（{0}，含资料中的 {1} 个事件）也发往本服务器的 /v1/rank，用来比较两个答案。"],
  leaves_off: ["Nothing. The list is ranked in this page, and no event or request is sent anywhere.", "没有。列表在本页内排序，不发送任何事件或请求。"],
  sent: ["The last request, as it was sent", "上一个请求的原文"],
  profile_title: ["Your profile", "您的资料"],
  profile_memory: ["{0} {0:event|events}, in memory only: gone with this page.", "{0} 个事件，只在内存中：关闭页面即消失。"],
  profile_kept: ["{0} {0:event|events}, kept on this device until you erase them.", "{0} 个事件，保存在本设备，直到您清除。"],
  profile_show: ["What the shop knows", "商店知道什么"],
  keep: ["Keep it on this device", "保存在本设备"],
  kept: ["Kept on this device (IndexedDB) from now on.", "从现在起保存在本设备（IndexedDB）。"],
  not_kept: ["No longer kept: the copy on this device is erased.", "不再保存：本设备上的副本已清除。"],
  export: ["Export as JSON", "导出 JSON"],
  exported: ["Exported.", "已导出。"],
  erase: ["Erase", "清除"],
  erased: ["Erased, here and on this device.", "已清除，包括本设备上的副本。"],
  event_purchase: ["Bought", "购买"],
  event_view_item: ["Looked at", "查看"],
  event_add_to_cart: ["Added", "加入"],
  event_remove_from_cart: ["Removed", "移除"],
  and_more: [" and {0} more", " 等另外 {0} 件"],
  close: ["Close", "关闭"],
  chat_title: ["Ask the assistant", "问问助手"],
  chat_order: ["{0}, {1}, {2}: {3} ({4} {4:line|lines})", "{0}，{1}，{2}：{3}（共 {4} 行）"],
  chat_carrier: ["the demo's carrier", "演示快递"],
  chat_address: ["the address of your account", "您账户里的地址"],
  chat_return: ["This is a demo, so there is nothing to send.", "这是演示，无需寄回任何东西。"],
  chat_demo: ["this is a demo and sells nothing", "这是演示，不出售任何东西"],
  chat_ask_order: ["Where is my order?", "我的订单到哪了"],
  chat_ask_price: ["How much does the {0} cost?", "{0}多少钱？"],
  chat_ask_person: ["Talk to a person", "转人工客服"],
  handover_title: ["For whoever takes over", "给接手的同事"],
  handover_note: ["There is nobody behind this demo. In a shop, this packet would go to a colleague; personal data is masked.", "演示背后没有真人。在真实的商店里，这些内容会交给同事；个人信息已打码。"],
  total: ["Total", "合计"],
  buy: ["Buy", "购买"],
  buy_note: ["No money moves: a purchase event joins the profile and the list follows.", "不涉及真实付款：购买事件写入资料，列表随之更新。"],
  basket_empty: ["The basket is empty.", "购物篮是空的。"],
  basket_label: ["Basket, {0} {0:item|items}, {1}", "购物篮，{0} 件，{1}"],
  bought: ["Ordered: {0} {0:item|items}, {1}. The list now knows.", "已下单：{0} 件，{1}。列表已经知道了。"],
  updated: ["List updated: {0} is now first; {1} {1:product|products} moved.", "列表已更新：现在第一位是 {0}，移动了 {1} 个商品。"],
  unchanged: ["List updated: nothing moved.", "列表已更新：没有变动。"],
  model: ["Model: {0} products, {1}, {2}", "模型：{0} 个商品，{1}，{2}"],
  data_by: ["Orders:", "订单数据："],
  no_photos: ["There are no photos in the data: the pictures are drawn from each product's words. Nothing is sold here.", "数据中没有照片：图案按商品名中的词绘制。这里不出售任何东西。"],
  problem: ["The shop can't rank here", "商店无法在这里排序"],
  retry: ["Try again", "重试"],
  do_wasm: ["This browser has no WebAssembly, or it is switched off (lockdown modes do that). Switch it on for this page or use another browser.", "此浏览器没有 WebAssembly，或已被关闭（锁定模式会这样）。请为本页打开它，或换一个浏览器。"],
  do_package: ["The package's files are not at /package/. Build them with: cargo xtask npm", "/package/ 处没有软件包的文件。请先构建：cargo xtask npm"],
  do_fetch: ["Check that the server runs and serves /models/ranking/ and /package/, then try again.", "请确认服务器正在运行并提供 /models/ranking/ 与 /package/，然后重试。"],
  do_model: ["The bundle's parts don't belong together or are damaged. Copy the whole folder of one training run, then try again.", "模型包的各部分不匹配或已损坏。请复制同一次训练的整个文件夹，然后重试。"],
  do_other: ["Try again; if it stays, report the code and the message.", "请重试；若仍失败，请报告代码与消息。"],
  shoppers_failed: ["The customers' histories (/shoppers.json) can't be read, so only a new shopper can be picked.", "无法读取顾客历史（/shoppers.json），只能选择新顾客。"],
};

/** The language that is shown: "en" or "zh". */
export let language = "en";
let locale = "en-GB";

/** Switches the language and fills every text that stands in the page itself. */
export function setLanguage(code) {
  language = code === "zh" ? "zh" : "en";
  locale = language === "zh" ? "zh-CN" : "en-GB";
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
  for (const node of document.querySelectorAll("[data-t-placeholder]")) node.placeholder = t(node.dataset.tPlaceholder);
}

/** A text in the language of the page; numbers are written its way. */
export function t(key, ...values) {
  const text = TEXTS[key]?.[language === "zh" ? 1 : 0] ?? key;
  return text.replace(/\{(\d)(?::(.*?)\|(.*?))?\}/g, (_, index, one, many) => {
    const value = values[index];
    if (many) return value === 1 ? one : many;
    return typeof value === "number" ? number(value) : value;
  });
}

export const number = (value, digits = 0) => new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
export const money = (amount) => new Intl.NumberFormat(locale, { style: "currency", currency: "GBP", currencyDisplay: "narrowSymbol" }).format(amount);
export const ms = (value) => `${number(value, value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
export const kilobytes = (bytes) => `${number(bytes / 1000, bytes < 100_000 ? 1 : 0)} kB`;
const date = (options) => (time) => new Intl.DateTimeFormat(locale, { timeZone: "UTC", ...options }).format(new Date(time));
export const day = date({ dateStyle: "long" });
export const month = date({ year: "numeric", month: "long" });
export const moment = date({ dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
