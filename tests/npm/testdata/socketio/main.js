// A page of React with socket.io-client. The address has the server: ?maru=http://…
import { createElement, StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { io } from "socket.io-client";

const url = new URLSearchParams(location.search).get("maru");
globalThis.mounts = 0;
globalThis.received = []; // by all sockets, also by those that should be closed

function Chat() {
  const [texts, setTexts] = useState([]);
  useEffect(() => {
    mounts++;
    const socket = globalThis.socket = io(url);
    socket.on("connect", () => socket.emit("subscribe", "chat", () => { globalThis.subscribed = socket.id; }));
    socket.on("message", (channel, text) => {
      received.push(text);
      setTexts((all) => [...all, text]);
    });
    return () => socket.close();
  }, []);
  return texts.map((text) => createElement("li", { key: text }, text));
}

createRoot(document.querySelector("ul")).render(createElement(StrictMode, null, createElement(Chat)));
