/**
 * Errors, and which of them are worth another attempt (docs/protocol.md §6, §7).
 */

/** An error: programs compare `code`, people read the message. */
export class MaruError extends Error {
  /** @param {{code: string, message?: string, temporary?: boolean}} error */
  constructor({ code, message, temporary = false }) {
    super(message || code);
    this.name = "MaruError";
    this.code = code;
    /** The same call may succeed later. */
    this.temporary = temporary;
  }
}

/** @param {string} [message] */
export const disconnected = (message = "there is no connection") => new MaruError({ code: "disconnected", message, temporary: true });

/** An error as a plain object, which a port can carry. @param {any} error */
export const plain = ({ code = "unavailable", message, temporary = code === "unavailable" }) => ({ code, message, temporary });

/**
 * Reports whether a client should reconnect after this close code.
 *
 * @param {number} code
 */
export const comeBack = (code) => code !== 1008 && !(code >= 4500 && code < 5000);

const passing = new Set(
  "rate_limited slow storage_full unavailable overloaded too_many_connections shutting_down bad_frame internal".split(" "),
);

/**
 * Reports whether a request that failed with this error may be sent again unchanged.
 *
 * @param {{code: string, temporary?: boolean}} error
 */
export const passes = ({ code, temporary }) => temporary || passing.has(code);

/** The longest wait before an attempt to connect, in ms. */
export const LONGEST = 20_000;

/**
 * The wait before the next attempt, in ms: a random time below a bound that doubles
 * ("full jitter"). Clients that lost their connections together do not reconnect together.
 *
 * @param {number} attempt the number of attempts that failed in a row
 * @param {() => number} random
 */
export const backoff = (attempt, random) => random() * Math.min(LONGEST, 500 * 2 ** attempt);
