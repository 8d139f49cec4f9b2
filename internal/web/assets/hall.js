/**
 * The hall: a chat, in which each message is `nickname => message`.
 */
import { compose } from "./compose.js";
import { Identity } from "./identity.js";
import { hold } from "./live.js";
import { addMessage, stamp, showAll } from "./log.js";
import { Maru } from "./maru.js";
import { splitMessage } from "./message.js";
import { Names, hue } from "./names.js";
import { notifications } from "./notify.js";
import { Outbox } from "./outbox.js";
import { access, address, channel, closed, find, make, number, proven, quoted, say, server, snippet } from "./page.js";
import { loadPast } from "./past.js";
import { showPresence } from "./people.js";
import { richText } from "./text.js";
import { showTyping } from "./typing.js";

/** @typedef {import("./types.d.ts").Publication} Publication */

const identity = new Identity();
const names = new Names(proven);
const maru = new Maru(server, { prepare: identity.prepare });
identity.follow(maru);

/**
 * @param {Publication} publication
 * @param {string} [position]
 * @returns {[HTMLElement, import("./log.js").Facts & {name: string, text: string}]}
 */
function render({ offset, kind, data, time: published, user = "" }, position) {
  const { name, text } = kind === "text" ? splitMessage(data, user) : { name: "", text: plain(kind, data) };
  if (user) names.meet(user);
  const verdict = names.verdict(name, user);
  const shown = name || user || say("unnamed");
  const who = make("span", "name", shown);
  if (verdict !== "unnamed") who.classList.add(hue(shown));
  const time = new Date(published);
  const message = make("div", "message", make("p", "by", who, " ", mark(verdict, name, user), " ", stamp(time)), richText(text));
  message.dataset.offset = String(offset ?? "");
  message.classList.add(verdict);
  const own = Boolean(user) && user === identity.user;
  message.classList.toggle("own", own);
  return [message, { time, by: `${name} => ${user}`, own, position, name: shown, text }];
}

/**
 * @param {string} kind
 * @param {any} data
 */
function plain(kind, data) {
  return kind === "json" ? JSON.stringify(data) : say("binary", { n: number(data.length) });
}

/**
 * A mark that shows what is known about the name.
 *
 * @param {import("./names.js").Verdict} verdict
 * @param {string} name
 * @param {string} user
 */
function mark(verdict, name, user) {
  if (verdict === "unnamed") return "";
  if (verdict !== "proven" && verdict !== "signed") {
    return make("span", `mark ${verdict}`, say(verdict, { name: name || user, user, known: names.like(name || user) ?? "" }));
  }
  const sign = make("span", `mark ${verdict}`, verdict === "proven" ? "✓" : "●");
  sign.role = "img";
  sign.ariaLabel = sign.title = say(verdict);
  return sign;
}

const field = /** @type {HTMLTextAreaElement | null} */ (document.getElementById("message"));
const outbox = new Outbox(maru);
const stoppedTyping = showTyping(maru, field, () => identity.name);
const announce = notifications();
compose(maru, outbox, (message) => `${identity.name} => ${message}`);
loadPast(maru, render);
snippet("socket", `new WebSocket("${address.replace(/^http/, "ws")}")`);
snippet("curl", `curl -d 'me => hello' ${quoted(address)}`);

/** The most that the rules may allow, then less. */
const wishes = [{ presence: true, last: 50 }, { last: 50 }, { presence: true }, {}].filter(
  (wish) => !(wish.presence && closed(access.presence)) && !(wish.last && closed(access.history)),
);
hold(maru, wishes, (wish) => {
  const hall = maru.subscribe(channel, wish);
  showAll(hall, (publication, position, first) => {
    const [message, facts] = render(publication, position);
    outbox.arrived(publication.data);
    stoppedTyping(publication.user ?? facts.name);
    addMessage(message, facts, first);
    if (!first && !facts.own) announce(facts.name, facts.text);
  });
  for (const id of ["here", "people", "comings"]) find(id).hidden = !wish.presence;
  if (wish.presence) {
    showPresence(maru, hall);
    hall.addEventListener("presence", ({ detail }) => detail.users?.forEach((user) => names.meet(user)));
  }
  return hall;
});
