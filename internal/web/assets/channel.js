/**
 * The page of a channel: every publication with its offset, kind, user and key.
 */
import { compose } from "./compose.js";
import { hold } from "./live.js";
import { addMessage, stamp, showAll } from "./log.js";
import { Maru } from "./maru.js";
import { channel, channelURL, find, make, number, quoted, say, server } from "./page.js";

/** @typedef {import("./types.d.ts").Publication} Publication */

const maru = new Maru(server);

/**
 * @param {Publication} publication
 * @param {Date} time
 */
function render({ offset, kind, data, key, user }, time) {
  const facts = make("p", "by", make("span", "offset", offset ? `#${offset}` : "–"), " ", make("span", "kind", kind));
  if (user) facts.append(" ", make("span", "name", user));
  if (key) facts.append(" ", make("span", "key", key));
  facts.append(" ", stamp(time));
  const message = make("div", "message", facts, make("pre", "text", body(kind, data)));
  message.dataset.offset = String(offset ?? "");
  return message;
}

/**
 * @param {string} kind
 * @param {any} data
 */
function body(kind, data) {
  if (kind === "json") return JSON.stringify(data, null, 2);
  if (kind === "binary") return say("binary", { n: number(data.length) });
  return String(data);
}

const line = find("curl");
const copy = find("copy");
line.textContent = `curl -d 'hello' ${quoted(channelURL)}`;
copy.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(line.textContent ?? "");
    copy.textContent = say("copied");
    setTimeout(() => (copy.textContent = say("copy")), 2000);
  } catch {
    getSelection()?.selectAllChildren(line); // there is no clipboard over plain HTTP: select it for Ctrl-C
  }
});

compose(maru, (message) => message);
hold(maru, () => {
  const subscription = maru.subscribe(channel, { last: 50 });
  showAll(subscription, (publication, first) => {
    const time = new Date(publication.time);
    addMessage(render(publication, time), time, first);
  });
  return subscription;
});
