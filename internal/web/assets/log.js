/**
 * The list of messages, with a line for each day. Its length is bounded. It stays scrolled to
 * the end, unless the user has scrolled up.
 */
import { find, lang, make, say } from "./page.js";

/** The maximum number of messages, days and markers on the page. */
const LONGEST = 500;

const log = find("log");
const empty = find("empty");
const newer = find("newer");
const title = document.title;

const day = new Intl.DateTimeFormat(lang, { dateStyle: "full" });
const clock = new Intl.DateTimeFormat(lang, { hour: "numeric", minute: "2-digit" });
const full = new Intl.DateTimeFormat(lang, { dateStyle: "full", timeStyle: "medium" });

let lastDay = "";
/** The sender and minute of the last message. The sender is "" after another line. */
let last = { by: "", minute: 0 };
/** Whether the list scrolls to new messages. */
let atEnd = true;
/** The scroll position when the list was last at its end. */
let endTop = 0;
let below = 0;
let unread = 0;
let scrolling = false;

/**
 * Adds a message. A message that soon follows another one of the same sender gets the
 * class same, so that the sender is not shown again.
 *
 * @param {HTMLElement} message
 * @param {Date} time
 * @param {boolean} first it comes from the history when the page opens, so it is not new
 * @param {string} [by] the sender
 */
export function addMessage(message, time, first, by = "") {
  const today = day.format(time);
  if (today !== lastDay) {
    append(make("div", "day", make("span", "", today)));
    last.by = "";
  }
  lastDay = today;
  const minute = time.getTime() / 60_000;
  if (by && by === last.by && minute - last.minute < 5) message.classList.add("same");
  last = { by, minute };
  append(message);
  if (first) return;
  if (!atEnd) below++;
  if (document.hidden) unread++;
  tell();
}

/**
 * Adds a line that is no message.
 *
 * @param {string} text
 */
export function addMarker(text) {
  append(make("div", "marker", text));
  last.by = "";
}

/**
 * The time of a message, with the full date as its title.
 *
 * @param {Date} time
 */
export function stamp(time) {
  const element = /** @type {HTMLTimeElement} */ (make("time", "", clock.format(time)));
  element.dateTime = time.toISOString();
  element.title = full.format(time);
  return element;
}

/**
 * Shows the history, then new publications, and gaps.
 *
 * @param {import("./maru.js").Subscription} subscription
 * @param {(publication: import("./types.d.ts").Publication, first: boolean) => void} show
 */
export function showAll(subscription, show) {
  /** How many publications of the history are still to arrive. */
  let first = 0;
  subscription.addEventListener("subscribed", ({ detail: { recovered, replay } }) => {
    if (!recovered) first = replay;
    if (!first) settle();
  });
  subscription.addEventListener("gap", ({ detail: { reason, from = 0, to = 0 } }) =>
    addMarker(reason === "epoch" ? say("gapEpoch") : say("gapExpired", { from, to })),
  );
  subscription.addEventListener("publication", ({ detail }) => {
    show(detail, first > 0);
    if (first && !--first) settle();
  });
}

/** The history is complete: screen readers announce new messages from now on. */
function settle() {
  log.ariaBusy = "false";
  empty.hidden = log.childElementCount > 0;
}

/** Scrolls to the end, for example after sending. */
export function toEnd() {
  atEnd = true;
  below = 0;
  tell();
  follow();
}

/** @param {HTMLElement} element */
function append(element) {
  log.append(element);
  empty.hidden = true;
  if (atEnd) follow();
  // A hidden page paints no frames, but its list must stay bounded.
  if (!atEnd || log.childElementCount > 2 * LONGEST) trim();
}

/** Scrolls to the end once per frame. */
function follow() {
  if (scrolling) return;
  scrolling = true;
  requestAnimationFrame(() => {
    scrolling = false;
    if (!atEnd) return;
    trim();
    log.scrollTop = log.scrollHeight;
    endTop = log.scrollTop;
  });
}

function trim() {
  while (log.childElementCount > LONGEST) log.firstElementChild?.remove();
}

function tell() {
  newer.hidden = below === 0;
  newer.textContent = say("newer", { n: below });
  document.title = unread ? `(${unread}) ${title}` : title;
}

log.addEventListener("scroll", () => {
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 40) {
    atEnd = true;
    endTop = log.scrollTop;
    below = 0;
  } else if (log.scrollTop < endTop - 1) {
    // Only the user scrolls up. A new message moves the end down.
    atEnd = false;
  }
  tell();
});
// The keyboard of a phone and a long message in the form make the list shorter.
new ResizeObserver(() => atEnd && follow()).observe(log);
newer.addEventListener("click", () => {
  toEnd();
  log.focus();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  tell();
});
