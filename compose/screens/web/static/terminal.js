// A terminal whose screen the server keeps: rows of text come, keys go. Ctrl-] leaves it for the page's own keys.

import { h, stream } from "./dom.js";

const KEYS = { Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", ArrowUp: "\x1b[A", ArrowDown: "\x1b[B", ArrowRight: "\x1b[C", ArrowLeft: "\x1b[D", Home: "\x1b[H", End: "\x1b[F", Delete: "\x1b[3~", PageUp: "\x1b[5~", PageDown: "\x1b[6~" };

export class Terminal {
  constructor(container, readOnly) {
    this.rows = [];
    this.note = h("p", { class: "quiet", role: "status" }, readOnly ? "This page only shows (--read-only)." : "Opening a shell…");
    this.screen = h("div", { class: "terminal", tabindex: "0", role: "textbox", "aria-multiline": "true", "aria-label": "Terminal" });
    this.element = h("div", null, this.note, this.screen);
    if (readOnly) return;
    this.screen.addEventListener("keydown", (event) => this.key(event));
    this.screen.addEventListener("paste", (event) => { event.preventDefault(); this.send({ keys: event.clipboardData.getData("text") }); });
    this.resizer = new ResizeObserver(() => this.fit(container));
    this.resizer.observe(this.screen);
  }

  measure() {
    const probe = h("span", null, "M".repeat(40));
    const line = h("div", null, probe);
    this.screen.append(line);
    const wide = probe.getBoundingClientRect().width / 40;
    line.remove();
    return { columns: Math.max(20, Math.min(400, Math.floor((this.screen.clientWidth - 14) / (wide || 8)))), rows: Math.max(5, Math.min(200, Math.floor((this.screen.clientHeight - 12) / 18))) };
  }

  fit(container) {
    if (!this.screen.clientWidth) return;
    const found = this.measure();
    if (!this.socket) this.connect(container, found);
    else if (this.size.rows !== found.rows || this.size.columns !== found.columns) this.send(found);
    this.size = found;
  }

  connect(container, found) {
    this.socket = stream("/console", { id: container, ...found });
    this.socket.onopen = () => { this.note.textContent = "Ctrl-] leaves the terminal."; this.screen.focus(); };
    this.socket.onmessage = (message) => this.show(JSON.parse(message.data));
    this.socket.onclose = () => { if (!this.ended) this.note.textContent = "The terminal was closed."; };
  }

  show(frame) {
    if (frame.error) { this.note.textContent = frame.error; this.ended = true; return; }
    if (frame.end) { this.note.textContent = "The shell has ended."; this.ended = true; return; }
    while (this.screen.children.length > frame.lines) this.screen.lastChild.remove();
    while (this.screen.children.length < frame.lines) this.screen.append(h("div", null));
    for (const [row, runs] of Object.entries(frame.rows)) {
      const line = this.screen.children[Number(row)];
      if (line) line.replaceChildren(...runs.map(([text, look]) => (look ? h("span", { class: look }, text) : document.createTextNode(text))));
    }
    for (const one of this.screen.querySelectorAll(".here")) one.classList.remove("here", "cursor");
    if (frame.cursor && this.screen.children[frame.cursor[0]]) this.screen.children[frame.cursor[0]].classList.add("here");
  }

  key(event) {
    if (event.ctrlKey && event.key === "]") { event.preventDefault(); this.note.setAttribute("tabindex", "-1"); this.note.focus(); return; }
    let keys = KEYS[event.key];
    if (event.ctrlKey && !event.altKey && /^[a-z[\\_^@]$/i.test(event.key)) {
      if (event.key === "v" || (event.key === "c" && String(getSelection()))) return;
      keys = String.fromCharCode(event.key.toUpperCase().charCodeAt(0) & 31);
    } else if (!keys && event.key.length === 1 && !event.metaKey) keys = (event.altKey ? "\x1b" : "") + event.key;
    if (keys === undefined) return;
    event.preventDefault();
    this.send({ keys });
  }

  send(what) { if (this.socket && this.socket.readyState === 1) this.socket.send(JSON.stringify(what)); }

  close() { if (this.resizer) this.resizer.disconnect(); if (this.socket) { this.ended = true; this.socket.close(); } }
}
