/**
 * Everything that a program may rely on. Fields and error codes have the names of
 * docs/protocol.md. These types need no other library: not that of the DOM, not Node's.
 */

export type State = "connecting" | "open" | "waiting" | "closed";

/** A place in the history of a channel. Offsets rise, but are not consecutive. */
export interface Position {
  epoch: string;
  offset: number;
}

export interface Publication<Data = any> {
  /** Undefined for a transient publication, which is not in the history. */
  offset?: number;
  kind: "text" | "json" | "binary";
  /** A string for text, a value for json, a Uint8Array for binary. */
  data: Data;
  key?: string;
  /** The event that the publisher has named. */
  event?: string;
  /** RFC 3339. */
  time: string;
  /** The user who published it, as the server has identified them. */
  user?: string;
  /** True: it comes from the history. */
  replay?: boolean;
}

/** Missing publications: "expired" is the range `from` to `to`; with "epoch" the range is unknown. */
export interface Gap {
  reason: "expired" | "epoch";
  from?: number;
  to?: number;
}

/** The users in a channel. `users` is undefined if there are more than the server lists (200); the counts are exact. */
export interface Presence {
  version: number;
  count: number;
  anonymous: number;
  users?: string[];
  /** The users who joined with this change. */
  joined: string[];
  /** The users who left with this change. */
  left: string[];
}

export interface Subscribed extends Position {
  /** How many publications of the history follow. */
  replay: number;
  /** True: the subscription continues from an earlier position. */
  recovered: boolean;
  gap?: Gap;
}

/** An error of the server or of this client. */
export class MaruError extends Error {
  constructor(error: { code: string; message?: string; temporary?: boolean });
  /** A code of docs/protocol.md §7, or `disconnected` or `timeout` of this client. */
  readonly code: string;
  /** The same call may succeed later. */
  readonly temporary: boolean;
}

/** The part of a WebSocket class that the client uses. Those of Node.js 22 and of the package ws have it. */
export type WebSocketClass = new (url: string, protocol: string) => any;

export interface Options {
  /**
   * Gets a token. Called before the first connection, before a token expires, and when
   * the server reports that the token has expired or is not valid, or that the client's
   * rights have changed. Tabs share a connection if their tokens are JWTs that differ only
   * in times and id.
   */
  token?: () => Promise<string | undefined> | string | undefined;
  /** Runs before each attempt to connect, for example to sign in again. If it fails, the attempt fails. */
  prepare?: () => Promise<void>;
  /** Whether tabs share one connection. Default true. */
  share?: boolean;
  /** How long a command may wait for a connection and its reply, in ms. Default 30,000. */
  timeout?: number;
  /** For Node.js before 22, which has no WebSocket: the class of the package ws. */
  WebSocket?: WebSocketClass;
}

export interface SubscribeOptions {
  /** Start after this position. */
  since?: Position | string;
  /** Start with this number of the newest publications, 1 to 1,000. Ignored if `since` is given. */
  last?: number;
  /** "all" (default): every publication. "latest": the newest of each key, if they arrive faster than the connection takes them. */
  deliver?: "all" | "latest";
  /** At most this number of publications per second and key, always including the newest one. Implies "latest". */
  maxHz?: number;
  /** Follow the presence of the channel. */
  presence?: boolean;
  /** A token for this channel, if the rules require one. A function gets a new token each time. */
  token?: string | (() => Promise<string> | string);
}

export interface PublishOptions {
  key?: string;
  /** The name of the event that Socket.IO clients and event streams get. Default: "message". */
  event?: string;
  /** Default: text for a string, json for anything else. Bytes are always binary. */
  kind?: "text" | "json" | "binary";
  /** Default: a unique key, so that it is safe to send the publication again after a lost connection. */
  idempotencyKey?: string;
  /** Publish only if this is above the highest version in the channel. */
  version?: number;
  /** Deliver to current subscribers only: not retained, never sent again, an error without a connection. */
  transient?: boolean;
  /** In ms. Default: that of the client. */
  timeout?: number;
}

export interface HistoryOptions {
  /** Read forwards, from after this position. Without `since` and `before`: the newest. */
  since?: Position | string;
  /** Read backwards: the newest publications before this position. Not together with `since`. */
  before?: Position | string;
  /** 1 to 1,000. Default 100. */
  limit?: number;
  /** In ms. Default: that of the client. */
  timeout?: number;
}

export interface Published extends Partial<Position> {
  channel: string;
  /** True: an earlier attempt with the same idempotency key has published it. */
  replayed?: boolean;
  /** True: not published, because its version is not above that of the channel. */
  stale?: boolean;
}

export interface History extends Position {
  channel: string;
  publications: Publication[];
  gap?: Gap;
}

export interface PresenceReply {
  channel: string;
  version: number;
  count: number;
  anonymous: number;
  users?: { user: string; connections: number }[];
}

