/**
 * One WebSocket that speaks maru.v1, held open.
 *
 *     start ─→ connecting ─→ open ─→ (lost) waiting ─→ connecting ─→ …
 *                               └──→ (stop, or for good) closed
 *
 * It knows commands and replies, not what they mean; what belongs to one channel is
 * feed.js.
 */
import { LONGEST, MaruError, backoff, comeBack, disconnected, passes, plain } from "./codes.js";

/**
 * @typedef {import("./surroundings.js").Surroundings} Surroundings
 * @typedef {"connecting"|"open"|"waiting"|"closed"} State
 *
 * @typedef {object} Hooks
 * @property {() => Promise<void>} prepare  before each attempt; if it fails, so does the attempt
 * @property {() => (Promise<string | undefined> | undefined)} token  a new one; undefined: there are none
 * @property {() => void} changed  state, user or error
 * @property {() => void} opened  before anything that waits is sent
 * @property {(channel: string, push: any) => void} pushed
 * @property {(error: MaruError) => void} troubled  what nobody has asked about
 *
 * @typedef {object} Command
 * @property {string} name
 * @property {object} body
 * @property {boolean} retry  it may be sent again on the next connection
 * @property {boolean} sent
 * @property {(reply: any) => void} resolve
 * @property {(error: MaruError) => void} reject
 */

/** An attempt without an answer after this long has failed, in ms. */
const PATIENCE = 15_000;
/** How long a ping may take: one of the protocol's, and one of a person who came back. */
const PING = 10_000;
const WAKE = 4_000;
/** How often the clock is looked at; one that jumped is a machine that slept. */
const TICK = 5_000;
/** A connection that lived this long ends the row of failed attempts. */
const STEADY = 5_000;
/** How many commands may wait. */
const MOST = 1_000;
const FAR = 2 ** 31 - 1;

export class Connection {
  /** @type {State} */
  state = "closed";
  /** @type {string | undefined} who the server says this is */
  user;
  /** @type {MaruError | undefined} why it is not open */
  error;
  maxChannels = Infinity;

  url;
  #hooks;
  #env;
  /** @type {WebSocket | undefined} */
  #socket;
  /** Each attempt has its number; what an older one still brings is not listened to. */
  #run = 0;
  #attempt = 0;
  #openedAt = Infinity;
  #notBefore = 0;
  /** @type {number | undefined} */
  #comeBackAfter;
  /** @type {MaruError | undefined} while commands are dropped, what one of them was closed for; which is not known */
  #fault;

  /** @type {string | undefined} */
  #token;
  #tokenIsNew = false;
  #expires = Infinity;

  #id = 0;
  /** @type {Map<number, (error?: MaruError, reply?: any) => void>} by id, on this socket */
  #asked = new Map();
  /** @type {Set<Command>} */
  #commands = new Set();
  #maxMessage = Infinity;

  #heard = 0;
  #pingEvery = 25_000;
  /** @type {any} */ #timer;
  /** @type {any} */ #ticker;
  /** @type {any} */ #probe;
  /** @type {any} */ #refresher;

  /**
   * @param {string} url ws or wss
   * @param {Hooks} hooks
   * @param {Surroundings} env
   */
  constructor(url, hooks, env) {
    this.url = url;
    this.#hooks = hooks;
    this.#env = env;
  }

  /**
   * Connects at once, whatever was before.
   *
   * @param {string} [token] a new one
   */
  start(token) {
    this.#attempt = 0;
    this.#token = undefined;
    if (token) this.#keep(token);
    this.#begin();
  }

