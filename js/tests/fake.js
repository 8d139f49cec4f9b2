/**
 * A server that speaks maru.v1, its clock, its network and the browser's tabs, all within the
 * test: what happens, happens when the test says so.
 */
import { Host } from "../host.js";
import { Maru } from "../maru.js";
import { pair } from "../surroundings.js";

/** Lets everything that waits for a promise go on. */
export const settle = () => new Promise((done) => setImmediate(done));

/** A server with one history, as docs/contract.md §4 has it, in which offsets leave room. */
export class FakeServer {
  epoch = "one";
  head = 0;
  keep = Infinity;
  /** Answers the handshake and connect by itself. */
  up = true;
  subprotocol = "maru.v1";
  welcome = { ping: 25_000, max_message: 10_000, max_channels: 128 };
  /** @type {Map<string, any[]>} */
  channels = new Map();
  /** @type {Map<string, any>} */
  presence = new Map();
  /** @type {Map<string, number>} */
  idempotency = new Map();
  /** @type {FakeSocket[]} those that live */
  sockets = [];
  /** @type {FakeSocket[]} all there were */
  opened = [];
  /** Commands whose reply does not come: names. */
  mute = new Set();
  /** What a command answers instead, once: name → error. */
  errors = new Map();
  /** @type {any[]} all commands that came, [name, body] */
  log = [];

  past(channel) {
    if (!this.channels.has(channel)) this.channels.set(channel, []);
    return this.channels.get(channel);
  }

  /** Somebody publishes, and it gets to where it gets. */
  async publish(channel, data, extra) {
    const publication = this.put(channel, data, extra);
    await settle();
    return publication;
  }

  put(channel, data, extra = {}) {
    const publication = { kind: typeof data === "string" ? "text" : "json", data, time: "2026-01-01T00:00:00Z", ...extra };
    const { transient } = extra;
    delete publication.transient;
    if (!transient) {
      publication.offset = this.head += 3;
      const past = this.past(channel);
      past.push({ prev: past.at(-1)?.publication.offset ?? 0, publication });
      while (past.length > this.keep) past.shift();
    }
    for (const socket of this.sockets) if (socket.subscribed.has(channel)) socket.push(channel, { publication });
    return publication;
  }

  since(channel, position) {
    const [epoch, digits] = position.includes(":") ? position.split(":") : [this.epoch, position];
    const past = this.past(channel);
    const all = past.map((p) => p.publication);
    if (epoch !== this.epoch || Number(digits) > this.head) return { gap: { reason: "epoch" }, publications: all };
    const publications = all.filter((p) => p.offset > Number(digits));
    const prev = past.find((p) => p.publication.offset > Number(digits))?.prev ?? Number(digits);
    return { publications, gap: Number(digits) < prev ? { reason: "expired", from: Number(digits) + 1, to: prev } : undefined };
  }

  /** All connections end with this close. */
  end(code = 1006, reason = "") {
    for (const socket of [...this.sockets]) socket.end(code, reason);
  }

  restart(epoch) {
    this.epoch = epoch;
    this.head = 0;
    this.channels.clear();
    this.idempotency.clear();
    this.end(1001, "shutting_down");
  }

  /** The commands of that name that came. */
  asked(name) {
    return this.log.filter(([n]) => n === name).map(([, body]) => body);
  }

  connect(socket, { token }) {
    socket.token = token;
    return { user: token && this.userOf(token), ...this.welcome };
  }

  userOf(token) {
    try {
      return JSON.parse(atob(token.split(".")[1])).sub;
    } catch {
      return token;
    }
  }

