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
import { MaruError, passing, plain } from "./codes.js";
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
    if (!main) this.#open(url, Infinity, token);
    else if (main.connection.state === "closed") this.start(token);
    else tab.tell("state", ...main.connection.news());
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
    const known = this.#links.map(({ feeds }) => feeds.get(channel)).find((feed) => JSON.stringify(feed?.way) === same);
    const feed = known ?? this.#place(new Feed(channel, way, this.env, (ended) => this.#remove(ended)));
    feed.add(listener);
    return () => {
      feed.remove(listener);
      if (feed.listeners.size || feed.link.feeds.get(channel) !== feed) return;
      feed.close();
      this.#remove(feed);
    };
  }

  /**
   * Gives the feed a link that has room for it.
   *
   * @param {Feed} feed
   */
  #place(feed) {
    const { channel } = feed;
    const { url, maxChannels } = this.connection;
    const free = this.#links.find(({ connection, feeds }) => !feeds.has(channel) && feeds.size < connection.maxChannels);
    feed.link = free ?? this.#open(url, maxChannels);
    feed.link.feeds.set(channel, feed);
    return feed;
  }

  /** @param {Feed} feed */
  #remove({ link, channel }) {
    link.feeds.delete(channel);
    if (link.feeds.size || link === this.#links[0]) return;
    link.connection.stop();
    this.#links = this.#links.filter((other) => other !== link);
  }

  /**
   * The connection of this link is open: it now says how many channels it takes. Feeds beyond
   * that move to other links.
   *
   * @param {Link} link
   */
  #opened({ connection, feeds }) {
    for (const feed of [...feeds.values()].slice(connection.maxChannels)) {
      feeds.delete(feed.channel);
      this.#place(feed).open();
    }
    for (const feed of feeds.values()) feed.open();
  }

  /**
   * @param {string} url
   * @param {number} maxChannels  as far as it is known
   * @param {string} [token]
   * @returns {Link}
   */
  #open(url, maxChannels, token) {
    const isMain = !this.#links.length;
    /** @type {Map<string, Feed>} */
    const feeds = new Map();
    const connection = new Connection(
      url,
      {
        ask: (what) => this.#ask(what),
        changed: () => isMain && this.#each("state", ...connection.news()),
        opened: () => this.#opened(link),
        pushed: (channel, push) => feeds.get(channel)?.pushed(push),
        troubled: (error) => this.#each("trouble", plain(error)),
      },
      this.env,
      this.secret,
    );
    connection.maxChannels = maxChannels;
    const link = { connection, feeds };
    this.#links.push(link);
    connection.start(token);
    return link;
  }

  /** @param {[string, ...any]} message */
  #each(...message) {
    for (const tab of this.#tabs) tab.tell(...message);
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
    this.tell("welcome", this.#host.secret, lock && (await this.#host.lock()));
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
      tell: (type, detail) => this.tell("event", sub, type, detail instanceof MaruError ? plain(detail) : detail),
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
   * @param {string} body  JSON
   * @param {{retry: boolean, wait: boolean, timeout: number}} options
   */
  command(call, name, body, options) {
    this.#host.connection.command(name, body, options).then(
      (reply) => this.tell("result", call, reply),
      (error) => this.tell("result", call, undefined, plain(error)),
    );
  }

  /** @param {string} [token] the current one */
  restart(token) {
    this.#host.start(token);
  }

  wake() {
    this.tell("alive");
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
      const late = () => this.answer(question, undefined, passing("disconnected", `the page did not answer: ${what}`));
      const timer = this.#host.env.after(late, PATIENCE);
      this.#questions.set(question, (value, error) => {
        this.#host.env.cancel(timer);
        if (error) reject(new MaruError(error));
        else resolve(value);
      });
      this.tell("ask", question, what, sub);
    });
  }

  /**
   * @param {string} method
   * @param {...any} rest
   */
  tell(method, ...rest) {
    this.#port.postMessage([method, ...rest]);
  }
}