  /**
   * Ends the connection, and what waits for it; only start begins again.
   *
   * @param {MaruError} [error]
   */
  stop(error) {
    this.#drop();
    for (const command of this.#commands) command.reject(error ?? disconnected());
    this.#set("closed", error);
  }

  /** The network or the person is back, or the machine slept: see what still holds. */
  wake() {
    if (this.state === "open") this.#check(WAKE);
    if (this.state !== "waiting" || this.#env.now() < this.#notBefore) return;
    this.#attempt = 0;
    this.#begin();
  }

  /**
   * Sends a command now and forgets it with the connection. done is called
   * once, before anything that comes after the reply is looked at.
   *
   * @param {string} name
   * @param {object} body
   * @param {(error?: MaruError, reply?: any) => void} done
   */
  ask(name, body, done) {
    if (!this.#socket || (this.state !== "open" && name !== "connect")) return done(disconnected());
    const id = ++this.#id;
    const text = JSON.stringify({ id, [name]: body });
    if (text.length * 3 > this.#maxMessage && new TextEncoder().encode(text).length > this.#maxMessage) {
      return done(new MaruError({ code: "too_large", message: `a message may have ${this.#maxMessage} bytes` }));
    }
    this.#asked.set(id, done);
    this.#socket.send(text);
  }

  /**
   * Carries out a command: waits for a connection, and where it may be repeated and
   * the connection is lost before the reply, sends it again on the next.
   *
   * @param {string} name
   * @param {object} body
   * @param {{retry: boolean, wait: boolean, timeout: number}} options  wait: also for a connection; timeout in ms
   * @returns {Promise<any>}
   */
  async command(name, body, { retry, wait, timeout }) {
    if (this.state === "closed") throw this.error ?? disconnected();
    if (!wait && this.state !== "open") throw disconnected();
    if (this.#commands.size >= MOST) throw new MaruError({ code: "slow", message: "too much waits", temporary: true });
    /** @type {any} */
    const command = { name, body, retry, sent: false };
    const reply = new Promise((resolve, reject) => Object.assign(command, { resolve, reject }));
    const late = `no answer within ${timeout / 1000} s; ${name} may have been carried out or not`;
    const timer = this.#env.after(() => command.reject(new MaruError({ code: "timeout", message: late, temporary: true })), timeout);
    this.#commands.add(command);
    if (this.state === "open") this.#carryOut(command);
    try {
      return await reply;
    } finally {
      this.#env.cancel(timer);
      this.#commands.delete(command);
    }
  }

  /** @param {Command} command */
  #carryOut(command) {
    command.sent = true;
    this.ask(command.name, command.body, (error, reply) => {
      if (!error) command.resolve(reply);
      else if (error.code === "disconnected" && command.retry && !this.#fault) command.sent = false;
      else command.reject(this.#fault ?? error);
    });
  }

  async #begin() {
    this.#drop();
    const run = this.#run;
    const stale = () => run !== this.#run;
    this.#set("connecting");
    try {
      await this.#hooks.prepare();
      if (stale()) return;
      if (this.#expires - this.#env.now() < TICK) this.#token = undefined;
      if (!this.#token) {
        const token = await this.#hooks.token();
        if (stale()) return;
        if (token) this.#keep(token);
      }
    } catch (error) {
      if (!stale()) this.#wait(undefined, new MaruError(plain(error)));
      return;
    }
    const socket = this.#env.open(this.url, "maru.v1");
    this.#socket = socket;
    this.#timer = this.#env.after(() => this.#lost(1006), PATIENCE);
    socket.onopen = () => {
      if (stale()) return;
      if (socket.protocol !== "maru.v1") {
        return this.stop(new MaruError({ code: "bad_request", message: `${this.url} does not speak maru.v1` }));
      }
      this.ask("connect", { token: this.#token }, (error, welcome) => {
        if (welcome) this.#opened(welcome);
        else if (error && error.code !== "disconnected") this.#lost(passes(error) ? 1013 : 4500, error.code);
      });
    };
    socket.onmessage = ({ data }) => stale() || this.#take(data);
    socket.onerror = () => {}; // what follows is a close; npm ws throws what nobody hears
    socket.onclose = ({ code, reason }) => stale() || this.#lost(code, reason);
  }

  /** @param {string} token */
  #keep(token) {
    this.#token = token;
    this.#tokenIsNew = true;
    this.#expires = Infinity;
  }

  /** @param {any} welcome the reply to connect */
  #opened({ user, ping, expires, max_message, max_channels }) {
    this.#env.cancel(this.#timer);
    this.user = user;
    this.#tokenIsNew = false;
    this.#pingEvery = ping ?? this.#pingEvery;
    this.#maxMessage = max_message ?? Infinity;
    this.maxChannels = max_channels ?? Infinity;
    this.#openedAt = this.#env.now();
    this.#set("open");
    this.#refreshBefore(expires);
    this.#tick(this.#openedAt);
    this.#hooks.opened();
    for (const command of this.#commands) if (!command.sent) this.#carryOut(command);
  }

  /** @param {any} data */
  #take(data) {
    this.#heard = this.#env.now();
    this.#env.cancel(this.#probe);
    this.#probe = undefined;
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return this.#lost(1006);
    }
    const { id, error, channel, reconnect, ...rest } = message;
    if (channel !== undefined) return this.#hooks.pushed(channel, rest);
    if (reconnect) return void (this.#comeBackAfter = reconnect.after);
    const done = this.#asked.get(id);
    this.#asked.delete(id);
    const failure = error && new MaruError(error);
    if (done) done(failure, Object.values(rest)[0]);
    else if (failure) this.#hooks.troubled(failure);
  }

  /** @param {number} last when this was looked at before */
  #tick(last) {
    this.#ticker = this.#env.after(() => {
      const now = this.#env.now();
      this.#tick(now);
      if (Math.abs(now - last - TICK) > TICK) this.wake();
      else if (now - this.#heard >= this.#pingEvery) this.#check(PING);
    }, TICK);
  }

  /** @param {number} patience ms within which anything must come */
  #check(patience) {
    if (this.#probe) return;
    this.#probe = this.#env.after(() => this.#lost(1006), patience);
    this.ask("ping", {}, () => {});
  }

  /**
   * Gets a new token in time before the old one expires.
   *
   * @param {string} [expires]
   */
  #refreshBefore(expires) {
    this.#expires = expires ? Date.parse(expires) : Infinity;
    const left = this.#expires - this.#env.now();
    // Where the clocks differ too much, the server's token_expired does the same, with a drop.
    if (left === Infinity || left < 1000) return;
    this.#refresher = this.#env.after(
      async () => {
        const run = this.#run;
        /** @param {any} error */
        const failed = (error) => {
          this.#hooks.troubled(new MaruError(plain(error)));
          this.#refreshBefore(expires);
        };
        try {
          const token = await this.#hooks.token();
          if (!token || run !== this.#run) return;
          this.ask("refresh", { token }, (error, reply) => {
            if (run !== this.#run) return;
            if (error) return failed(error);
            this.#token = token;
            this.#refreshBefore(reply.expires);
          });
        } catch (error) {
          if (run === this.#run) failed(error);
        }
      },
      Math.min(left - Math.min(left / 4, 30_000), FAR),
    );
  }

  /**
   * @param {number} code of the close
   * @param {string} [reason] the server's code word
   */
  #lost(code, reason) {
    const word = reason || (code === 1006 ? "disconnected" : String(code));
    const error = new MaruError({ code: word, temporary: true });
    if (this.#env.now() - this.#openedAt >= STEADY) this.#attempt = 0;
    const hadNewToken = this.#tokenIsNew;
    if (code === 1007 || code === 1009) this.#fault = error; // what was too large, or no text, is not sent again
    this.#drop();
    let back = comeBack(code);
    if (code === 4401 || (code === 4501 && !hadNewToken)) {
      back = this.#token !== undefined; // a token can be had
      this.#token = undefined;
    }
    if (!back) return this.stop(new MaruError({ code: word }));
    if (code === 1013) this.#attempt = Math.max(this.#attempt, 3); // later
    this.#wait(code === 1001 ? this.#comeBackAfter : undefined, error);
  }

  /**
   * @param {number | undefined} after what the server said, in ms
   * @param {MaruError} error
   */
  #wait(after, error) {
    this.#comeBackAfter = undefined;
    this.#notBefore = this.#env.now() + (after ?? 0);
    // Some systems say that there is no network where there is one: try, but seldom.
    const delay = after ?? (this.#env.online() ? backoff(this.#attempt++, this.#env.random) : LONGEST);
    this.#timer = this.#env.after(() => this.#begin(), delay);
    this.#set("waiting", error);
  }

  #drop() {
    this.#run++;
    for (const timer of [this.#timer, this.#ticker, this.#probe, this.#refresher]) this.#env.cancel(timer);
    this.#probe = undefined;
    this.#openedAt = Infinity;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const done of asked) done(disconnected());
    this.#fault = undefined;
  }

  /**
   * @param {State} state
   * @param {MaruError} [error]
   */
  #set(state, error) {
    this.state = state;
    this.error = error;
    this.#hooks.changed();
  }
}
