/**
 * Splits messages of the hall.
 */

const ARROW = " => ";
/** Characters that turn the direction of text: "\u202emik" would be read as "kim". */
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** The maximum length of a nickname, in characters. */
const LONGEST_NAME = 32;

/**
 * Splits `name => message`, the form of messages in the hall. The name of a signed-in
 * user is tried first, because it may contain an arrow. A text before the arrow that is no
 * valid name belongs to the message.
 *
 * @param {string} text
 * @param {string} [user] the sender, as the server has identified them
 * @returns {{name: string, text: string}} name: "" if there is none
 */
export function splitMessage(text, user) {
  if (user && text.startsWith(user + ARROW)) {
    return { name: user, text: text.slice(user.length + ARROW.length) };
  }
  const at = text.indexOf(ARROW);
  const name = text.slice(0, Math.max(at, 0)).replace(TURNS, "").trim();
  if (!name || name.includes("\n") || [...name].length > LONGEST_NAME) return { name: "", text };
  return { name, text: text.slice(at + ARROW.length) };
}
