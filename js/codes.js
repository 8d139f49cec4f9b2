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

/** A temporary error. @param {string} code @param {string} [message] */
export const passing = (code, message) => new MaruError({ code, message, temporary: true });

export const disconnected = () => passing("disconnected", "no connection");

/** Anything that was thrown as a plain object, which a port can carry. @param {any} error */
export const plain = (error) => {
  const { code = "unavailable", message = String(error), temporary = code === "unavailable" } = Object(error);
  return { code, message, temporary };
};

/**
 * Reports whether a client should reconnect after this close code.
 *
 * @param {number} code
 */
export const comeBack = (code) => code !== 1008 && !(code >= 4500 && code < 5000);

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
