/**
 * A WebSocket that speaks maru.v1 and reconnects.
 *
 *     start ─→ connecting ─→ open ─→ (lost) waiting ─→ connecting ─→ …
 *                               └──→ (stop, or final) closed
 *
 * It carries commands and replies and does not know their meaning. feed.js handles what
 * belongs to one channel.
 */
import { LONGEST, MaruError, backoff, comeBack, disconnected, passing, plain } from "./codes.js";

/**
 * @typedef {import("./surroundings.js").Surroundings} Surroundings
 * @typedef {"connecting"|"open"|"waiting"|"closed"} State
 *
 * @typedef {object} Hooks
 * @property {(what: "prepare" | "token") => Promise<any>} ask  prepare: runs before each attempt; if it fails, the
 *   attempt fails. token: gets a new token; undefined: connect without one
 * @property {() => void} changed  the state, the user or the error has changed
 * @property {() => void} opened  runs before waiting commands are sent
 * @property {(channel: string, push: any) => void} pushed
 * @property {(error: MaruError) => void} troubled  an error that does not belong to a command
 *
 * @typedef {object} Command
 * @property {string} name
 * @property {string} body  JSON
 * @property {boolean} retry  whether it may be sent again on the next connection
 * @property {boolean} sent
 * @property {(reply: any) => void} resolve
 * @property {(error: MaruError) => void} reject
 */

/** How long an attempt to connect may take, in ms. */
const PATIENCE = 15_000;
/** How long the reply to a ping may take, in ms: usually, and after wake. */
const PING = 10_000;
const WAKE = 4_000;
/** How often the clock is read, in ms. A jump means that the machine has slept. */
const TICK = 5_000;
/** A connection that lasted this long resets the count of failed attempts, in ms. */
const STEADY = 5_000;
/** How many commands may wait for the connection or a reply. */
const MOST = 1_000;
const FAR = 2 ** 31 - 1;

export class Connection {
  /** @type {State} */
  state = "closed";
  /** @type {string | undefined} the user that the server has identified */
  user;
  /** @type {MaruError | undefined} why the connection is not open */
  error;
  maxChannels = Infinity;

  url;
  #hooks;
  #env;
  /** @type {WebSocket | undefined} */
  #socket;
  /** The number of the current attempt. Events of older attempts are ignored. */
  #run = 0;
  #attempt = 0;
  #openedAt = Infinity;
  #notBefore = 0;
  /** @type {number | undefined} */
  #comeBackAfter;
  /** @type {MaruError | undefined} one of the commands in flight caused the close; set while they are rejected */
  #fault;

  #secret;
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

  #received = 0;
  #pingEvery = 25_000;
  /** @type {any} */ #timer;
  /** @type {any} */ #ticker;
  /** @type {any} */ #probe;
  /** @type {any} */ #refresher;

  /**
   * @param {string} url ws or wss
   * @param {Hooks} hooks
   * @param {Surroundings} env
   * @param {string} [secret] owns the idempotency keys of an anonymous client: see Maru
   */
  constructor(url, hooks, env, secret) {
    this.url = url;
    this.#secret = secret;
    this.#hooks = hooks;
    this.#env = env;
  }

  /**
   * Connects now, in any state.
   *
   * @param {string} [token] a new token
   */
  start(token) {
    this.#attempt = 0;
    this.#token = undefined;
    if (token) this.#keep(token);
    this.#begin();
  }

