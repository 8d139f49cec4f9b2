/**
 * What the user has written and the server has not confirmed yet. It waits for the connection,
 * at the end of the list, and is sent by itself.
 */
import { follow, isEmpty, toEnd } from "./log.js";
import { channel, find, make, notice, reason, say } from "./page.js";
import { clearDivider } from "./unread.js";

/** The maximum number of messages that wait. */
const MOST = 100;
/** For how long a message is sent again, in ms: the server knows it again for ten minutes. */
const PATIENCE = 9 * 60_000;

/**
 * @typedef {object} Item
 * @property {string} text as it was written
 * @property {string} data as it is published
 * @property {boolean} sent
 * @property {HTMLElement} element
 * @property {HTMLElement} state
 */

const list = find("outbox");

export class Outbox {
  /** @type {Item[]} */
  #items = [];
  #maru;

  /** @param {import("./maru.js").Maru} maru */
  constructor(maru) {
    this.#maru = maru;
    new MutationObserver(() => this.#flush()).observe(document.body, { attributeFilter: ["class"] });
  }

  /** What was not handed to the connection yet. */
  get unsent() {
    return this.#items.filter(({ sent }) => !sent).map(({ text }) => text);
  }

  /**
   * Sends a message, now or when there is a connection. Reports whether there is room for it.
   *
   * @param {string} text
   * @param {string} data
   */
  add(text, data) {
    if (this.#items.length >= MOST) {
      notice(say("outboxFull", { n: MOST }));
      return false;
    }
    const state = make("p", "sending", say("sending"));
    const element = make("div", "message own", make("div", "text", text), state);
    const item = { text, data, sent: false, element, state };
    this.#items.push(item);
    list.append(element);
    clearDivider();
    toEnd();
    this.#flush();
    isEmpty();
    return true;
  }

  /**
   * The publication of one of the messages has arrived, before its confirmation perhaps.
   *
   * @param {string} data
   */
  arrived(data) {
    const item = this.#items.find((item) => item.sent && item.data === data);
    if (item) this.#remove(item);
  }

  #flush() {
    if (!document.body.classList.contains("ready")) return;
    for (const item of this.#items) if (!item.sent) this.#send(item);
  }

  /** @param {Item} item */
  async #send(item) {
    item.sent = true;
    item.state.replaceChildren(say("sending"));
    item.element.classList.remove("failed");
    try {
      await this.#maru.publish(channel, item.data, { timeout: PATIENCE });
      this.#remove(item);
    } catch (error) {
      if (this.#items.includes(item)) this.#failed(item, /** @type {any} */ (error));
    }
  }

  /**
   * @param {Item} item
   * @param {import("./maru.js").MaruError} error
   */
  #failed(item, error) {
    const unknown = error.code === "disconnected" || error.code === "timeout";
    const again = make("button", "quiet", say("sendAgain"));
    const discard = make("button", "quiet", say("discard"));
    again.addEventListener("click", () => {
      item.sent = false;
      item.state.replaceChildren(say("sending"));
      this.#flush();
      find("message").focus();
    });
    discard.addEventListener("click", () => {
      this.#remove(item);
      find("message").focus();
    });
    item.element.classList.add("failed");
    item.state.replaceChildren(say(unknown ? "lost" : "refused", { reason: reason(error) }), " ", again, " ", discard);
    item.state.role = "alert";
    follow();
  }

  /** @param {Item} item */
  #remove(item) {
    this.#items = this.#items.filter((other) => other !== item);
    item.element.remove();
    isEmpty();
  }
}
