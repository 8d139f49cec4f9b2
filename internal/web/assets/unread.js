/**
 * What is new: a line in the list before the first message that the user has not seen, the
 * number of unread messages in the title, and a button that leads to those below the screen.
 */
import { channel, find, make, say, storage } from "./page.js";

const newer = find("newer");
const title = document.title;

/** The line before what is new. */
const divider = make("div", "divider", make("span", "", say("new")));
/** The user has seen what follows the line, so the next absence moves it. */
let old = true;
let below = 0;
let unread = 0;

/** The position of the newest message that the user has seen, kept for the next visit. */
const READ = `maru.read:${channel}`;
/** @type {string | null | undefined} that of the last visit, until a later message has arrived */
let before = storage(() => localStorage.getItem(READ));
/** @type {string | undefined} */
let newest;
let read = before;

/** Reports whether the user looks at this page. */
export const looking = () => !document.hidden && document.hasFocus();

/**
 * A new message arrives, and is not in the list yet.
 *
 * @param {HTMLElement} message
 * @param {boolean} atEnd whether the user will see it at once
 */
export function arrived(message, atEnd) {
  if (!atEnd) below++;
  if (!looking()) unread++;
  if (old && !(atEnd && looking())) {
    old = false;
    put(message);
  }
  tell();
}

/**
 * Notes the position of a message that arrives.
 *
 * @param {HTMLElement} message  not in the list yet
 * @param {string} position
 * @param {boolean} first it comes from the history when the page opens
 */
export function noted(message, position, first) {
  newest = position;
  if (first && before && isLater(position, before)) {
    before = undefined;
    put(message);
  } else if (!first) before = undefined;
}

/**
 * Reports whether a position is after another one of the same history.
 *
 * @param {string} position
 * @param {string} other
 */
function isLater(position, other) {
  const [[epoch, offset], [otherEpoch, otherOffset]] = [position.split(":"), other.split(":")];
  return epoch === otherEpoch && Number(offset) > Number(otherOffset);
}

/**
 * The line stands before the message, once that is in the list.
 *
 * @param {HTMLElement} message
 */
function put(message) {
  queueMicrotask(() => message.isConnected && message.before(divider));
}

/** The user has reached the end of the list. */
export function left() {
  below = 0;
  if (looking()) seen();
  tell();
}

/** The user has seen everything. */
export function seen() {
  old = true;
  unread = 0;
  read = newest ?? read;
  tell();
}

/**
 * Calls back whenever the user returns to this page.
 *
 * @param {() => void} back
 */
export function look(back) {
  const check = () => {
    if (!looking()) return;
    unread = 0;
    tell();
    back();
  };
  document.addEventListener("visibilitychange", check);
  addEventListener("focus", check);
}

addEventListener("pagehide", () => read && storage(() => localStorage.setItem(READ, read ?? "")));

/** The user has answered: nothing is new. */
export function clearDivider() {
  divider.remove();
}

function tell() {
  newer.hidden = below === 0;
  newer.textContent = say("newer", { n: below });
  document.title = unread ? `(${unread}) ${title}` : title;
}