  /** Carries out a command; what it returns is the reply, or {error}. */
  carryOut(socket, name, body) {
    switch (name) {
      case "connect":
        return this.connect(socket, body);
      case "ping":
        return {};
      case "unsubscribe":
        socket.subscribed.delete(body.channel);
        return body;
      case "subscribe": {
        const { channel, since, last, deliver, max_hz, presence } = body;
        if (socket.subscribed.has(channel)) return { error: { code: "bad_request", message: "subscribed already" } };
        socket.subscribed.add(channel);
        const all = this.past(channel).map((p) => p.publication);
        let found = since ? this.since(channel, since) : { publications: last ? all.slice(-last) : [], gap: undefined };
        if ((since || last) && (deliver === "latest" || max_hz)) found = { publications: [...new Map(all.map((p) => [p.key, p])).values()].sort((a, b) => a.offset - b.offset), gap: undefined };
        const [epoch, digits] = since?.split(":") ?? [];
        const start = found.publications[0] ? found.publications[0].offset - 1 : this.head;
        const offset = epoch === this.epoch && !found.gap ? Number(digits) : start;
        socket.after = () => found.publications.forEach((publication) => socket.push(channel, { publication }));
        return { channel, epoch: this.epoch, offset, replay: found.publications.length, gap: found.gap, presence: presence ? this.presence.get(channel) : undefined };
      }
      case "publish": {
        const { channel, data, idempotency_key, ...rest } = body;
        const known = this.idempotency.get(idempotency_key);
        if (known) return { channel, epoch: this.epoch, offset: known, replayed: true };
        const { offset } = this.put(channel, data, rest);
        if (idempotency_key) this.idempotency.set(idempotency_key, offset);
        return { channel, epoch: this.epoch, offset };
      }
      case "history": {
        const { channel, since, before, limit = 100 } = body;
        const end = before ? Number(before.split(":")[1]) : Infinity;
        const all = this.past(channel).map((p) => p.publication).filter(({ offset }) => offset < end);
        const { gap, publications } = since ? this.since(channel, since) : { gap: undefined, publications: all.slice(-limit) };
        return { channel, epoch: this.epoch, offset: all.at(-1)?.offset ?? 0, gap, publications: publications.slice(0, limit) };
      }
      case "presence":
        return { channel: body.channel, ...this.presence.get(body.channel) };
      case "refresh":
        return { user: this.userOf(body.token), ...this.refreshed };
      case "rpc":
        return { data: body.data };
    }
  }
}

/** The WebSocket of the browser, as far as the client uses it. */
export class FakeSocket {
  subscribed = new Set();
  closed = false;
  protocol = "";

  constructor(server, url) {
    this.server = server;
    this.url = url;
    server.opened.push(this);
    queueMicrotask(() => (server.up ? this.accept() : undefined));
  }

  accept() {
    if (this.closed) return;
    this.protocol = this.server.subprotocol;
    this.server.sockets.push(this);
    this.onopen({});
  }

  send(text) {
    if (this.closed) return;
    if (!this.protocol) throw new Error("InvalidStateError: still connecting");
    const { id, ...command } = JSON.parse(text);
    const [name, body] = Object.entries(command)[0];
    this.server.log.push([name, body]);
    // Reply and replay in one turn, as Node.js delivers frames that come in one packet.
    queueMicrotask(() => {
      if (this.closed) return;
      const error = this.server.errors.get(name);
      this.server.errors.delete(name);
      const reply = error ? { error } : this.server.carryOut(this, name, body);
      const { after } = this;
      this.after = undefined;
      if (this.server.mute.has(name)) return;
      this.deliver(reply.error ? { id, error: reply.error } : { id, [name]: reply });
      after?.();
    });
  }

  push(channel, push) {
    this.deliver({ channel, ...push });
  }

  deliver(message) {
    if (!this.closed) this.onmessage({ data: JSON.stringify(message) });
  }

  end(code = 1006, reason = "") {
    if (this.closed) return;
    this.close();
    if (code === 1006) this.onerror({});
    this.onclose({ code, reason });
  }

  close() {
    this.closed = true;
    this.server.sockets = this.server.sockets.filter((socket) => socket !== this);
  }
}

/** The locks of a browser: exclusive, held until a promise settles. */
class FakeLocks {
  #queues = new Map();

