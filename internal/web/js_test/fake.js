/**
 * A server, its clock and its network, all within the test: what happens,
 * happens when the test says so.
 */
import { Connection } from "../assets/connection.js";

/** Lets everything that waits for a promise go on. */
export const settle = () => new Promise((done) => setImmediate(done));

export function answer(status, body) {
  return { ok: status < 400, status, json: async () => body };
}

/** One channel with a bounded history, as docs/contract.md §4 has it. */
export class FakeChannel {
  epoch = "one";
  head = 0;
  keep = Infinity;
  publications = [];
  sockets = [];
  requests = [];
  /** What the next requests for the history answer instead, one each. */
  trouble = [];

  publish(data, extra = {}) {
    const publication = { offset: (this.head += 3), kind: "text", data, time: "2026-01-01T00:00:00Z", ...extra };
    this.publications.push(publication);
    while (this.publications.length > this.keep) this.publications.shift();
    for (const socket of this.sockets) socket.deliver(publication);
  }

  restart(epoch) {
    this.epoch = epoch;
    this.head = 0;
    this.publications = [];
    for (const socket of this.sockets.splice(0)) socket.end(1001);
  }

  since(position) {
    const [epoch, digits] = position.split(":");
    const offset = Number(digits);
    if (epoch !== this.epoch || offset > this.head) return { gap: { reason: "epoch" }, publications: this.publications };
    const publications = this.publications.filter((p) => p.offset > offset);
    const missing = (publications[0]?.offset ?? this.head + 3) - 3;
    const gap = offset < missing ? { reason: "expired", from: offset + 1, to: missing } : undefined;
    return { gap, publications };
  }

  async fetch(url) {
    this.requests.push(url);
    const trouble = this.trouble.shift();
    if (trouble instanceof Error) throw trouble;
    if (trouble) return trouble;
    const query = new URL(url).searchParams;
    const limit = Number(query.get("limit"));
    const since = query.get("since");
    const { gap, publications } = since ? this.since(since) : { gap: undefined, publications: this.publications };
    return answer(200, {
      channel: "hall",
      epoch: this.epoch,
      offset: this.head,
      publications: since ? publications.slice(0, limit) : publications.slice(-limit),
      gap,
    });
  }
}

/** The WebSocket of the browser, as far as Connection uses it. */
export class FakeSocket {
  sent = [];
  closed = false;

  constructor(channel, url) {
    this.channel = channel;
    this.url = url;
  }

  /** The handshake succeeds: what came since is replayed, or the position is gone. */
  accept() {
    this.onopen({});
    const { gap, publications } = this.channel.since(new URL(this.url).searchParams.get("since"));
    if (gap) return this.end(4410, "gap");
    for (const publication of publications) this.deliver(publication);
    this.channel.sockets.push(this);
  }

  deliver(publication) {
    this.onmessage({ data: JSON.stringify(publication) });
  }

  end(code, reason = "") {
    this.channel.sockets = this.channel.sockets.filter((socket) => socket !== this);
    this.onclose({ code, reason });
  }

  send(text) {
    this.sent.push(text);
  }

  close() {
    this.closed = true;
  }
}

/** A connection to the channel, with everything it told. */
export function watch(channel, handlers = {}, options = {}) {
  const seen = [];
  const states = [];
  const timers = new Set();
  const opened = [];
  const clock = { time: 0 };
  const env = {
    fetch: (url) => channel.fetch(url),
    open(url) {
      const socket = new FakeSocket(channel, url);
      opened.push(socket);
      return socket;
    },
    random: () => 0.5,
    now: () => clock.time,
    after(run, milliseconds) {
      const timer = { run, at: clock.time + milliseconds };
      timers.add(timer);
      return timer;
    },
    cancel: (timer) => timers.delete(timer),
  };
  const connection = new Connection(
    "http://host/channels/hall",
    {
      onState: (state, reason) => states.push(reason ? `${state} ${reason}` : state),
      onPublication: (publication, first) => seen.push(first ? `(${publication.data})` : publication.data),
      onGap: (gap) => seen.push(gap.reason === "epoch" ? "gap" : `gap ${gap.from}-${gap.to}`),
      onLost: (text) => seen.push(`lost ${text}`),
      ...handlers,
    },
    { env, ...options },
  );
  return {
    connection,
    seen,
    states,
    opened,
    timers,
    socket: () => opened.at(-1),
    /** Moves the clock, running what is due on the way. */
    async pass(milliseconds) {
      const end = clock.time + milliseconds;
      for (;;) {
        const next = [...timers].filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers.delete(next);
        clock.time = next.at;
        next.run();
        await settle();
      }
      clock.time = end;
    },
    async live() {
      connection.connect();
      await settle();
      opened.at(-1).accept();
    },
  };
}
