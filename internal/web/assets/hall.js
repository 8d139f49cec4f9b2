/**
 * The hall: people talk, each message as `nickname => message`.
 */
import { compose, mayWrite } from "./compose.js";
import { Connection } from "./connection.js";
import { addMarker, addMessage, settle, stamp } from "./log.js";
import { judge, splitMessage } from "./message.js";
import { channelURL, find, input, make, notice, number, quoted, say, snippet } from "./page.js";
import { followPeople } from "./people.js";
import { Session } from "./session.js";
import { drive, showState } from "./state.js";

/** @typedef {import("./connection.js").Publication} Publication */

const session = new Session((url, init) => fetch(url, init), localStorage);
const nickname = input("nickname");

const connection = new Connection(channelURL, {
  prepare: resume,
  onState(state, reason) {
    showState(state, reason);
    followPeople(state === "open");
    if (state !== "open") return;
    settle();
    mayWrite();
  },
  onPublication(publication, first) {
    const time = new Date(publication.time);
    const { message, by } = render(publication, time);
    addMessage(message, time, first, by);
  },
  onGap: ({ reason, from = 0, to = 0 }) =>
    addMarker(reason === "epoch" ? say("gapEpoch") : say("gapExpired", { from, to })),
  onLost: (text) => addMarker(say("lost", { text: splitMessage(text, session.user).text })),
  onRefused(code) {
    if (code !== 4503) return;
    // Signed out elsewhere. The hall is open to anonymous people too.
    session.forget();
    showPerson();
    notice(say("signedOut"));
    connection.connect();
  },
});

/**
 * @param {Publication} publication
 * @param {Date} time
 */
function render({ offset, kind, data, user = "" }, time) {
  const { name, text } = kind === "text" ? splitMessage(data, user) : { name: "", text: plain(kind, data) };
  const verdict = judge(name, user);
  const who = make("span", "name", name || user || say("unnamed"));
  const message = make("div", "message", make("p", "by", who, " ", mark(verdict, name, user), " ", stamp(time)), make("p", "text", text));
  message.dataset.offset = String(offset);
  message.classList.add(verdict);
  if (user && user === session.user) message.classList.add("own");
  return { message, by: `${name} => ${user}` };
}

/**
 * @param {string} kind
 * @param {any} data
 */
function plain(kind, data) {
  return kind === "json" ? JSON.stringify(data) : say("binary", { n: number(atob(data).length) });
}

/**
 * The server's word on the name.
 *
 * @param {ReturnType<typeof judge>} verdict
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
  else if (before && !session.user) notice(say("signedOut")); // or another tab has said why
  if (before !== session.user || taken) showPerson();
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
 * Runs a change of identity; the socket belongs to the person who opened it, so
 * it is opened again.
 *
 * @param {() => Promise<string>} change answers what went wrong
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
      if (connection.state !== "closed") connection.connect();
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
    const live = connection.state !== "closed";
    if (live) connection.disconnect(); // before the server does it
    try {
      await session.signOut();
    } finally {
      if (live) connection.connect();
    }
    nickname.focus();
    return "";
  });
});

compose(connection, (message) => `${session.user || nickname.value.trim() || nickname.placeholder} => ${message}`);
snippet("socket", `new WebSocket("${location.origin.replace(/^http/, "ws")}")`);
snippet("curl", `curl -d 'me => hello' ${quoted(location.origin)}`);
drive(connection);
