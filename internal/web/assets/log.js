/**
 * The list of messages, with a line for each day. It stays scrolled to the end, unless the user
 * has scrolled up: what is being read never moves and is never removed. Otherwise its length is
 * bounded.
 */
import { find, lang, make, say } from "./page.js";
import { arrived, left, look, noted, seen } from "./unread.js";

/** How many messages, days and markers are on the page while the user is at its end. */
const LONGEST = 500;
/** How many may be on it while the user reads further up. Later ones wait. */
const READING = 2_000;
/** How far from the end counts as the end, in pixels. */
const NEAR = 40;

const log = find("log");
const past = find("past");
const outbox = find("outbox");
const empty = find("empty");

const day = new Intl.DateTimeFormat(lang, { dateStyle: "full" });
const clock = new Intl.DateTimeFormat(lang, { hour: "numeric", minute: "2-digit" });
const full = new Intl.DateTimeFormat(lang, { dateStyle: "full", timeStyle: "medium" });

/**
 * @typedef {object} Facts
 * @property {Date} time
 * @property {string} [by] the sender: messages that soon follow another one of the same are grouped
 * @property {boolean} [own] the user has sent it
 * @property {string} [position] its place in the history
 */

/** @type {WeakMap<Element, Facts>} what is known of each message */
const facts = new WeakMap();
/** @type {HTMLElement[]} the newest messages, while there are too many to show */
let waiting = [];
let skipped = 0;
/** Whether the list scrolls to new messages. */
let atEnd = true;
/** The scroll position when the list was last at its end. */
let endTop = 0;
let scrolling = false;

/**
 * Adds a message at the end.
 *
 * @param {HTMLElement} message
 * @param {Facts} fact
 * @param {boolean} first it comes from the history when the page opens, so it is not new
 */
export function addMessage(message, fact, first) {
  facts.set(message, fact);
  if (fact.own && !first) toEnd();
  if (fact.position) noted(message, fact.position, first);
  if (!first && !fact.own) arrived(message, atEnd);
  append(message);
}

/**
 * Adds a line that is no message.
 *
 * @param {string} text
 */
export function addMarker(text) {
  append(make("div", "marker", text));
}

/**
 * Changes something above what is on the screen, which stays where it is.
 *
 * @param {() => void} change
 */
export function above(change) {
  const bottom = log.scrollHeight - log.scrollTop;
  log.ariaBusy = "true"; // nothing of it is new
  change();
  if (atEnd) follow();
  else log.scrollTop = log.scrollHeight - bottom;
  log.ariaBusy = "false";
}

/**
 * Adds older messages in front of all others, in ascending order. Called by above.
 *
 * @param {[HTMLElement, Facts][]} messages
 */
export function addPast(messages) {
  const next = past.nextElementSibling;
  for (const [message, fact] of messages) {
    facts.set(message, fact);
    log.insertBefore(message, next);
    arrange(message);
  }
  const following = nearest(next, "nextElementSibling");
  if (following) arrange(following);
}

/** The position of the first message on the page. */
export function firstPosition() {
  let message = nearest(past.nextElementSibling, "nextElementSibling");
  while (message && !facts.get(message)?.position) message = nearest(message.nextElementSibling, "nextElementSibling");
  return message && facts.get(message)?.position;
}

/**
 * The time of a message, with the full date as its title.
 *
 * @param {Date} time
 * @param {string} [more]
 */
export function stamp(time, more) {
  const element = /** @type {HTMLTimeElement} */ (make("time", "", clock.format(time)));
  element.dateTime = time.toISOString();
  element.title = full.format(time) + (more ? `\n${more}` : "");
  return element;
}

/**
 * Shows the history, then new publications, and gaps.
 *
 * @param {import("./maru.js").Subscription} subscription
 * @param {(publication: import("./types.d.ts").Publication, position: string | undefined, first: boolean) => void} show
 */
