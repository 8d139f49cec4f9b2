/**
 * One tab's subscription to a channel.
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
 * How many publications may wait for a loop over them, and of how many keys the newest
 * offset is known; of others one may come once more after a reconnect.
 */
const MOST = 10_000;

/** @type {new () => import("./types.d.ts").Target<import("./types.d.ts").SubscriptionEvents>} */
const Target = EventTarget;

export class Subscription extends Target {
  channel;
  options;
  /** @type {"pending"|"subscribed"|"ended"} */
  state = "pending";
  /** @type {Position | undefined} after the last publication that came */
  position;
  /** @type {Presence | undefined} */
  presence;
  #leave;
  /** @type {Map<string | undefined, number>} by key, its newest offset under deliver latest */
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

  /** Ends it: nothing comes any more. */
  unsubscribe() {
    if (this.state === "ended") return;
    this.state = "ended";
    this.#leave();
    this.#dispatch("unsubscribed", undefined);
  }

  /**
   * Takes what the host tells. For Maru.
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
   * Whether it, or under deliver latest something newer of its key, has come before.
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
   * Publications, and gaps where they are, until the subscription or the loop ends.
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
        failure = new MaruError({ code: "slow", message: `${MOST} publications wait for a loop that does not take them` });
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
 * A publication with its bytes, where it is binary.
 *
 * @param {any} publication
 * @returns {Publication}
 */
export function readable(publication) {
  if (publication.kind !== "binary") return publication;
  return { ...publication, data: Uint8Array.from(atob(publication.data), (c) => c.charCodeAt(0)) };
}
