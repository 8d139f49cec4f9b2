/**
 * Holds the connection for one or many tabs. It runs in the shared worker, or in the
 * page itself.
 *
 *     tab ──port──┐                 ┌─→ feed of a channel ─┐
 *     tab ──port──┼─→ Host ─→ link ─┼─→ feed               ├─→ Connection ─→ server
 *     tab ──port──┘                 └─→ feed               ┘
 *
 * A port carries [method, …arguments] in both directions. A tab calls the methods of
 * Tab; the host calls the handlers of Maru (maru.js).
 *
 * A connection subscribes to each channel at most once. A tab that subscribes with other
 * options (deliver, maxHz, presence), or to more channels than the server allows on one
 * connection, gets a second link.
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
 * @typedef {Omit<SubscribeOptions, "token" | "since"> & {since?: string, token?: string | true}} Wish  token true: ask the tab
 */

/** How long a tab may take to answer before the next tab is asked, in ms. */
const PATIENCE = 15_000;

export class Host {
  env;
  /** @type {Set<Tab>} */
  #tabs = new Set();
  /** @type {Link[]} while there are tabs the first link exists; its state is the state of all */
  #links = [];
  /** @type {Promise<string | undefined> | undefined} the name of a lock that is released when the worker ends */
  #lock;

  /** @type {string | undefined} see Maru */
  secret;

  constructor(env = surroundings) {
    this.env = env;
  }

  /** @param {Port} port of a tab */
  attach(port) {
    const tab = /** @type {any} */ (new Tab(this, port));
    port.onmessage = ({ data: [method, ...rest] }) => tab[method](...rest);
  }

  /**
   * @param {Tab} tab
   * @param {string} url
   * @param {string} [token]
   * @param {string} [secret]
   */
  enter(tab, url, token, secret) {
    this.secret ??= secret;
    this.#tabs.add(tab);
    const [main] = this.#links;
    if (!main) this.#open(url).connection.start(token);
    else if (main.connection.state === "closed") this.start(token);
    else tab.state(main.connection);
  }

  /** @param {Tab} tab */
  leave(tab) {
    this.#tabs.delete(tab);
    if (this.#tabs.size) return;
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
   * Subscribes a listener to a channel.
   *
   * @param {string} channel
   * @param {Wish} wish
   * @param {Listener} listener
   * @returns {() => void} ends the subscription
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
        changed: () => isMain && this.#each((tab) => tab.state(connection)),
        opened: () => feeds.forEach((feed) => feed.open()),
        pushed: (channel, push) => feeds.get(channel)?.pushed(push),
        troubled: (error) => this.#each((tab) => tab.trouble(error)),
      },
      this.env,
      this.secret,
    );
    const link = { connection, feeds };
    this.#links.push(link);
    return link;
  }

  /** @param {(tab: Tab) => void} tell */
  #each(tell) {
    for (const tab of this.#tabs) tell(tab);
  }

  /**
   * Asks the tabs that can answer, the newest first, until one of them does.
   *
   * @param {"prepare"|"token"} what
   */
  async #ask(what) {
    let trouble;
    for (const tab of [...this.#tabs].reverse()) {
      if (!tab.can[what]) continue;
      try {
        return await tab.ask(what);
      } catch (error) {
        trouble = error;
      }
    }
    if (trouble) throw trouble;
  }
}

/** The host's side of one tab. Its methods are the calls that a tab may send. */
class Tab {
  /** @type {{prepare?: boolean, token?: boolean}} the questions that the tab can answer */
  can = {};
  #host;
  #port;
  /** @type {Map<number, () => void>} by the number that the tab gave the subscription */
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
   * @param {{url: string, token?: string, can: {}, lock?: string, secret: string}} hello  lock: released when the tab ends
   */
  async enter({ url, token, can, lock, secret }) {
    this.can = can;
    this.#host.enter(this, url, token, secret);
    if (lock) this.#host.env.locks?.request(lock, () => this.leave());
    this.#tell("welcome", this.#host.secret, lock && (await this.#host.lock()));
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

  /** Connects again, unless another tab has done so. */
  connect() {
    if (this.#host.connection.state === "closed") this.#host.start();
  }

  /** @param {string} [token] the current one */
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
   * Asks the tab a question.
   *
   * @param {string} what
   * @param {number} [sub]
   * @returns {Promise<any>}
   */
  ask(what, sub) {
    const question = ++this.#question;
    return new Promise((resolve, reject) => {
      const late = () => this.answer(question, undefined, disconnected(`the page did not answer: ${what}`));
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
