/**
 * The page of a channel: every publication with its kind, event, user and key.
 */
import { compose } from "./compose.js";
import { hold } from "./live.js";
import { addMessage, stamp, showAll } from "./log.js";
import { Maru } from "./maru.js";
import { Outbox } from "./outbox.js";
import { access, channel, channelURL, closed, find, make, number, quoted, say, server } from "./page.js";
import { loadPast } from "./past.js";
import { richText } from "./text.js";

/** @typedef {import("./types.d.ts").Publication} Publication */

const maru = new Maru(server);

/**
 * @param {Publication} publication
 * @param {string} [position]
 * @returns {[HTMLElement, import("./log.js").Facts]}
 */
function render({ offset, kind, data, key, event, user, time: published }, position) {
  const time = new Date(published);
  const facts = make("p", "by", make("span", "kind", kind));
  if (event) facts.append(" ", make("span", "event", event));
  if (user) facts.append(" ", make("span", "name", user));
  if (key) facts.append(" ", make("span", "key", key));
  if (!position) facts.append(" ", make("span", "soft", say("transient")));
  facts.append(" ", stamp(time, position && say("position", { position })));
  const message = make("div", "message", facts, body(kind, data));
  message.dataset.offset = String(offset ?? "");
  return [message, { time, position }];
}

/**
 * @param {string} kind
 * @param {any} data
 */
function body(kind, data) {
  if (kind === "text") return richText(data);
  const text = kind === "json" ? JSON.stringify(data, null, 2) : say("binary", { n: number(data.length) });
  const element = make("pre", "text", text);
  element.tabIndex = 0; // it scrolls
  return element;
}

const line = document.getElementById("curl");
if (line) {
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
}

const outbox = new Outbox(maru);
compose(maru, outbox, (message) => message);
loadPast(maru, render);
hold(maru, closed(access.history) ? [{}] : [{ last: 50 }, {}], (wish) => {
  const subscription = maru.subscribe(channel, wish);
  showAll(subscription, (publication, position, first) => {
    const [message, facts] = render(publication, position);
    outbox.arrived(publication.data);
    addMessage(message, facts, first);
  });
  return subscription;
});