  request(name, options, run = options) {
    const signal = options === run ? undefined : options.signal;
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      const entry = async () => {
        await run();
        queue.shift();
        queue[0]?.();
        resolve(undefined);
      };
      queue.push(entry);
      signal?.addEventListener("abort", () => {
        const at = queue.indexOf(entry);
        if (at > 0) queue.splice(at, 1);
        reject(new Error("aborted"));
      });
      if (queue.length === 1) entry();
    });
  }

  /** The holder of the lock has ended. */
  break(name) {
    this.#queues.get(name)?.shift();
    this.#queues.get(name)?.[0]?.();
  }

  names() {
    return [...this.#queues].filter(([, queue]) => queue.length).map(([name]) => name);
  }
}

/** A browser with any number of tabs. */
export class World {
  time = 1_800_000_000_000;
  online = true;
  timers = new Set();
  locks = new FakeLocks();
  /** @type {Map<string, {host: Host, env: any}>} the shared workers by name */
  workers = new Map();
  ports = [];
  /** How a shared worker comes to be: "works", "throws", "fails", "silent". */
  sharing = "works";
  server = new FakeServer();

  env() {
    return {
      open: (url) => new FakeSocket(this.server, url),
      random: () => 0.5,
      now: () => this.time,
      after: (run, ms) => {
        const timer = { run, at: this.time + ms };
        this.timers.add(timer);
        return timer;
      },
      cancel: (timer) => this.timers.delete(timer),
      online: () => this.online,
      visible: () => true,
      locks: this.locks,
      share: undefined,
    };
  }

  /** A tab's own surroundings. */
  tabEnv() {
    return {
      ...this.env(),
      events: new EventTarget(),
      share: (name, failed) => {
        if (this.sharing === "throws") throw new Error("SecurityError");
        const [mine, other] = pair();
        for (const port of [mine, other]) {
          const { postMessage } = port;
          port.postMessage = (message) => postMessage(structuredClone(message)); // as between threads
        }
        if (this.sharing === "fails") queueMicrotask(failed);
        if (this.sharing !== "works") return mine;
        this.ports.push(mine, other);
        const env = this.env();
        if (!this.workers.has(name)) this.workers.set(name, { env, host: new Host(env) });
        this.workers.get(name).host.attach(other);
        return mine;
      },
    };
  }

  /** The shared workers die, and say nothing more. */
  kill() {
    for (const port of this.ports) port.postMessage = () => {};
    for (const { env } of this.workers.values()) env.after = () => {};
    for (const socket of this.server.sockets) socket.onmessage = socket.onclose = () => {};
    this.server.end();
    this.workers.clear();
  }

  /** A page that shares with nobody, or one more tab of the browser. */
  open(options = {}) {
    return this.#tab({ share: false, ...options });
  }

  tab(options = {}) {
    return this.#tab(options);
  }

  #tab(options) {
    const env = this.tabEnv();
    const maru = new Maru("http://host/", options, env);
    const states = [];
    maru.addEventListener("state", ({ detail }) => states.push(detail.error ? `${detail.state} ${detail.error.code}` : detail.state));
    return { maru, states, events: env.events, on: (channel, options) => watch(maru.subscribe(channel, options)) };
  }

  /** Moves the clock, running what is due on the way. */
  async pass(ms) {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const next = [...this.timers].filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.run();
      await settle();
    }
    this.time = end;
    await settle();
  }

  /** The machine sleeps: the clock goes on, timers do not; they run late. */
  async sleep(ms) {
    this.time += ms;
    for (const timer of this.timers) timer.at += ms;
    await settle();
  }
}

/** A subscription with all its events, as text. */
export function watch(subscription) {
  const seen = [];
  const on = (type, word) => subscription.addEventListener(type, ({ detail }) => seen.push(word(detail)));
  on("publication", (p) => p.data);
  on("gap", (gap) => (gap.reason === "epoch" ? "gap" : `gap ${gap.from}-${gap.to}`));
  on("unsubscribed", (error) => `over ${error?.code}`);
  const people = [];
  subscription.addEventListener("presence", ({ detail: { users, joined, left, count } }) =>
    people.push([users?.join(" ") ?? `${count}`, ...joined.map((u) => `+${u}`), ...left.map((u) => `-${u}`)].join(" ")),
  );
  return { subscription, seen, people };
}

/** A JWT, as far as a client can tell. */
export const jwt = (claims) => `e30.${btoa(JSON.stringify(claims))}.x`;
