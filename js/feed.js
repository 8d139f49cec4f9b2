/**
 * One channel on one connection, for all tabs that subscribe to it.
 *
 * The first listener gets the replay of the server's subscription, then live
 * publications. A later listener gets its past by a history request. Live publications
 * wait for it meanwhile, so that it misses none and gets none twice. After a reconnect
 * all listeners continue from the position of the feed.
 */
import { MaruError, backoff, passing } from "./codes.js";

/**
 * @typedef {import("./host.js").Link} Link
 * @typedef {import("./surroundings.js").Surroundings} Surroundings
 * @typedef {{epoch: string, offset: number}} Position
 * @typedef {{version: number, count: number, anonymous: number, users?: string[]}} Presence  without users if there are more than the server lists
 *
 * @typedef {object} Listener
 * @property {(type: string, detail: any) => void} tell
 * @property {string} [since]
 * @property {number} [last]
 * @property {() => Promise<string>} [token]  for this channel
 * @property {boolean} [live]
 * @property {object} [asking]  its history request
 * @property {any[]} [later]  live publications that wait for the history
 *
 * @typedef {{deliver?: "all"|"latest", maxHz?: number, presence?: boolean, token?: string}} Way
 */

/** How many publications one history request returns. */
const PAGE = 1_000;

export class Feed {
  /** @type {Set<Listener>} */
  listeners = new Set();
  channel;
  way;
  /** @type {Link} set by the host, which moves the feed while it is not subscribed */
  link = /** @type {any} */ (undefined);
  #env;
  #ended;
  /** @type {Position | undefined} */
  #position;
  /** @type {Listener | undefined} the one whose options the subscribe command carries */
  #first;
  #on = false;
  /** False if the rules allow to subscribe but not to read the history: missed publications are a gap then. */
  #mayRecover = true;
  /** The number of the current subscribe command. Replies to older ones are ignored. */
  #run = 0;
  #attempt = 0;
  #replay = 0;
  /** @type {any} */
  #timer;
  /** @type {Presence | undefined} */
  #presence;
  /** The whole was requested, or will be soon. */
  #asked = false;
  /** The newest version that was received. */
  #version = 0;

  /**
   * @param {string} channel
   * @param {Way} way
   * @param {Surroundings} env
   * @param {(feed: Feed) => void} ended  runs when the server has ended the subscription for good
   */
  constructor(channel, way, env, ended) {
    this.channel = channel;
    this.way = way;
    this.#env = env;
    this.#ended = ended;
  }

  /** @param {Listener} listener */
  add(listener) {
    this.listeners.add(listener);
    if (!this.#first) {
      this.#first = listener;
      listener.live = true;
      this.open();
    } else {
      listener.later = [];
      this.#catchUp(listener);
    }
  }

  /** @param {Listener} listener */
  remove(listener) {
    this.listeners.delete(listener);
    listener.asking = undefined;
  }

  /** The connection is open again. */
  open() {
    this.#on = false;
    this.#asked = false;
    this.#env.cancel(this.#timer);
    for (const listener of this.listeners) listener.asking = undefined;
    if (this.link.connection.state === "open") this.#subscribe(++this.#run);
  }

  /** The last listener has left. */
  close() {
    this.#run++;
    this.#env.cancel(this.#timer);
    this.link.connection.ask("unsubscribe", { channel: this.channel }, () => {});
  }

