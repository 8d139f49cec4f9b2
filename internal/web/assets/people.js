/**
 * Who is in the channel now, from its presence as server-sent events.
 */
import { channelURL, find, make, number, say } from "./page.js";

/** @typedef {{users?: {user: string, connections: number}[], anonymous?: number, count?: number}} Presence */

const list = find("people");

/** @type {EventSource | undefined} */
let source;
let wanted = false;

/**
 * Follows presence while the page is connected. A hidden page lets go of it: a
 * browser has six HTTP/1.1 connections to a server for all tabs together.
 *
 * @param {boolean} connected
 */
export function followPeople(connected) {
  wanted = connected;
  if (!connected) list.replaceChildren(make("p", "soft", say("peopleOff")));
  update();
}

function update() {
  const want = wanted && !document.hidden;
  if (want && source && source.readyState !== EventSource.CLOSED) return;
  source?.close();
  source = undefined;
  if (!want) return;
  source = new EventSource(channelURL + "/presence");
  source.onmessage = ({ data }) => show(JSON.parse(data));
}

/** @param {Presence} presence */
function show({ users = [], anonymous = 0, count = 0 }) {
  const rows = make("ul", "");
  for (const { user, connections } of users) {
    const row = make("li", "person", make("span", "who", user));
    if (connections > 1) {
      const times = make("span", "soft", `×${number(connections)}`);
      times.title = say("connections", { n: number(connections) });
      row.append(times);
    }
    rows.append(row);
  }
  if (anonymous) rows.append(make("li", "soft", say("peopleAnonymous", { n: number(anonymous) })));
  // A crowd is told by its number only.
  if (!rows.childElementCount) rows.append(make("li", "soft", count ? say("peopleMany", { n: number(count) }) : say("peopleNone")));
  list.replaceChildren(rows);
}

document.addEventListener("visibilitychange", update);
