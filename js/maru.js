/**
 * The client of maru for browsers and Node.js.
 *
 *     import { Maru } from "/assets/maru.js";
 *     const maru = new Maru();
 *     const chat = maru.subscribe("chat", { last: 20 });
 *     chat.addEventListener("publication", ({ detail }) => console.log(detail.data));
 *     await maru.publish("chat", "hello");
 *
 * It reconnects by itself. Missed publications then arrive once and in order, or a gap event
 * says which are missing. All tabs of one user share one connection, which a shared worker
 * holds (host.js). Where shared workers are not available, each page has its own connection.
 *
 * types.d.ts documents everything that a program may rely on.
 */
import { MaruError, backoff, disconnected, plain } from "./codes.js";
import { Host } from "./host.js";
import { Subscription, readable } from "./subscription.js";
import { emit, hold, pair, surroundings, unique } from "./surroundings.js";

export { MaruError, Subscription };

/**
 * @typedef {import("./types.d.ts").Options} Options
 * @typedef {import("./types.d.ts").SubscribeOptions} SubscribeOptions
 * @typedef {import("./types.d.ts").PublishOptions} PublishOptions
 * @typedef {import("./types.d.ts").HistoryOptions} HistoryOptions
 * @typedef {import("./types.d.ts").Position} Position
 * @typedef {import("./surroundings.js").Port} Port
 * @typedef {import("./surroundings.js").Surroundings} Surroundings
 * @typedef {{retry: boolean, wait: boolean, timeout: number}} CommandOptions  see Connection.command
 */

/** How long the worker may take to answer before the page connects without it, in ms. */
const PATIENCE = 5_000;
/** The version of the messages on the port. A running worker can be older than the page: raise this with each change. */
const PORT = "maru/2";

/** @type {new () => import("./types.d.ts").Target<import("./types.d.ts").MaruEvents>} */
const Target = EventTarget;

export class Maru extends Target {
  /** @type {import("./types.d.ts").State} */
  state = "closed";
  /** @type {string | undefined} */
  user;
  /** @type {MaruError | undefined} */
  error;

  #url;
  #options;
  #env;
  /** @type {Port | undefined} connects to the host */
  #port;
  #mayShare;
  /** @type {string | undefined} tabs with the same name share a connection; undefined: do not share */
  #name;
  /** The number of the current attachment to a host. Messages of older attachments are ignored. */
  #run = 0;
  /**
   * Owns the idempotency keys of an anonymous client over its connections, so that what is sent
   * again on the next one is published once. Tabs that share a connection share it, and
   * remember it, should the worker end.
   */
  #secret = unique();
  #attempt = 0;
  #detached = new AbortController();
  /** @type {AbortController | undefined} */
  #closed;
  /** @type {any} until the next attempt, or for any message of the host */
  #timer;
  #id = 0;
  #unique = unique();
  /** @type {Map<number, Subscription>} */
  #subscriptions = new Map();
  /** @type {Map<number, {command: [string, string, CommandOptions], resolve: (reply: any) => void, reject: (error: MaruError) => void}>} */
  #calls = new Map();

  /**
   * @param {string | URL} [url]
   * @param {Options} [options]
   * @param {Surroundings} [env] for tests
   */
  constructor(url = "/", options = {}, env = surroundings) {
    super();
    this.#url = new URL(url, globalThis.location?.href).href.replace(/^http/, "ws");
    this.#options = options;
    const Socket = options.WebSocket;
    this.#env = Socket ? { ...env, open: (/** @type {[string, string]} */ ...where) => new Socket(...where) } : env;
    this.#mayShare = Boolean(env.share) && options.share !== false && !Socket;
    this.connect();
  }

