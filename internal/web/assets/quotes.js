/**
 * Prices: one row per symbol, updated in place, with a chart of the last prices.
 */
import { chart } from "./chart.js";
import { hold } from "./live.js";
import { Maru } from "./maru.js";
import { channel, find, lang, make, say, server, snippet } from "./page.js";

/**
 * @typedef {{symbol: string, name: string, price: number, change: number, volume: number}} Quote
 * @typedef {{row: HTMLElement, price: HTMLElement, change: HTMLElement, volume: HTMLElement,
 *   draw: (redraw?: boolean) => void, add: (quote: Quote) => void, before: (quotes: Quote[]) => void,
 *   quote: Quote, since: number, time: number, asOf: HTMLElement}} Row  since: the offset of its first price; time: of its last one
 */

/** The maximum number of rows. Anyone may publish, and the page must not grow without bound. */
const MOST_SYMBOLS = 100;
/** How often a price may change per second. More cannot be read. */
const MOST_CHANGES = 10;

/** A price is old after this time, in ms. Without a connection every price is. */
const OLD = 60_000;

const clock = new Intl.DateTimeFormat(lang, { timeStyle: "medium" });
const dated = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "medium" });
const price = new Intl.NumberFormat(lang, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const signed = new Intl.NumberFormat(lang, { minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero" });
const percent = new Intl.NumberFormat(lang, { style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero" });
const whole = new Intl.NumberFormat(lang, { maximumFractionDigits: 0 });

const body = find("quotes");

/** @type {Map<string, Row>} */
const rows = new Map();
/** @type {Set<Row>} rows to paint in the next frame */
const changed = new Set();

const maru = new Maru(server);

/**
 * Fills the charts from the history, once, after the newest price of each symbol has arrived.
 */
async function remember() {
  const { publications } = await maru.history(channel, { limit: 1000 });
  /** @type {Map<string, Quote[]>} */
  const past = new Map();
  for (const publication of publications) {
    const quote = publication.kind === "json" ? read(publication.data) : undefined;
    if (!quote) continue;
    const row = rows.get(quote.symbol);
    if (!row) update(quote, publication); // published without a key: not the newest price
    else if ((publication.offset ?? 0) < row.since) past.set(quote.symbol, [...(past.get(quote.symbol) ?? []), quote]);
  }
  for (const [symbol, quotes] of past) rows.get(symbol)?.before(quotes);
}

/**
 * The data as a quote, or undefined if it is none.
 *
 * @param {any} data
 * @returns {Quote | undefined}
 */
function read(data) {
  if (typeof data?.symbol !== "string" || !data.symbol || data.symbol.length > 32) return;
  if (!Number.isFinite(data.price)) return;
  const name = typeof data.name === "string" ? data.name.slice(0, 80) : "";
  return { symbol: data.symbol, name, price: data.price, change: Number(data.change) || 0, volume: Number(data.volume) || 0 };
}

/**
 * @param {Quote} quote
 * @param {import("./types.d.ts").Publication} publication
 */
function update(quote, { offset = 0, time }) {
  let row = rows.get(quote.symbol);
  if (!row) {
    if (rows.size >= MOST_SYMBOLS) return;
    row = addRow(quote, offset);
  }
  row.quote = quote;
  row.time = Date.parse(time);
  row.add(quote);
  if (!changed.size) requestAnimationFrame(paintAll);
  changed.add(row);
}

/**
 * @param {Quote} quote
 * @param {number} since
 * @returns {Row}
 */
function addRow(quote, since) {
  const cell = { price: make("span", ""), change: make("td", "number change"), volume: make("td", "number volume") };
  const asOf = make("span", "as-of");
  const head = make("th", "", make("span", "symbol", quote.symbol), make("span", "company", quote.name), asOf);
  /** @type {HTMLTableCellElement} */ (head).scope = "row";
  const canvas = make("div", "spark");
  const row = make("tr", "", head, make("td", "chart", canvas), make("td", "number price", cell.price), cell.change, cell.volume);
  row.dataset.symbol = quote.symbol;
  const symbols = [...rows.keys(), quote.symbol].sort();
  const next = symbols[symbols.indexOf(quote.symbol) + 1];
  body.insertBefore(row, rows.get(next)?.row ?? null);
  find("board").hidden = false;
  find("empty").hidden = true;
  const added = { row, ...cell, quote, since, time: 0, asOf, ...chart(canvas) };
  rows.set(quote.symbol, added);
  return added;
}

/** Dims the prices that may have changed since, and says of when they are. */
function age() {
  const now = Date.now();
  const live = document.body.classList.contains("ready");
  for (const { row, time, asOf } of rows.values()) {
    const stale = !live || now - time > OLD;
    row.classList.toggle("stale", stale);
    const of = now - time > 20 * 60 * OLD ? dated : clock; // 20 hours
    const text = stale ? say("asOf", { time: of.format(time) }) : "";
    if (asOf.textContent !== text) asOf.textContent = text;
  }
}

function paintAll() {
  age();
  for (const row of changed) paint(row);
  changed.clear();
}

/** @param {Row} row */
function paint({ row, price: priceCell, change: changeCell, volume: volumeCell, quote, draw }) {
  const direction = quote.change > 0 ? "up" : quote.change < 0 ? "down" : "unchanged";
  const before = Number(row.dataset.price ?? quote.price);
  row.dataset.price = String(quote.price);
  row.dataset.direction = direction;
  priceCell.textContent = price.format(quote.price);
  if (quote.price !== before) flash(priceCell, quote.price > before ? "rose" : "fell");

  // Colour is not the only sign: an arrow and a plus or minus show the same.
  const arrow = make("span", "arrow", direction === "up" ? "▲" : direction === "down" ? "▼" : "–");
  arrow.role = "img";
  arrow.ariaLabel = say(direction);
  const opening = quote.price - quote.change;
  const share = make("span", "share", opening > 0 ? percent.format(quote.change / opening) : "");
  changeCell.replaceChildren(arrow, " ", make("span", "amount", signed.format(quote.change)), " ", share);
  volumeCell.textContent = whole.format(quote.volume);
  draw();
}

/**
 * Highlights the cell for a moment. A second change restarts the highlight.
 *
 * @param {HTMLElement} cell
 * @param {string} way
 */
function flash(cell, way) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const running of cell.getAnimations()) running.cancel();
  cell.animate([{ backgroundColor: `var(--${way})` }, { backgroundColor: "transparent" }], { duration: 700, easing: "ease-out" });
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const { draw } of rows.values()) draw(true);
});
snippet("feed", `go run ./examples/quotes --server ${server.href.replace(/\/$/, "")}`);
setInterval(age, 5_000);
new MutationObserver(age).observe(document.body, { attributeFilter: ["class"] });
hold(maru, [{ last: 1000 }, {}], (wish) => {
  const quotes = maru.subscribe(channel, { ...wish, deliver: "latest", maxHz: MOST_CHANGES });
  quotes.addEventListener("publication", ({ detail }) => {
    const quote = detail.kind === "json" ? read(detail.data) : undefined;
    if (quote) update(quote, detail);
  });
  quotes.addEventListener("subscribed", ({ detail: { replay } }) => (find("empty").hidden = replay > 0 || rows.size > 0));
  quotes.addEventListener("subscribed", () => remember().catch(() => {}), { once: true });
  return quotes;
});
