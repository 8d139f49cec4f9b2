/**
 * A subscription of one tab to a channel.
 */
import { MaruError } from "./codes.js";

/**
 * @typedef {import("./types.d.ts").SubscribeOptions} SubscribeOptions
 * @typedef {import("./types.d.ts").Publication} Publication
 * @typedef {import("./types.d.ts").Position} Position
 * @typedef {import("./types.d.ts").Presence} Presence
 * @typedef {import("./types.d.ts").Item} Item
 */

/**
 * The number of publications that may wait for a loop, and of keys whose newest offset is
 * remembered. A publication of a forgotten key may arrive once more after a reconnect.
 */
const MOST = 10_000;

/** @type {new () => import("./types.d.ts").Target<import("./types.d.ts").SubscriptionEvents>} */
const Target = EventTarget;

export class Subscription extends Target {
  channel;
  options;
  /** @type {"pending"|"subscribed"|"ended"} */
  state = "pending";
  /** @type {Position | undefined} the position after the last publication received */
  position;
  /** @type {Presence | undefined} */
  presence;
  #leave;
  /** @type {Map<string | undefined, number>} the newest offset of each key, with deliver "latest" */
  #newest = new Map();

  /**
   * @param {string} channel
   * @param {SubscribeOptions} options
   * @param {() => void} leave
   */
  constructor(channel, options, leave) {
    super();
    this.channel = channel;
    this.options = options;
    this.#leave = leave;
  }

  /** Ends the subscription. No events follow but "unsubscribed". */
  unsubscribe() {
    if (this.state === "ended") return;
    this.state = "ended";
    this.#leave();
    this.#dispatch("unsubscribed", undefined);
  }

  /**
   * Processes an event from the host. Called by Maru only.
   *
   * @param {string} type
   * @param {any} detail
   */
  take(type, detail) {
    if (this.state === "ended") return;
    switch (type) {
      case "subscribed":
        this.state = "subscribed";
        if (this.position?.epoch !== detail.epoch) this.#newest.clear();
        this.position = { epoch: detail.epoch, offset: detail.offset };
        break;
      case "publication":
        if (this.#known(detail)) return;
        detail = readable(detail);
        break;
      case "presence":
        this.presence = detail;
        break;
      case "unsubscribed":
        this.state = "ended";
        this.#leave();
    }
    this.#dispatch(type, type === "error" || type === "unsubscribed" ? new MaruError(detail) : detail);
    if (type === "subscribed" && detail.gap) this.#dispatch("gap", detail.gap);
  }

  /**
   * Reports whether the publication was received before. With deliver "latest", so counts a
   * publication that is older than another one of its key.
   *
   * @param {Publication} publication
   */
  #known({ offset, key }) {
    const position = this.position;
    if (offset === undefined || !position) return false;
    const { deliver, maxHz } = this.options;
    const latest = deliver === "latest" || maxHz;
    if (offset <= (latest ? (this.#newest.get(key) ?? 0) : position.offset)) return true;
    if (latest) this.#newest.set(key, offset);
    if (this.#newest.size > MOST) this.#newest.delete(this.#newest.keys().next().value);
    position.offset = Math.max(position.offset, offset);
    return false;
  }

  /**
   * @param {string} type
   * @param {any} detail
   */
  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /**
   * Yields publications and gaps until the subscription or the loop ends.
   *
   * @returns {AsyncGenerator<Item, void, void>}
   */
  async *[Symbol.asyncIterator]() {
    /** @type {any[]} */
    let waiting = [];
    let over = this.state === "ended";
    /** @type {any} */
    let failure;
    let more = () => {};
    const take = (/** @type {any} */ { type, detail }) => {
      if (type === "unsubscribed") {
        over = true;
        failure = detail;
      } else if (waiting.length < MOST) {
        waiting.push(type === "gap" ? { gap: detail } : detail);
      } else {
        over = true;
        failure = new MaruError({ code: "slow", message: `the loop is too slow: ${MOST} publications wait for it` });
      }
      more();
    };
    const types = ["publication", "gap", "unsubscribed"];
    for (const type of types) this.addEventListener(type, take);
    try {
      for (;;) {
        const items = waiting;
        waiting = [];
        yield* items;
        if (waiting.length) continue;
        if (failure) throw failure;
        if (over) return;
        await new Promise((/** @type {(value?: any) => void} */ resolve) => (more = resolve));
      }
    } finally {
      for (const type of types) this.removeEventListener(type, take);
    }
  }
}

/**
 * The publication; if it is binary, with its data decoded to bytes.
 *
 * @param {any} publication
 * @returns {Publication}
 */
export function readable(publication) {
  if (publication.kind !== "binary") return publication;
  return { ...publication, data: Uint8Array.from(atob(publication.data), (c) => c.charCodeAt(0)) };
}
