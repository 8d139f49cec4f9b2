/**
 * Subscribes to the page's channel, and shows the state of the connection with its two
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
 * @param {string} [reason] why the server has closed the connection for good
 */
function show(state, reason) {
  line.dataset.state = state;
  line.textContent = reason ? say("stateRefused", { reason }) : say(words[state]);
  document.body.classList.toggle("ready", state === "open");
  connect.textContent = say(state === "waiting" ? "connectNow" : "connect");
  const focused = document.activeElement;
  connect.hidden = state === "open" || state === "connecting";
  disconnect.hidden = state === "closed";
  // A button that disappears loses the focus: move it to the other button.
  if (focused === connect && connect.hidden) disconnect.focus();
  if (focused === disconnect && disconnect.hidden) connect.focus();
}

/**
 * Subscribes to the channel. The state is "open" when the subscription is.
 *
 * @param {Maru} maru
 * @param {() => Subscription} subscribe  called now, and again by the button if the server has ended it
 * @returns {() => void} subscribes again
 */
export function hold(maru, subscribe) {
  let subscribed = false;
  /** @type {Subscription} */
  let subscription;
  const begin = () => {
    subscribed = false;
    subscription = subscribe();
    subscription.addEventListener("subscribed", () => {
      subscribed = true;
      show("open");
    });
    subscription.addEventListener("unsubscribed", ({ detail }) => show("closed", detail?.message));
  };
  const tell = () => {
    const { state, error } = maru;
    subscribed &&= state === "open";
    if (subscription.state === "ended") return;
    show(state === "open" && !subscribed ? "connecting" : state, state === "closed" ? error?.message : undefined);
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