export function showAll(subscription, show) {
  /** How many publications of the history are still to arrive. */
  let first = 0;
  subscription.addEventListener("subscribed", ({ detail: { recovered, replay } }) => {
    if (!recovered) first = replay;
    if (!first) settle();
  });
  subscription.addEventListener("gap", ({ detail: { reason } }) => addMarker(say(reason === "epoch" ? "gapEpoch" : "gapExpired")));
  subscription.addEventListener("publication", ({ detail }) => {
    const position = detail.offset && `${subscription.position?.epoch}:${detail.offset}`;
    show(detail, position || undefined, first > 0);
    if (first && !--first) settle();
  });
}

/** The history is complete: screen readers announce new messages from now on. */
function settle() {
  log.ariaBusy = "false";
  isEmpty();
  log.dispatchEvent(new Event("settled"));
}

/** Shows whether there is nothing at all. */
export function isEmpty() {
  empty.hidden = outbox.childElementCount > 0 || past.nextElementSibling !== outbox;
}

/** Scrolls to the end, for example after sending. */
export function toEnd() {
  atEnd = true;
  const all = waiting;
  waiting = [];
  if (skipped) addMarker(say("skipped", { n: skipped }));
  skipped = 0;
  all.forEach(append);
  left();
  follow();
}

/** @param {HTMLElement} element */
function append(element) {
  empty.hidden = true;
  if (!atEnd && log.childElementCount >= READING) {
    waiting.push(element);
    if (waiting.length > LONGEST) skipped += Number(waiting.shift()?.classList.contains("message"));
    return;
  }
  log.insertBefore(element, outbox);
  if (facts.has(element)) arrange(element);
  if (atEnd) follow();
  // A hidden page paints no frames, but its list must stay bounded.
  if (atEnd && log.childElementCount > 2 * LONGEST) trim();
}

/**
 * The nearest message from an element on.
 *
 * @param {Element | null} element
 * @param {"previousElementSibling" | "nextElementSibling"} way
 */
function nearest(element, way) {
  while (element && !facts.has(element)) element = element[way];
  return element;
}

/**
 * Gives a message the line of its day, if it is the first of it, and hides the sender if the
 * message soon follows another one of the same.
 *
 * @param {Element} message
 */
function arrange(message) {
  const { time, by } = /** @type {Facts} */ (facts.get(message));
  const before = nearest(message.previousElementSibling, "previousElementSibling");
  const earlier = before && facts.get(before);
  const today = day.format(time);
  let neighbour = message.previousElementSibling;
  if (neighbour?.className === "day") {
    neighbour.remove();
    neighbour = message.previousElementSibling;
  }
  if (!earlier || day.format(earlier.time) !== today) {
    message.before(make("div", "day", make("span", "", today)));
    neighbour = null;
  }
  const soon = earlier && time.getTime() - earlier.time.getTime() < 5 * 60_000;
  message.classList.toggle("same", Boolean(by && soon && neighbour === before && earlier.by === by));
}

/** Scrolls to the end once per frame. */
export function follow() {
  if (scrolling) return;
  scrolling = true;
  requestAnimationFrame(() => {
    scrolling = false;
    if (!atEnd) return;
    trim();
    log.scrollTop = log.scrollHeight;
    endTop = log.scrollTop;
    left(); // the end is on the screen
  });
}

/** Removes what is too old, which can be loaded again. */
function trim() {
  if (log.childElementCount <= LONGEST + 2) return;
  while (log.childElementCount > LONGEST + 2) past.nextElementSibling?.remove();
  const first = nearest(past.nextElementSibling, "nextElementSibling");
  if (first) arrange(first);
  log.dispatchEvent(new Event("trimmed"));
}

log.addEventListener("scroll", () => {
  if (log.scrollHeight - log.scrollTop - log.clientHeight < NEAR) {
    const late = waiting.length > 0;
    atEnd = true;
    endTop = log.scrollTop;
    if (late) toEnd();
    else left();
  } else if (log.scrollTop < endTop - 1) {
    // Only the user scrolls up. A new message moves the end down.
    atEnd = false;
  }
});
// The keyboard of a phone and a long message in the form make the list shorter.
new ResizeObserver(() => atEnd && follow()).observe(log);
find("newer").addEventListener("click", () => {
  toEnd();
  log.focus();
});
look(() => atEnd && seen());
