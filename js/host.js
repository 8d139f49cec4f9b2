/**
 * What keeps the connection for one tab or many: it runs in the shared worker, or in
 * the page itself.
 *
 *     tab ──port──┐                 ┌─→ feed of a channel ─┐
 *     tab ──port──┼─→ Host ─→ link ─┼─→ feed               ├─→ Connection ─→ server
 *     tab ──port──┘                 └─→ feed               ┘
 *
 * A port carries [method, …arguments] both ways; those from a tab are the methods of
 * Guest, those to a tab those that Maru hears.
 *
 * A connection has each channel once. A tab that wants one in another way (deliver,
 * maxHz, presence), or a channel above the server's number, gets a second link.
 */
import { MaruError, disconnected, plain } from "./codes.js";
import { Connection } from "./connection.js";
import { Feed } from "./feed.js";
import { hold, surroundings } from "./surroundings.js";


/**
 * @typedef {import("./surroundings.js").Port} Port
 * @typedef {import("./feed.js").Listener} Listener
 * @typedef {{connection: Connection, feeds: Map<string, Feed>}} Link
 * @typedef {import("./types.d.ts").SubscribeOptions} SubscribeOptions
 * @typedef {Omit<SubscribeOptions, "token" | "since"> & {since?: string, token?: string | true}} Wish  token true: ask for it
 */

/** How long a tab may take to answer a question before another one is asked, in ms. */
const PATIENCE = 15_000;

export class Host {
  env;
  /** @type {Set<Guest>} */
  #guests = new Set();
  /** @type {Link[]} the first one always exists, and stands for all */
  #links = [];
  /** @type {Promise<string | undefined> | undefined} the name of a lock that is free when the worker is gone */
  #lock;

  constructor(env = surroundings) {
    this.env = env;
  }

  /** @param {Port} port of a tab */
  attach(port) {
    const guest = /** @type {any} */ (new Guest(this, port));
    port.onmessage = ({ data: [method, ...rest] }) => guest[method](...rest);
  }

  /**
   * @param {Guest} guest
   * @param {string} url
   * @param {string} [token]
   */
  enter(guest, url, token) {
    this.#guests.add(guest);
    const [main] = this.#links;
    if (!main) this.#open(url).connection.start(token);
    else if (main.connection.state === "closed") this.start(token);
    else guest.state(main.connection);
  }