  connect() {
    this.#listen();
    if (!this.#port) this.#attach();
    else if (this.state === "closed") this.#post("restart");
    else this.#wake();
  }

  close() {
    this.#closed?.abort();
    this.#closed = undefined;
    this.#detach();
    for (const { reject } of this.#calls.values()) reject(disconnected());
    this.#calls.clear();
    this.#set("closed");
  }

  async reconnect() {
    if (!this.#port) return this.connect();
    const run = this.#run;
    const token = text(await this.#options.token?.());
    if (run !== this.#run) return;
    if (this.#nameOf(token) === this.#name) this.#post("restart", token);
    else this.#attach(token);
  }

  /**
   * @param {string} channel
   * @param {SubscribeOptions} [options]
   */
  subscribe(channel, options = {}) {
    /** @type {number} */
    let sub;
    const join = () => {
      this.#subscriptions.set((sub = ++this.#id), subscription);
      this.#join(sub, subscription);
    };
    // What a port or JSON cannot carry is an error here.
    const copy = JSON.parse(JSON.stringify([channel, options]));
    const subscription = new Subscription(copy[0], { ...copy[1], token: options.token }, (again) => {
      const left = sub;
      if (again) join();
      this.#subscriptions.delete(left);
      this.#post("unsubscribe", left);
    });
    join();
    return subscription;
  }

  /**
   * @param {string} channel
   * @param {any} data
   * @param {PublishOptions} [options]
   */
  async publish(channel, data, { key, event, kind, idempotencyKey, version, transient, timeout } = {}) {
    if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
      kind = "binary";
      const { buffer = data, byteOffset, byteLength } = /** @type {any} */ (data);
      data = btoa(Array.from(new Uint8Array(buffer, byteOffset, byteLength), (byte) => String.fromCharCode(byte)).join(""));
    }
    const idempotency_key = idempotencyKey ?? (transient ? undefined : `${this.#unique}-${++this.#id}`);
    const body = { data, channel, kind, key, event, idempotency_key, version, transient };
    return this.#command("publish", body, { retry: !transient, wait: !transient, timeout });
  }

  /**
   * @param {string} channel
   * @param {HistoryOptions} [options]
   */
  async history(channel, { since, before, limit, timeout } = {}) {
    const reply = await this.#command("history", { channel, since: written(since), before: written(before), limit }, { timeout });
    return { ...reply, publications: reply.publications.map(readable) };
  }

  /**
   * @param {string} channel
   * @param {{timeout?: number}} [options]
   */
  presence(channel, options) {
    return this.#command("presence", { channel }, options);
  }

  /**
   * @param {string} method
   * @param {any} [data]
   * @param {{timeout?: number}} [options]
   */
  async rpc(method, data, options) {
    const body = data === undefined ? { method } : { data, method };
    return (await this.#command("rpc", body, { ...options, retry: false })).data;
  }

  /**
   * @param {string} name
   * @param {object} body
   * @param {Partial<CommandOptions>} [options]
   * @returns {Promise<any>}
   */
  async #command(name, body, { retry = true, wait = true, timeout = this.#options.timeout ?? 30_000 } = {}) {
    /** @type {[string, string, CommandOptions]} */
    const command = [name, JSON.stringify(body), { retry, wait, timeout }]; // at once: the values may change later
    if ("data" in body && !command[1].startsWith('{"data":')) throw new TypeError(`${name}: the data is not JSON`);
    if (this.state === "closed") throw this.error ?? disconnected();
    const call = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { command, resolve, reject });
      this.#post("command", call, ...command);
    });
  }

  /** Reacts when the network or the user comes back, and when the page leaves. */
  #listen() {
    if (this.#closed) return;
    this.#closed = new AbortController();
    const wake = () => this.#wake();
    let away = false;
    const handlers = {
      online: wake,
      offline: wake,
      visibilitychange: () => this.#env.visible() && wake(),
      pagehide: () => {
        away = true;
        this.#detach();
        if (this.#mayShare) this.#env.forgo?.();
      },
      pageshow: () => {
        if (away) this.#attach();
        away = false;
      },
    };
    for (const [type, handler] of Object.entries(handlers)) {
      this.#env.events?.addEventListener(type, handler, { signal: this.#closed.signal });
    }
  }

  #wake() {
    if (!this.#port) return;
    this.#post("wake");
    this.#timer ??= this.#env.after(() => this.#alone(), PATIENCE); // a worker can end without an event
  }

  /** Gives up on the worker: this page gets a connection of its own. */
  #alone() {
    this.#mayShare = false;
    this.#attach();
  }

  /**
   * Attaches to the host that this user's tabs share, or to one of this page alone.
   *
   * @param {string} [token] the token, if the caller has it already
   */
  async #attach(token) {
    this.#detach();
    const run = this.#run;
    const { token: ask, prepare } = this.#options;
    this.#set("connecting");
    try {
      token ??= text(await ask?.());
    } catch (error) {
      if (run !== this.#run) return;
      this.#timer = this.#env.after(() => this.#attach(), backoff(this.#attempt++, this.#env.random));
      return this.#set("waiting", this.user, plain(error));
    }
    const name = run === this.#run ? this.#nameOf(token) : undefined;
    const lock = name === undefined ? undefined : await hold(this.#env, this.#detached.signal);
    if (run !== this.#run) return;
    this.#attempt = 0;
    this.#name = name;
    const port = (this.#port = this.#reach(name));
    const handlers = /** @type {any} */ (this.#handlers());
    port.onmessage = ({ data: [method, ...rest] }) => {
      if (run !== this.#run) return;
      this.#stopTimer();
      handlers[method](...rest);
    };
    this.#post("enter", { url: this.#url, token, can: { token: !!ask, prepare: !!prepare }, lock, secret: this.#secret });
    for (const [sub, subscription] of this.#subscriptions) this.#join(sub, subscription);
    for (const [call, { command, reject }] of this.#calls) {
      if (command[2].retry) this.#post("command", call, ...command);
      else this.#calls.delete(call) && reject(disconnected());
    }
  }

  /**
   * @param {string | undefined} name
   * @returns {Port}
   */
  #reach(name) {
    if (name !== undefined) {
      try {
        const failed = () => this.#port === port && this.#alone();
        this.#timer = this.#env.after(failed, PATIENCE);
        const port = /** @type {any} */ (this.#env).share(`${PORT} ${this.#url} ${name}`, failed);
        return port;
      } catch {
        this.#stopTimer(); // the script is of another origin, or a policy forbids workers
        this.#mayShare = false;
        this.#name = undefined;
      }
    }
    const [mine, other] = pair();
    new Host(this.#env).attach(other);
    return mine;
  }

  #detach() {
    this.#run++;
    this.#detached.abort();
    this.#detached = new AbortController();
    this.#stopTimer();
    this.#post("leave");
    this.#port = undefined;
  }

  #stopTimer() {
    this.#env.cancel(this.#timer);
    this.#timer = undefined;
  }

  /**
   * The name by which tabs share: the claims of the token without its times and id, which differ
   * in each token. Undefined for a token that is no JWT, which is never shared.
   *
   * @param {string} [token]
   */
  #nameOf(token) {
    if (!this.#mayShare) return;
    if (!token) return "";
    try {
      const { iat, nbf, exp, jti, ...claims } = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
      return JSON.stringify(claims);
    } catch {
      return;
    }
  }

  /** The calls that the host may send. */
  #handlers() {
    return {
      /** @param {string} secret @param {string} [lock] is released when the worker ends */
      welcome: (secret, lock) => {
        this.#secret = secret;
        const { signal } = this.#detached;
        if (lock) this.#env.locks?.request(lock, { signal }, () => signal.aborted || this.#alone()).catch(() => {});
      },
      alive: () => {}, // as any message
      /** @param {import("./types.d.ts").State} state @param {string} [user] @param {any} [error] */
      state: (state, user, error) => this.#set(state, user, error),
      /** @param {any} error */
      trouble: (error) => emit(this, "error", new MaruError(error)),
      /** @param {number} sub @param {string} type @param {any} detail */
      event: (sub, type, detail) => this.#subscriptions.get(sub)?.take(type, detail),
      /** @param {number} call @param {any} reply @param {any} [error] */
      result: (call, reply, error) => {
        const asked = this.#calls.get(call);
        this.#calls.delete(call);
        if (error) asked?.reject(new MaruError(error));
        else asked?.resolve(reply);
      },
      /** @param {number} question @param {"token"|"prepare"|"channelToken"} what @param {number} sub */
      ask: async (question, what, sub) => {
        const run = this.#run;
        /** @param {any} value @param {any} [error] */
        const answer = (value, error) => run === this.#run && this.#post("answer", question, value, error);
        try {
          const { options } = /** @type {any} */ (this.#subscriptions.get(sub) ?? {});
          const value = await (what === "channelToken" ? options.token() : this.#options[what]?.());
          if (what === "prepare") return answer(undefined);
          const token = text(value);
          if (what === "channelToken" || this.#nameOf(token) === this.#name) return answer(token);
          answer(undefined, disconnected());
          if (run === this.#run) this.#attach(token);
        } catch (error) {
          answer(undefined, plain(error));
        }
      },
    };
  }

  /**
   * @param {number} sub
   * @param {Subscription} subscription
   */
  #join(sub, { channel, options, position }) {
    const { since, token } = options;
    this.#post("subscribe", sub, channel, { ...options, since: written(position ?? since), token: typeof token === "function" || text(token) });
  }

  /**
   * @param {string} method
   * @param {...any} rest
   */
  #post(method, ...rest) {
    this.#port?.postMessage([method, ...rest]);
  }

  /**
   * @param {import("./types.d.ts").State} state
   * @param {string} [user]
   * @param {any} [error]
   */
  #set(state, user, error) {
    this.state = state;
    this.user = user;
    this.error = error && new MaruError(error);
    emit(this, "state", { state, user, error: this.error });
  }
}

/** What a function of the program returned as a token. @param {any} token */
const text = (token) => token && String(token);

/**
 * A position in the form of the protocol.
 *
 * @param {Position | string} [position]
 */
const written = (position) => (typeof position === "object" ? `${position.epoch}:${position.offset}` : position);
