/**
 * The line that says how the connection stands, and its two buttons.
 */
import { find, say } from "./page.js";

/** @typedef {import("./connection.js").Connection} Connection */

const line = find("state");
const connect = /** @type {HTMLButtonElement} */ (find("connect"));
const disconnect = /** @type {HTMLButtonElement} */ (find("disconnect"));

const words = { connecting: "stateConnecting", open: "stateOpen", waiting: "stateWaiting", closed: "stateClosed" };

/**
 * @param {import("./connection.js").State} state
 * @param {string} reason
 */
export function showState(state, reason) {
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
 * Lets the buttons, the network and the return of the person drive the connection.
 *
 * @param {Connection} connection
 */
export function drive(connection) {
  connect.addEventListener("click", () => connection.connect());
  disconnect.addEventListener("click", () => connection.disconnect());
  addEventListener("online", () => connection.wake());
  addEventListener("pageshow", () => connection.wake());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) connection.wake();
  });
  connection.connect();
}
