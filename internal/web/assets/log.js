/**
 * The list of messages: bounded, with the days between them, staying at its end
 * unless the person has scrolled up to read.
 */
import { find, lang, make, say } from "./page.js";

/** How many messages, days and markers stay on the page. */
const LONGEST = 500;

const log = find("log");
const empty = find("empty");
const newer = find("newer");
const title = document.title;

const day = new Intl.DateTimeFormat(lang, { dateStyle: "full" });
const clock = new Intl.DateTimeFormat(lang, { hour: "numeric", minute: "2-digit" });
const full = new Intl.DateTimeFormat(lang, { dateStyle: "full", timeStyle: "medium" });

let lastDay = "";
/** Who said the last message, and when; "" after anything else. */
let last = { by: "", minute: 0 };
/** Whether new messages are followed. */
let atEnd = true;
/** How far down the list was when it was last at its end. */
let endTop = 0;
let below = 0;
let unread = 0;
let scrolling = false;

/**
 * Adds one message. One that follows soon on another by the same sender gets the
 * class same: who it is by need not be seen again.
 *
 * @param {HTMLElement} message
 * @param {Date} time
 * @param {boolean} first it was there before the person came: not news
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
 * Adds a line about the messages themselves.
 *
 * @param {string} text
 */
export function addMarker(text) {
  append(make("div", "marker", text));
  last.by = "";
}

/**
 * The time of a message, short, with all of it on demand.
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
 * Shows what comes: the history on entry, which is not news, then what is new, and
 * what is missing.
 *
 * @param {import("./maru.js").Subscription} subscription
 * @param {(publication: import("./types.d.ts").Publication, first: boolean) => void} show
 */
export function tellOf(subscription, show) {
  /** How many of the history on entry are still to come. */
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

/** The history is shown: from now on what comes is announced. */
function settle() {
  log.ariaBusy = "false";
  empty.hidden = log.childElementCount > 0;
}

/** Shows the end, as after sending. */
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
  // A page nobody looks at paints no frames, but stays bounded.
  if (!atEnd || log.childElementCount > 2 * LONGEST) trim();
}

/** Scrolls once a frame, however many messages came in it. */
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
    // Only a person moves up. That the end has moved down is the next message.
    atEnd = false;
  }
  tell();
});
// The keyboard of a phone, or a longer message being written, makes the list shorter.
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