/** What a loop over a subscription yields: a publication, or a gap. */
export type Item = (Publication & { gap?: undefined }) | { gap: Gap; data?: undefined; kind?: undefined };

/** A CustomEvent where the program's types have one, else the part of it that matters. */
export type DetailEvent<Detail> = typeof globalThis extends { CustomEvent: { prototype: infer E } }
  ? Omit<E, "detail"> & { readonly detail: Detail }
  : { readonly type: string; readonly detail: Detail };

export interface SubscriptionEvents {
  publication: DetailEvent<Publication>;
  gap: DetailEvent<Gap>;
  presence: DetailEvent<Presence>;
  subscribed: DetailEvent<Subscribed>;
  /** The subscription has ended: with an error by the server, without one by the program. */
  unsubscribed: DetailEvent<MaruError | undefined>;
  /** A temporary error. The client tries again. */
  error: DetailEvent<MaruError>;
}

export interface MaruEvents {
  state: DetailEvent<{ state: State; user?: string; error?: MaruError }>;
  error: DetailEvent<MaruError>;
}

type Handler<E> = ((event: E) => void) | { handleEvent(event: E): void } | null;
type AnyEvent = { readonly type: string };
type ListenerOptions = boolean | { capture?: boolean; once?: boolean; passive?: boolean; signal?: any };

/** An EventTarget whose events have types. */
export interface Target<Events> {
  addEventListener<K extends keyof Events>(type: K, handler: Handler<Events[K]>, options?: ListenerOptions): void;
  addEventListener(type: string, handler: Handler<AnyEvent>, options?: ListenerOptions): void;
  removeEventListener<K extends keyof Events>(type: K, handler: Handler<Events[K]>, options?: ListenerOptions): void;
  removeEventListener(type: string, handler: Handler<AnyEvent>, options?: ListenerOptions): void;
  dispatchEvent(event: any): boolean;
}

declare const SubscriptionTarget: new () => Target<SubscriptionEvents>;
declare const MaruTarget: new () => Target<MaruEvents>;

/** A subscription of this tab to one channel. */
export class Subscription extends SubscriptionTarget {
  private constructor();
  readonly channel: string;
  readonly options: SubscribeOptions;
  readonly state: "pending" | "subscribed" | "ended";
  /**
   * The position after the last publication received. Before "publication" has a listener it does not move:
   * the first listener gets everything since then, however late it comes.
   */
  readonly position: Position | undefined;
  /** The users in the channel, with the option `presence`. */
  readonly presence: Presence | undefined;
  /** Ends the subscription. No events follow but "unsubscribed". */
  unsubscribe(): void;
  /**
   * Yields publications and gaps. Ends with the subscription, and throws its error if it has one. Leaving the
   * loop in any way ends the subscription. Fails with `slow` if 10,000 items wait for the loop.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Item, void, void>;
}

/** A connection to a server. It connects at once, and reconnects by itself. */
export class Maru extends MaruTarget {
  /**
   * @param url The server: http, https, ws or wss, with the path under which it is mounted.
   * Default: the root of the page's origin. Outside of browsers there is no default. Throws a TypeError if it is
   * no URL. If no WebSocket can be made for it, the client is closed, with the reason as its error.
   */
  constructor(url?: string | { readonly href: string }, options?: Options);
  readonly state: State;
  /** The user that the server has identified. Undefined: anonymous. */
  readonly user: string | undefined;
  /** Why the client is waiting or closed. */
  readonly error: MaruError | undefined;

  /** Any number of channels, at any time. Throws a TypeError for options that JSON cannot carry. */
  subscribe(channel: string, options?: SubscribeOptions): Subscription;
  /**
   * Resolves when the server has stored the publication. Without a connection it waits, up to the timeout.
   * A typed array, a DataView or an ArrayBuffer is sent as its bytes, anything else but a string as JSON, in the
   * state that it has at the time of the call. What JSON cannot carry (undefined, a function, a BigInt, a cycle)
   * rejects at once, with a TypeError or what its toJSON throws, and has no effect on other calls.
   * Half a surrogate pair in channel, key or text is an error of the server.
   */
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<Published>;
  history(channel: string, options?: HistoryOptions): Promise<History>;
  presence(channel: string, options?: { timeout?: number }): Promise<PresenceReply>;
  /** Calls a method of the program behind the server. It is never sent twice. */
  rpc(method: string, data?: unknown, options?: { timeout?: number }): Promise<any>;

  /** Connects again after close() or a final error; while waiting, connects now. */
  connect(): void;
  /** Opens the connection again with a new token and the current cookies, for example after signing in. */
  reconnect(): Promise<void>;
  /** Closes the connection. Subscriptions continue from their positions after connect(). */
  close(): void;
}
