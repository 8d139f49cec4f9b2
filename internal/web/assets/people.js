/**
 * The list of users in the channel, and a line about joins and leaves.
 */
import { find, make, number, say } from "./page.js";

/** @typedef {import("./types.d.ts").Presence} Presence */

/** The maximum number of names in that line. */
const MOST_NAMES = 3;

const list = find("people");
const line = find("comings");

/**
 * @param {import("./maru.js").Maru} maru
 * @param {import("./maru.js").Subscription} subscription
 */
export function showPresence(maru, subscription) {
  /** False until the first list has arrived: its users have not just joined. */
  let known = false;
  const off = () => {
    if (maru.state === "open") return;
    known = false;
    line.textContent = "";
    list.replaceChildren(make("p", "soft", say("peopleOff")));
  };
  maru.addEventListener("state", off);
  subscription.addEventListener("presence", ({ detail }) => {
    show(detail);
    if (known) tell(detail);
    known = true;
  });
  off();
}

/** @param {Presence} presence */
function show({ users, anonymous, count }) {
  const rows = make("ul", "");
  for (const user of users ?? []) rows.append(make("li", "person", make("span", "who", user)));
  if (anonymous) rows.append(make("li", "soft", say("peopleAnonymous", { n: number(anonymous) })));
  // Of many users the server sends only the number.
  if (!rows.childElementCount) rows.append(make("li", "soft", count ? say("peopleMany", { n: number(count) }) : say("peopleNone")));
  list.replaceChildren(rows);
}

/** @param {Presence} presence */
function tell({ joined, left }) {
  const words = [];
  if (joined.length) words.push(say("joined", { names: names(joined) }));
  if (left.length) words.push(say("left", { names: names(left) }));
  if (words.length) line.textContent = words.join(" ");
}

/** @param {string[]} users */
function names(users) {
  const more = users.length - MOST_NAMES;
  return users.slice(0, MOST_NAMES).join(", ") + (more > 0 ? ` +${number(more)}` : "");
}
