/**
 * The hall: a chat, in which each message is `nickname => message`.
 */
import { compose } from "./compose.js";
import { hold } from "./live.js";
import { addMessage, stamp, showAll } from "./log.js";
import { Maru } from "./maru.js";
import { nameVerdict, splitMessage } from "./message.js";
import { address, channel, find, input, make, notice, number, quoted, say, server, snippet } from "./page.js";
import { showPresence } from "./people.js";
import { Session } from "./session.js";

/** @typedef {import("./types.d.ts").Publication} Publication */

const session = new Session((path, init) => fetch(new URL(path, server), init), localStorage);
const nickname = input("nickname");
/** This tab is signing out, so that the server closes the connection. */
let leaving = false;

const maru = new Maru(server, { prepare: resume });

maru.addEventListener("state", ({ detail: { state, user = "", error } }) => {
  if (state === "open" && user !== session.user) follow(user);
  if (error?.code !== "revoked" || leaving) return;
  // Signed out in another tab. Continue as an anonymous user.
  session.forget();
  showPerson();
  notice(say("signedOut"));
  maru.connect();
});

/**
 * @param {Publication} publication
 * @param {Date} time
 */
function render({ offset, kind, data, user = "" }, time) {
  const { name, text } = kind === "text" ? splitMessage(data, user) : { name: "", text: plain(kind, data) };
  const verdict = nameVerdict(name, user);
  const who = make("span", "name", name || user || say("unnamed"));
  const message = make("div", "message", make("p", "by", who, " ", mark(verdict, name, user), " ", stamp(time)), make("p", "text", text));
  message.dataset.offset = String(offset ?? "");
  message.classList.add(verdict);
  if (user && user === session.user) message.classList.add("own");
  return { message, by: `${name} => ${user}` };
}

/**
 * @param {string} kind
 * @param {any} data
 */
function plain(kind, data) {
  return kind === "json" ? JSON.stringify(data) : say("binary", { n: number(data.length) });
}

/**
 * A mark that shows whether the server has verified the name.
 *
 * @param {ReturnType<typeof nameVerdict>} verdict
 * @param {string} name
 * @param {string} user
 */
function mark(verdict, name, user) {
  if (verdict === "unnamed") return "";
  if (verdict !== "verified") return make("span", `mark ${verdict}`, say(verdict, { name, user }));
  const tick = make("span", "mark verified", "✓");
  tick.role = "img";
  tick.ariaLabel = tick.title = say("verified");
  return tick;
}

async function resume() {
  const before = session.user;
  const taken = await session.resume();
  if (taken) notice(say("takenSince", { name: taken }));
  else if (before && !session.user) notice(say("signedOut")); // or another tab has shown the reason
  if (before !== session.user || taken) showPerson();
}

/**
 * The shared connection belongs to another user than this tab has shown: another tab has
 * signed in, or connected before this tab could sign in again.
 *
 * @param {string} user
 */
async function follow(user) {
  await resume().catch(() => {});
  showPerson();
  if (session.user && session.user !== user) maru.reconnect();
}

function showPerson() {
  const known = session.user !== "";
  if (known) nickname.value = session.user;
  nickname.readOnly = known;
  find("verified").hidden = !known;
  find("sign-in").hidden = known;
  find("sign-out").hidden = !known;
}

/**
 * Signs in or out and shows the result. A connection belongs to the user who opened it, so
 * change opens it again for all tabs.
 *
 * @param {() => Promise<string>} change returns an error message, or ""
 */
async function become(change) {
  let trouble;
  try {
    trouble = await change();
  } catch {
    trouble = say("sessionFailed", { reason: say("unreachable") });
  }
  notice(trouble);
  showPerson();
}

find("identity").addEventListener("submit", (event) => {
  event.preventDefault();
  become(async () => {
    const wished = nickname.value.trim();
    const answer = await session.signIn(wished);
    if (answer.ok) {
      if (maru.state !== "closed") maru.reconnect();
      find("message").focus();
      return "";
    }
    nickname.focus();
    if (answer.code === "taken") return say("taken", { name: wished });
    if (answer.code === "bad_nickname") return say("badNickname");
    return say("sessionFailed", { reason: answer.reason });
  });
});

find("sign-out").addEventListener("click", () => {
  become(async () => {
    const live = maru.state !== "closed";
    leaving = true;
    try {
      await session.signOut(); // the server closes the connection
    } finally {
      leaving = false;
      if (live) maru.reconnect();
    }
    nickname.focus();
    return "";
  });
});

compose(maru, (message) => `${session.user || nickname.value.trim() || nickname.placeholder} => ${message}`);
snippet("socket", `new WebSocket("${address.replace(/^http/, "ws")}")`);
snippet("curl", `curl -d 'me => hello' ${quoted(address)}`);
/** Whether the rules allow this user to see the presence. */
let mayKnow = true;

const again = hold(maru, () => {
  const hall = maru.subscribe(channel, { last: 50, presence: mayKnow });
  showAll(hall, (publication, first) => {
    const time = new Date(publication.time);
    const { message, by } = render(publication, time);
    addMessage(message, time, first, by);
  });
  if (mayKnow) showPresence(maru, hall);
  find("here").parentElement?.toggleAttribute("hidden", !mayKnow);
  hall.addEventListener("unsubscribed", ({ detail }) => {
    if (!mayKnow || detail?.code !== "not_allowed") return;
    mayKnow = false;
    setTimeout(() => again());
  });
  return hall;
});