  /** @param {Guest} guest */
  leave(guest) {
    this.#guests.delete(guest);
    if (this.#guests.size) return;
    for (const { connection } of this.#links) connection.stop();
    this.#links = [];
  }

  get connection() {
    return this.#links[0].connection;
  }

  /** @param {string} [token] */
  start(token) {
    for (const { connection } of this.#links) connection.start(token);
  }

  wake() {
    for (const { connection } of this.#links) connection.wake();
  }

  lock() {
    return (this.#lock ??= hold(this.env));
  }

  /**
   * Lets a listener hear a channel.
   *
   * @param {string} channel
   * @param {Wish} wish
   * @param {Listener} listener
   * @returns {() => void} ends it
   */
  listen(channel, { deliver, maxHz, presence, token }, listener) {
    const way = { deliver, maxHz, presence, token: token === true ? undefined : token };
    const same = JSON.stringify(way);
    const fits = this.#links.find(({ connection, feeds }) => {
      const feed = feeds.get(channel);
      return feed ? JSON.stringify(feed.way) === same : feeds.size < connection.maxChannels;
    });
    const link = fits ?? this.#open(this.connection.url);
    let feed = link.feeds.get(channel);
    if (!feed) {
      feed = new Feed(channel, way, link.connection, this.env, () => this.#empty(link, channel));
      link.feeds.set(channel, feed);
    }
    feed.add(listener);
    if (!fits) link.connection.start();
    const joined = feed;
    return () => {
      joined.remove(listener);
      if (joined.listeners.size || link.feeds.get(channel) !== joined) return;
      joined.close();
      this.#empty(link, channel);
    };
  }

  /**
   * @param {Link} link
   * @param {string} channel
   */
  #empty(link, channel) {
    link.feeds.delete(channel);
    if (link.feeds.size || link === this.#links[0]) return;
    link.connection.stop();
    this.#links = this.#links.filter((other) => other !== link);
  }

  /**
   * @param {string} url
   * @returns {Link}
   */
  #open(url) {
    const isMain = !this.#links.length;
    /** @type {Map<string, Feed>} */
    const feeds = new Map();
    const connection = new Connection(
      url,
      {
        prepare: () => this.#ask("prepare"),
        token: () => this.#ask("token"),
        changed: () => isMain && this.#each((guest) => guest.state(connection)),
        opened: () => feeds.forEach((feed) => feed.open()),
        pushed: (channel, push) => feeds.get(channel)?.pushed(push),
        troubled: (error) => this.#each((guest) => guest.trouble(error)),
      },
      this.env,
    );
    const link = { connection, feeds };
    this.#links.push(link);
    return link;
  }

  /** @param {(guest: Guest) => void} tell */
  #each(tell) {
    for (const guest of this.#guests) tell(guest);
  }

  /**
   * Asks the tabs that can answer, the one that came last first, until one does.
   *
   * @param {"prepare"|"token"} what
   */
  async #ask(what) {
    let trouble;
    for (const guest of [...this.#guests].reverse()) {
      if (!guest.can[what]) continue;
      try {
        return await guest.ask(what);
      } catch (error) {
        trouble = error;
      }
    }
    if (trouble) throw trouble;
  }
}

/** A tab, as the host sees it. Its methods are what the tab may ask for. */
class Guest {
  /** @type {{prepare?: boolean, token?: boolean}} what it can answer */
  can = {};
  #host;
  #port;
  /** @type {Map<number, () => void>} by the tab's number of the subscription */
  #leaves = new Map();
  /** @type {Map<number, (value: any, error?: any) => void>} */
  #questions = new Map();
  #question = 0;

  /**
   * @param {Host} host
   * @param {Port} port
   */
  constructor(host, port) {
    this.#host = host;
    this.#port = port;
  }

  /**
   * @param {{url: string, token?: string, can: {}, lock?: string}} hello  lock: it is free when the tab is gone
   */
  async enter({ url, token, can, lock }) {
    this.can = can;
    this.#host.enter(this, url, token);
    if (lock) this.#host.env.locks?.request(lock, () => this.leave());
    this.#tell("welcome", lock && (await this.#host.lock()));
  }

  leave() {
    for (const end of this.#leaves.values()) end();
    this.#leaves.clear();
    this.#host.leave(this);
  }

  /**
   * @param {number} sub
   * @param {string} channel
   * @param {Wish} wish
   */
  subscribe(sub, channel, wish) {
    /** @type {Listener} */
    const listener = {
      since: wish.since,
      last: wish.last,
      tell: (type, detail) => this.#tell("event", sub, type, detail instanceof MaruError ? plain(detail) : detail),
      token: wish.token === true ? () => this.ask("channelToken", sub) : undefined,
    };
    this.#leaves.set(sub, this.#host.listen(channel, wish, listener));
  }

  /** @param {number} sub */
  unsubscribe(sub) {
    this.#leaves.get(sub)?.();
    this.#leaves.delete(sub);
  }

  /**
   * @param {number} call
   * @param {string} name
   * @param {object} body
   * @param {{retry: boolean, wait: boolean, timeout: number}} options
   */
  command(call, name, body, options) {
    this.#host.connection.command(name, body, options).then(
      (reply) => this.#tell("result", call, reply),
      (error) => this.#tell("result", call, undefined, plain(error)),
    );
  }

  /** Begins again, unless another tab has. */
  connect() {
    if (this.#host.connection.state === "closed") this.#host.start();
  }

  /** @param {string} [token] of now */
  restart(token) {
    this.#host.start(token);
  }

  wake() {
    this.#tell("alive");
    this.#host.wake();
  }

  /**
   * @param {number} question
   * @param {any} value
   * @param {any} [error]
   */
  answer(question, value, error) {
    this.#questions.get(question)?.(value, error);
    this.#questions.delete(question);
  }

  /**
   * Asks the tab.
   *
   * @param {string} what
   * @param {number} [sub]
   * @returns {Promise<any>}
   */
  ask(what, sub) {
    const question = ++this.#question;
    return new Promise((resolve, reject) => {
      const late = () => this.answer(question, undefined, disconnected(`no answer about ${what} from the page`));
      const timer = this.#host.env.after(late, PATIENCE);
      this.#questions.set(question, (value, error) => {
        this.#host.env.cancel(timer);
        if (error) reject(new MaruError(error));
        else resolve(value);
      });
      this.#tell("ask", question, what, sub);
    });
  }

  /** @param {Connection} connection */
  state({ state, user, error }) {
    this.#tell("state", state, user, error && plain(error));
  }

  /** @param {MaruError} error */
  trouble(error) {
    this.#tell("trouble", plain(error));
  }

  /**
   * @param {string} method
   * @param {...any} rest
   */
  #tell(method, ...rest) {
    this.#port.postMessage([method, ...rest]);
  }
}
