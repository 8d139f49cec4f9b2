/**
 * Everything that a program may rely on. The names of fields and error codes are those
 * of docs/protocol.md.
 */

export type State = "connecting" | "open" | "waiting" | "closed";

/** A place in a channel's history. Offsets rise and are not consecutive. */
export interface Position {
  epoch: string;
  offset: number;
}

export interface Publication<Data = any> {
  /** Not there for a transient publication, which has no place in the history. */
  offset?: number;
  kind: "text" | "json" | "binary";
  /** A string for text, a value for json, a Uint8Array for binary. */
  data: Data;
  key?: string;
  /** RFC 3339. */
  time: string;
  /** Who sent it, by the server's word. */
  user?: string;
  /** It came from the history. */
  replay?: boolean;
}

/** What is missing: with "expired" all from `from` to `to`; with "epoch" nobody knows how much. */
export interface Gap {
  reason: "expired" | "epoch";
  from?: number;
  to?: number;
}

/** Who is in a channel. Above a number of people (200) there are no users, only counts. */
export interface Presence {
  version: number;
  count: number;
  anonymous: number;
  users?: string[];
  /** Who came and went with this change. */
  joined: string[];
  left: string[];
}

export interface Subscribed extends Position {
  /** How many publications follow from the history. */
  replay: number;
  /** It goes on from an earlier position. */
  recovered: boolean;
  gap?: Gap;
}

/** An error of the server's, or of this client: disconnected, timeout. */
export class MaruError extends Error {
  constructor(error: { code: string; message?: string; temporary?: boolean });
  /** One of docs/protocol.md §7, `disconnected` or `timeout`. */
  readonly code: string;
  /** The same may succeed later. */
  readonly temporary: boolean;
}

export interface Options {
  /**
   * Gets a token. It is asked for before the first connection, in time before a token
   * expires, and when the server says that it has expired or is not valid. Tabs
   * share a connection if their tokens are JWTs that differ in nothing but times and id.
   */
  token?: () => Promise<string | undefined> | string | undefined;
  /** Runs before each attempt to connect, to sign in again for instance. If it fails, so does the attempt. */
  prepare?: () => Promise<void>;
  /** Whether tabs share one connection. Default true. */
  share?: boolean;
  /** How long a command may wait for a connection and its answer, in ms. Default 30,000. */
  timeout?: number;
  /** For Node.js before 22, which has none: that of the package ws. */
  WebSocket?: new (url: string, protocol: string) => any;
}

export interface SubscribeOptions {
  /** Begin after this position. */
  since?: Position | string;
  /** Begin with the newest so many, 1 to 1,000. `since` wins. */
  last?: number;
  /** "all" (default): every publication. "latest": if it comes too fast, the newest of each key. */
  deliver?: "all" | "latest";
  /** At most so many a second for each key, the last one always; it implies "latest". */
  maxHz?: number;
  /** Tell who is here. */
  presence?: boolean;
  /** A token for this channel, where the rules want one; as a function, a new one each time. */
  token?: string | (() => Promise<string> | string);
}

export interface PublishOptions {
  key?: string;
  /** Default: a string is text, a Uint8Array binary, anything else json. */
  kind?: "text" | "json" | "binary";
  /** Default: one that nothing else has, so that repeating after a drop is safe. */
  idempotencyKey?: string;
  /** Publish only if it is above the channel's highest version. */
  version?: number;
  /** For those who are there; not retained, never repeated, and an error while there is no connection. */
  transient?: boolean;
  timeout?: number;
}

export interface HistoryOptions {
  since?: Position | string;
  /** 1 to 1,000, default 100. */
  limit?: number;
  timeout?: number;
}

export interface Published extends Partial<Position> {
  channel: string;
  /** It had been published before, by an earlier try. */
  replayed?: boolean;
  /** Its version is not above the channel's; it was not published. */
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

/** What a loop over a subscription gets. */
export type Item = (Publication & { gap?: undefined }) | { gap: Gap; data?: undefined; kind?: undefined };

export interface SubscriptionEvents {
  publication: CustomEvent<Publication>;
  gap: CustomEvent<Gap>;
  presence: CustomEvent<Presence>;
  subscribed: CustomEvent<Subscribed>;
  /** It is over. Without an error the program itself ended it. */
  unsubscribed: CustomEvent<MaruError | undefined>;
  /** It will be tried again. */
  error: CustomEvent<MaruError>;
}

export interface MaruEvents {
  state: CustomEvent<{ state: State; user?: string; error?: MaruError }>;
  error: CustomEvent<MaruError>;
}

type Handler<E> = ((event: E) => void) | { handleEvent(event: E): void } | null;

export interface Target<Events> extends EventTarget {
  addEventListener<K extends keyof Events>(type: K, handler: Handler<Events[K]>, options?: AddEventListenerOptions | boolean): void;
  addEventListener(type: string, handler: EventListenerOrEventListenerObject | null, options?: AddEventListenerOptions | boolean): void;
  removeEventListener<K extends keyof Events>(type: K, handler: Handler<Events[K]>, options?: EventListenerOptions | boolean): void;
  removeEventListener(type: string, handler: EventListenerOrEventListenerObject | null, options?: EventListenerOptions | boolean): void;
}

declare const SubscriptionTarget: new () => Target<SubscriptionEvents>;
declare const MaruTarget: new () => Target<MaruEvents>;

/** One channel, as this tab hears it. */
export class Subscription extends SubscriptionTarget {
  private constructor();
  readonly channel: string;
  readonly options: SubscribeOptions;
  readonly state: "pending" | "subscribed" | "ended";
  /** After the last publication that came. */
  readonly position: Position | undefined;
  /** Who is here, if that was asked for. */
  readonly presence: Presence | undefined;
  /** Ends it: nothing comes any more. */
  unsubscribe(): void;
  /** Publications, and gaps where they are. Ends with the subscription, by its error if it has one. */
  [Symbol.asyncIterator](): AsyncGenerator<Item, void, void>;}

/** A connection to a server. It is opened at once, and comes back by itself. */
export class Maru extends MaruTarget {
  /** @param url Default: the server that the page came from. http, https, ws or wss. */
  constructor(url?: string | URL, options?: Options);
  readonly state: State;
  /** Who the server says this is; undefined: anonymous. */
  readonly user: string | undefined;
  /** Why it waits or is closed. */
  readonly error: MaruError | undefined;

  subscribe(channel: string, options?: SubscribeOptions): Subscription;
  /** Resolves when the publication has its place in the channel. While there is no connection it waits, up to the timeout. */
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<Published>;
  history(channel: string, options?: HistoryOptions): Promise<History>;
  presence(channel: string, options?: { timeout?: number }): Promise<PresenceReply>;
  /** Asks the program that embeds the server. It is never repeated. */
  rpc(method: string, data?: unknown, options?: { timeout?: number }): Promise<any>;

  /** Begins again after close, or after the server has refused; while it waits, tries at once. */
  connect(): void;
  /** For another person: gets a new token, and opens the connection anew, with the cookies of now. */
  reconnect(): Promise<void>;
  /** Lets go. Subscriptions rest, and go on from their positions after connect. */
  close(): void;
}
