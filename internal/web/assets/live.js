/**
 * The page's channel, held, and the line that says how that stands, with its two
 * buttons.
 */
import { find, say } from "./page.js";

/**
 * @typedef {import("./maru.js").Maru} Maru
 * @typedef {import("./maru.js").Subscription} Subscription
 */

const line = find("state");
const connect = /** @type {HTMLButtonElement} */ (find("connect"));
const disconnect = /** @type {HTMLButtonElement} */ (find("disconnect"));

const words = { connecting: "stateConnecting", open: "stateOpen", waiting: "stateWaiting", closed: "stateClosed" };

/**
 * @param {Maru["state"]} state
 * @param {string} [reason] why the server closed for good
 */
function show(state, reason) {
  line.dataset.state = state;
  line.textContent = reason ? say("stateRefused", { reason }) : say(words[state]);
  document.body.classList.toggle("ready", state === "open");
  connect.textContent = say(state === "waiting" ? "connectNow" : "connect");
  const focused = document.activeElement;
  connect.hidden = state === "open" || state === "connecting";
  disconnect.hidden = state === "closed";
  // A button that goes takes the focus with it; hand it to the one that stays.
  if (focused === connect && connect.hidden) disconnect.focus();
  if (focused === disconnect && disconnect.hidden) connect.focus();
}

/**
 * Holds the channel. The line says that it is open when the channel is.
 *
 * @param {Maru} maru
 * @param {() => Subscription} subscribe  at once, and again by hand where the server has ended it
 * @returns {() => void} does it again
 */
export function hold(maru, subscribe) {
  let heard = false;
  /** @type {Subscription} */
  let subscription;
  const begin = () => {
    heard = false;
    subscription = subscribe();
    subscription.addEventListener("subscribed", () => {
      heard = true;
      show("open");
    });
    subscription.addEventListener("unsubscribed", ({ detail }) => show("closed", detail?.message));
  };
  const tell = () => {
    const { state, error } = maru;
    heard &&= state === "open";
    if (subscription.state === "ended") return;
    show(state === "open" && !heard ? "connecting" : state, state === "closed" ? error?.message : undefined);
  };
  connect.addEventListener("click", () => {
    if (subscription.state === "ended") begin();
    maru.connect();
    tell();
  });
  disconnect.addEventListener("click", () => maru.close());
  maru.addEventListener("state", tell);
  const again = () => {
    begin();
    tell();
  };
  again();
  return again;
}
