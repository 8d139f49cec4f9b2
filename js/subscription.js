/**
 * A subscription of one tab to a channel.
 */
import { MaruError, passing } from "./codes.js";
import { emit } from "./surroundings.js";

/**
 * @typedef {import("./types.d.ts").SubscribeOptions} SubscribeOptions
 * @typedef {import("./types.d.ts").Publication} Publication
 * @typedef {import("./types.d.ts").Position} Position
 * @typedef {import("./types.d.ts").Presence} Presence
 * @typedef {import("./types.d.ts").Item} Item
 * @typedef {import("./types.d.ts").SubscriptionEvents} SubscriptionEvents
 */

/**
 * The number of publications that may wait for a loop, and of keys whose newest offset is
 * remembered. A publication of a forgotten key may arrive once more after a reconnect.
 */
const MOST = 10_000;

/** @type {new () => import("./types.d.ts").Target<SubscriptionEvents>} */
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
  /** Whether publications have, or had, a listener. Until then the position stays where it began. */
  #heard = false;
  #missed = false;
  /** @type {Map<string | undefined, number>} the newest offset of each key, with deliver "latest" */
  #newest = new Map();

  /**
   * @param {string} channel
   * @param {SubscribeOptions} options
   * @param {(again: boolean) => void} leave  again: joins at the position, then leaves
   */
  constructor(channel, options, leave) {
    super();
    this.channel = channel;
    this.options = options;
    this.#leave = leave;
  }

  /**
   * The first listener for publications that comes late gets what it missed.
   *
   * @template {keyof SubscriptionEvents} K
   * @overload
   * @param {K} type
   * @param {import("./types.d.ts").Handler<SubscriptionEvents[K]>} listener
   * @param {import("./types.d.ts").ListenerOptions} [options]
   * @returns {void}
   *
   * @overload
   * @param {string} type
   * @param {import("./types.d.ts").Handler<import("./types.d.ts").AnyEvent>} listener
   * @param {import("./types.d.ts").ListenerOptions} [options]
   * @returns {void}
   *
   * @param {any} type
   * @param {any} listener
   * @param {any} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, listener, options);
    if (type !== "publication") return;
    this.#heard = true;
    if (this.#missed && this.state !== "ended") this.#leave(true);
    this.#missed = false;
  }

  /** Ends the subscription. No events follow but "unsubscribed". */
  unsubscribe() {
    if (this.state === "ended") return;
    this.state = "ended";
    this.#leave(false);
    emit(this, "unsubscribed", undefined);
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
        if (this.#heard || !(this.position ?? this.options.since)) this.position = { epoch: detail.epoch, offset: detail.offset };
        else this.#missed ||= detail.gap;
        break;
      case "publication":
        if (!this.#heard) return void (this.#missed = true);
        if (this.#known(detail)) return;
        detail = readable(detail);
        break;
      case "presence":
        this.presence = detail;
        break;
      case "unsubscribed":
        this.state = "ended";
        this.#leave(false);
    }
    emit(this, type, type === "error" || type === "unsubscribed" ? new MaruError(detail) : detail);
    if (type === "subscribed" && detail.gap) emit(this, "gap", detail.gap);
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
   * Yields publications and gaps until the subscription ends. Leaving the loop ends the subscription.
   *
   * @returns {AsyncGenerator<Item, void, void>}
   */
  async *[Symbol.asyncIterator]() {
    /** @type {any[]} */
    const waiting = [];
    let over = this.state === "ended";
    /** @type {any} */
    let failure;
    let more = () => {};
    const take = (/** @type {any} */ { type, detail }) => {
      over ||= type === "unsubscribed" || waiting.length >= MOST;
      if (type === "unsubscribed") failure ??= detail;
      else if (over) failure = passing("slow", `${MOST} publications wait for the loop`);
      else waiting.push(type === "gap" ? { gap: detail } : detail);
      more();
    };
    const types = ["publication", "gap", "unsubscribed"];
    for (const type of types) this.addEventListener(type, take);
    try {
      while (!over || waiting.length) {
        if (!waiting.length) await new Promise((/** @type {(value?: any) => void} */ resolve) => (more = resolve));
        yield* waiting.splice(0);
      }
      if (failure) throw failure;
    } finally {
      for (const type of types) this.removeEventListener(type, take);
      this.unsubscribe();
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
