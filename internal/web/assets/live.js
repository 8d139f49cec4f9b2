/**
 * Subscribes to the page's channel, and shows the state of the connection with its two
 * buttons.
 */
import { find, reason, say } from "./page.js";

/**
 * @typedef {import("./maru.js").Maru} Maru
 * @typedef {import("./maru.js").Subscription} Subscription
 * @typedef {import("./types.d.ts").SubscribeOptions} SubscribeOptions
 */

const line = find("state");
const connect = /** @type {HTMLButtonElement} */ (find("connect"));
const disconnect = /** @type {HTMLButtonElement} */ (find("disconnect"));

const words = { connecting: "stateConnecting", open: "stateOpen", waiting: "stateWaiting", closed: "stateClosed" };

/**
 * @param {Maru["state"]} state
 * @param {string} [why] why the server has closed the connection for good
 */
function show(state, why) {
  line.dataset.state = state;
  const text = why ? say("stateRefused", { reason: why }) : say(words[state]);
  // A screen reader would read it again.
  if (line.textContent !== text) line.textContent = text;
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
 * Subscribes to the channel. The state is "open" when the subscription is. The rules may allow
 * less than the page wishes for, and other things to another user: the first of the wishes that
 * is allowed is used.
 *
 * @param {Maru} maru
 * @param {SubscribeOptions[]} wishes
 * @param {(wish: SubscribeOptions) => Subscription} subscribe
 */
export function hold(maru, wishes, subscribe) {
  let subscribed = false;
  let wish = 0;
  let user = maru.user;
  /** @type {Subscription} */
  let subscription;
  const begin = () => {
    subscribed = false;
    // Not the history again of which the page shows a part already.
    const since = subscription?.position;
    const mine = (subscription = subscribe({ ...wishes[wish], ...(since && wishes[wish].last && { since }) }));
    mine.addEventListener("subscribed", () => {
      subscribed = true;
      show("open");
    });
    mine.addEventListener("unsubscribed", ({ detail }) => {
      if (mine !== subscription) return;
      if (detail?.code !== "not_allowed" || wish + 1 === wishes.length) return show("closed", detail && reason(detail));
      wish++;
      setTimeout(begin); // this one must end first
    });
  };
  const tell = () => {
    const { state, error } = maru;
    subscribed &&= state === "open";
    if (state === "open" && maru.user !== user) {
      user = maru.user;
      if (wish || subscription.state === "ended") again();
    }
    if (subscription.state === "ended") return;
    show(state === "open" && !subscribed ? "connecting" : state, state === "closed" && error ? reason(error) : undefined);
  };
  const again = () => {
    const before = subscription;
    wish = 0;
    begin();
    before.unsubscribe();
  };
  connect.addEventListener("click", () => {
    if (subscription.state === "ended") again();
    maru.connect();
    tell();
  });
  disconnect.addEventListener("click", () => maru.close());
  maru.addEventListener("state", tell);
  begin();
  tell();
}