  /**
   * Closes the connection and rejects waiting commands. Only start connects again.
   *
   * @param {MaruError} [error]
   */
  stop(error) {
    this.#drop();
    for (const command of this.#commands) command.reject(error ?? disconnected());
    this.#set("closed", error);
  }

  /** The network or the user is back, or the machine has slept: checks the connection now. */
  wake() {
    if (this.state === "open") this.#check(WAKE);
    if (this.state !== "waiting" || this.#env.now() < this.#notBefore) return;
    this.#attempt = 0;
    this.#begin();
  }

  /**
   * Sends a command now, on this connection only. done is called once, before any
   * message that follows the reply is processed.
   *
   * @param {string} name
   * @param {object | string} body  a string is JSON already
   * @param {(error?: MaruError, reply?: any) => void} done
   */
  ask(name, body, done) {
    if (!this.#socket || (this.state !== "open" && name !== "connect")) return done(disconnected());
    const id = ++this.#id;
    const text = `{"id":${id},"${name}":${typeof body === "string" ? body : JSON.stringify(body)}}`;
    if (text.length * 3 > this.#maxMessage && new TextEncoder().encode(text).length > this.#maxMessage) {
      return done(new MaruError({ code: "too_large", message: `limit: ${this.#maxMessage} bytes` }));
    }
    this.#asked.set(id, done);
    this.#socket.send(text);
  }

  /**
   * Sends a command and waits for its reply. With retry, a command whose reply was lost
   * with the connection is sent again on the next one.
   *
   * @param {string} name
   * @param {string} body  JSON
   * @param {{retry: boolean, wait: boolean, timeout: number}} options  wait: wait for a connection; timeout in ms
   * @returns {Promise<any>}
   */
  async command(name, body, { retry, wait, timeout }) {
    if (this.state === "closed") throw this.error ?? disconnected();
    if (!wait && this.state !== "open") throw disconnected();
    if (this.#commands.size >= MOST) throw passing("slow", `${MOST} commands wait already`);
    /** @type {any} */
    const command = { name, body, retry, sent: false };
    const reply = new Promise((resolve, reject) => Object.assign(command, { resolve, reject }));
    const late = `no reply within ${timeout} ms: outcome unknown`;
    const timer = this.#env.after(() => command.reject(passing("timeout", late)), timeout);
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
      await this.#hooks.ask("prepare");
      if (stale()) return;
      if (this.#expires - this.#env.now() < TICK) this.#token = undefined;
      if (!this.#token) {
        const token = await this.#hooks.ask("token");
        if (stale()) return;
        if (token) this.#keep(token);
      }
    } catch (error) {
      if (!stale()) this.#wait(undefined, new MaruError(plain(error)));
      return;
    }
    /** @type {WebSocket} */
    let socket;
    try {
      socket = this.#socket = this.#env.open(this.url, "maru.v1");
    } catch (error) {
      // There is no WebSocket (Node.js before 22), or a policy forbids this URL: trying again does not help.
      return this.stop(new MaruError({ code: "bad_request", message: `cannot open ${this.url}: ${error}` }));
    }
    this.#timer = this.#env.after(() => this.#lost(1006), PATIENCE);
    socket.onopen = () => {
      if (stale()) return;
      if (socket.protocol !== "maru.v1") {
        return this.#lost(1006, "bad_request", `${this.url} does not speak maru.v1`); // perhaps another server, for now
      }
      this.ask("connect", { token: this.#token, secret: this.#secret }, (error, welcome) => {
        if (welcome) this.#opened(welcome);
        else if (error && error.code !== "disconnected") this.#lost(error.temporary ? 1013 : 4500, error.code);
      });
    };
    socket.onmessage = ({ data }) => stale() || this.#take(data);
    socket.onerror = () => {}; // a close event follows; npm ws throws without a handler
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
    this.maxChannels = max_channels || Infinity;
    this.#openedAt = this.#env.now();
    this.#set("open");
    this.#refreshBefore(expires);
    this.#tick(this.#openedAt);
    this.#hooks.opened();
    for (const command of this.#commands) if (!command.sent) this.#carryOut(command);
  }

  /** @param {any} data */
  #take(data) {
    this.#received = this.#env.now();
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

  /** @param {number} last when the clock was read before */
  #tick(last) {
    this.#ticker = this.#env.after(() => {
      const now = this.#env.now();
      this.#tick(now);
      if (Math.abs(now - last - TICK) > TICK) this.wake();
      else if (now - this.#received >= this.#pingEvery) this.#check(PING);
    }, TICK);
  }

  /** @param {number} patience how long it may take until anything arrives, in ms */
  #check(patience) {
    if (this.#probe) return;
    this.#probe = this.#env.after(() => this.#lost(1006), patience);
    this.ask("ping", {}, () => {});
  }

  /**
   * Gets a new token before the current one expires.
   *
   * @param {string} [expires]
   */
  #refreshBefore(expires) {
    this.#expires = expires ? Date.parse(expires) : Infinity;
    const left = this.#expires - this.#env.now();
    // If the clocks differ by more than that, the server closes with token_expired and we reconnect.
    if (left === Infinity || left < 1000) return;
    const refresh = async () => {
      const run = this.#run;
      const stale = () => run !== this.#run;
      try {
        const token = await this.#hooks.ask("token");
        if (!token || stale()) return;
        const reply = await this.command("refresh", JSON.stringify({ token }), { retry: false, wait: false, timeout: PATIENCE });
        if (stale()) return;
        this.#token = token;
        expires = reply.expires;
      } catch (error) {
        if (stale()) return;
        this.#hooks.troubled(new MaruError(plain(error)));
      }
      this.#refreshBefore(expires);
    };
    this.#refresher = this.#env.after(refresh, Math.min(left - Math.min(left / 4, 30_000), FAR));
  }

  /**
   * @param {number} code the close code
   * @param {string} [reason] the server's error code
   * @param {string} [message]
   */
  #lost(code, reason, message) {
    const word = reason || (code === 1006 ? "disconnected" : String(code));
    const error = passing(word, message);
    if (this.#env.now() - this.#openedAt >= (code === 4205 ? 1000 : STEADY)) this.#attempt = 0;
    const hadNewToken = this.#tokenIsNew;
    if (code === 1007 || code === 1009) this.#fault = error; // too large, or invalid text: not sent again
    this.#drop();
    let back = comeBack(code);
    if (code === 4205 || code === 4401 || (code === 4501 && !hadNewToken)) {
      back ||= this.#token !== undefined; // a new token may help, or have other rights
      this.#token = undefined;
    }
    if (!back) return this.stop(new MaruError({ code: word }));
    if (code === 1013) this.#attempt = Math.max(this.#attempt, 3); // later
    this.#wait(code === 1001 ? this.#comeBackAfter : undefined, error);
  }

  /**
   * @param {number | undefined} after the wait that the server has asked for, in ms
   * @param {MaruError} error
   */
  #wait(after, error) {
    this.#comeBackAfter = undefined;
    this.#notBefore = this.#env.now() + (after ?? 0);
    // Some systems report no network although there is one, so we still try, but rarely.
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

  /** The state, for the tabs. @returns {any[]} */
  news() {
    return [this.state, this.user, this.error && plain(this.error)];
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