  /** @param {number} run */
  async #subscribe(run) {
    const { deliver, maxHz: max_hz, presence } = this.way;
    let { token } = this.way;
    const asking = [...this.listeners].find((listener) => listener.token);
    try {
      if (asking) token = await asking.token?.();
    } catch (error) {
      if (run === this.#run) this.#failed(passing("unavailable", String(error)));
      return;
    }
    if (run !== this.#run) return;
    const known = this.#position;
    const since = known ? `${known.epoch}:${known.offset}` : this.#first?.since;
    const last = since ? undefined : this.#first?.last;
    const body = { channel: this.channel, since: this.#mayRecover ? since : undefined, last, deliver, max_hz, presence, token };
    this.link.connection.ask("subscribe", body, (error, reply) => {
      if (run !== this.#run) return;
      if (error?.code === "not_allowed" && body.since) {
        this.#mayRecover = false;
        this.#subscribe(run);
      } else if (!error) this.#subscribed(reply, since);
      else if (error.code !== "disconnected") this.#failed(error);
    });
  }

  /**
   * @param {any} reply
   * @param {string} [since]
   */
  #subscribed({ epoch, offset, replay = 0, gap, presence }, since) {
    if (since && !this.#mayRecover) gap = missed(since, { epoch, offset });
    this.#on = true;
    this.#attempt = 0;
    this.#position = { epoch, offset };
    this.#replay = replay;
    this.#tell("subscribed", { epoch, offset, replay, recovered: Boolean(since), gap });
    if (presence) this.#whole(presence);
    for (const listener of this.listeners) {
      if (!listener.live) listener.later = []; // the history has the earlier ones
      this.#catchUp(listener);
    }
  }

  /**
   * The subscribe command failed, or the server has ended the subscription.
   *
   * @param {MaruError} error
   */
  #failed(error) {
    this.#on = false;
    const renew = error.code === "token_expired" && [...this.listeners].some((listener) => listener.token);
    if (renew && !this.#attempt) {
      this.#attempt++;
      return this.open(); // a new token is no trouble
    }
    if (renew || error.temporary) {
      this.#tell("error", error);
      this.#timer = this.#env.after(() => this.open(), backoff(this.#attempt++, this.#env.random));
      return;
    }
    for (const listener of this.listeners) listener.tell("unsubscribed", error);
    this.listeners.clear();
    this.#run++;
    this.#ended(this);
  }

  /**
   * @param {string} type
   * @param {any} detail
   */
  #tell(type, detail) {
    for (const listener of this.listeners) if (listener.live) listener.tell(type, detail);
  }

  /** @param {{publication?: any, presence?: any, unsubscribed?: any}} push */
  pushed({ publication, presence, unsubscribed }) {
    if (!this.#on) return; // belongs to an earlier subscription
    if (publication) this.#publication(publication);
    if (presence) this.#change(presence);
    if (unsubscribed) this.#failed(new MaruError(unsubscribed));
  }

  /** @param {any} publication */
  #publication(publication) {
    const position = /** @type {Position} */ (this.#position);
    // With max_hz, publications of different keys may arrive out of order.
    if (publication.offset > position.offset) position.offset = publication.offset;
    const item = { ...publication, replay: this.#replay > 0 };
    for (const listener of this.listeners) {
      if (listener.live) listener.tell("publication", item);
      else if (!item.replay) listener.later?.push(item);
    }
    if (this.#replay && !--this.#replay) for (const listener of this.listeners) this.#catchUp(listener);
  }

  /**
   * Brings a later listener up to the position of the feed.
   *
   * @param {Listener} listener
   */
  #catchUp(listener) {
    if (listener.live || listener.asking || !this.#on) return;
    const { since, last } = listener;
    if (!since && !last) {
      // It starts here. A replay that is under way was requested by another listener.
      if (!this.#replay) this.#goLive(listener, { .../** @type {Position} */ (this.#position), publications: [] });
      return;
    }
    const latest = this.way.deliver === "latest" || this.way.maxHz;
    const asking = (listener.asking = {});
    /** @type {any[]} */
    const publications = [];
    /** @type {any} */
    let gap;
    /** @param {string | undefined} from */
    const page = (from) =>
      this.link.connection.ask("history", { channel: this.channel, since: from, limit: from ? PAGE : last }, (error, reply) => {
        if (listener.asking !== asking) return;
        if (error?.code === "disconnected") return; // repeated when the feed is open again
        if (error?.code === "not_allowed" && since) {
          const position = /** @type {Position} */ (this.#position);
          return this.#goLive(listener, { ...position, publications: [], gap: missed(since, position) });
        }
        if (error) {
          listener.tell(error.temporary ? "error" : "unsubscribed", error);
          if (!error.temporary) return this.remove(listener);
          const again = () => listener.asking === asking && page(from);
          return this.#env.after(again, backoff(this.#attempt++, this.#env.random));
        }
        gap ??= reply.gap;
        publications.push(...reply.publications);
        const at = reply.publications.at(-1)?.offset;
        if (from && at < reply.offset) return page(`${reply.epoch}:${at}`);
        this.#goLive(listener, {
          epoch: reply.epoch,
          offset: reply.offset,
          publications: latest ? newest(publications) : publications,
          gap: since && !latest ? gap : undefined,
        });
      });
    page(latest ? "0" : since);
  }

  /**
   * @param {Listener} listener
   * @param {Position & {publications: any[], gap?: any}} past
   */
  #goLive(listener, { epoch, offset, publications, gap }) {
    const replay = publications.length;
    const later = listener.later ?? [];
    listener.live = true;
    listener.asking = listener.later = undefined;
    const start = replay ? Math.min(...publications.map((p) => p.offset)) - 1 : offset;
    listener.tell("subscribed", { epoch, offset: start, replay, recovered: Boolean(listener.since), gap });
    if (this.#presence) listener.tell("presence", { ...this.#presence, joined: [], left: [] });
    for (const p of publications) listener.tell("publication", { ...p, replay: true });
    for (const p of later) if (!(p.offset <= offset)) listener.tell("publication", p); // a transient one has no offset
  }

  /** @param {any} change a change of presence */
  #change({ version, prev, joined, left, count, anonymous = 0 }) {
    const known = this.#presence;
    this.#version = version;
    if (!known || version <= known.version) return;
    const named = joined || left;
    if (known.version !== prev || (named && !known.users)) return this.#askWhole();
    const users = named && [...new Set([...without(known.users, left), ...(joined ?? [])])].sort();
    this.#show({ version, count, anonymous, users });
  }

  /** @param {any} presence */
  #whole({ version, count, users, anonymous = 0 }) {
    this.#show({ version, count, anonymous, users: users?.map((/** @type {any} */ { user }) => user) });
  }

  /** @param {Presence} now */
  #show(now) {
    const before = this.#presence?.users;
    this.#presence = now;
    this.#tell("presence", { ...now, joined: before ? without(now.users, before) : [], left: now.users ? without(before, now.users) : [] });
  }

  #askWhole() {
    if (this.#asked) return;
    this.#asked = true;
    this.link.connection.ask("presence", { channel: this.channel }, (error, reply) => {
      const again = () => {
        this.#asked = false;
        if (error || reply.version < this.#version) this.#askWhole();
      };
      if (error?.temporary) return this.#env.after(again, backoff(this.#attempt++, this.#env.random));
      if (error) return;
      this.#whole(reply);
      again();
    });
  }
}

/**
 * The gap since a position whose publications cannot be read.
 *
 * @param {string} since
 * @param {Position} now
 */
function missed(since, { epoch, offset }) {
  const [was, digits] = since.split(":");
  if (was !== epoch) return { reason: "epoch" };
  return Number(digits) < offset ? { reason: "expired", from: Number(digits) + 1, to: offset } : undefined;
}

/**
 * Those of the users who are not among the others.
 *
 * @param {string[]} [users]
 * @param {string[]} [others]
 */
const without = (users = [], others = []) => users.filter((user) => !others.includes(user));

/**
 * The newest publication of each key, in order.
 *
 * @param {any[]} publications
 */
const newest = (publications) => [...new Map(publications.map((p) => [p.key, p])).values()].sort((a, b) => a.offset - b.offset);
