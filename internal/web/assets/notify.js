/**
 * Notifications of the system about new messages, for users who ask for them.
 */
import { channel, find, say, storage } from "./page.js";
import { looking } from "./unread.js";

const KEY = "maru.notify";
/** The maximum length of the text in a notification, in characters. */
const LONGEST = 200;

/**
 * @returns {(title: string, text: string) => void} shows a notification if the user wants it and does not look
 */
export function notifications() {
  const button = find("notify");
  // Without HTTPS there are none, and on some phones only for installed pages.
  if (!("Notification" in globalThis) || !isSecureContext || Notification.permission === "denied") return () => {};
  let wanted = Notification.permission === "granted" && storage(() => localStorage.getItem(KEY)) === "on";
  const show = () => {
    button.ariaPressed = String(wanted);
    button.textContent = say(wanted ? "notifyOff" : "notifyOn");
  };
  button.hidden = false;
  show();
  button.addEventListener("click", async () => {
    wanted = !wanted && (await Notification.requestPermission()) === "granted";
    storage(() => localStorage.setItem(KEY, wanted ? "on" : "off"));
    show();
  });
  return (title, text) => {
    if (!wanted || looking()) return;
    try {
      const note = new Notification(title, { body: [...text].slice(0, LONGEST).join(""), tag: `maru.${channel}` });
      note.onclick = () => {
        focus();
        note.close();
      };
    } catch {
      button.hidden = true; // this browser has them for service workers only
    }
  };
}
