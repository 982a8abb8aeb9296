// A log view that draws only the lines in sight, however many there are; what is older than the newest 200,000 is let go.

import { count, h, put, stream } from "./dom.js";

const KEPT = 200000, HIGH = 18, WRAPPED = 1000;

export class LogView {
  // Names of containers are shown without that of their project.
  constructor(ids, project) {
    this.ids = ids; this.prefix = `${project}-`; this.lines = []; this.wrap = false; this.stick = true; this.skipped = 0; this.planned = false;
    this.window = h("div", { class: "window" });
    this.pad = h("div", { class: "pad" }, this.window);
    this.log = h("div", { class: "log", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Log lines" }, this.pad);
    this.note = h("span", { class: "quiet", role: "status" });
    this.query = h("input", { type: "search", "aria-label": "Search in logs", placeholder: "search", maxlength: "200" });
    this.regex = this.toggle("regular expression", () => this.open());
    this.level = h("select", { "aria-label": "Level", onchange: () => this.open() }, [["", "all levels"], ["error", "errors"], ["error,warning", "errors and warnings"], ["info", "info"], ["debug", "debug"]].map(([value, text]) => h("option", { value }, text)));
    this.since = h("select", { "aria-label": "Since", onchange: () => this.open() }, [["", "any time"], ["300", "last 5 minutes"], ["3600", "last hour"], ["86400", "last day"]].map(([value, text]) => h("option", { value }, text)));
    this.query.addEventListener("change", () => this.open());
    const following = this.toggle("follow", () => { this.stick = following.getAttribute("aria-pressed") === "true"; this.plan(); }, true);
    this.following = following;
    const wrapping = this.toggle("wrap", () => { this.wrap = wrapping.getAttribute("aria-pressed") === "true"; this.log.classList.toggle("wrap", this.wrap); this.plan(); });
    this.element = h("div", null, h("div", { class: "bar" }, this.query, this.regex, this.level, this.since, following, wrapping, this.note), this.log);
    this.log.addEventListener("scroll", () => {
      const low = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 2 * HIGH;
      if (low !== this.stick && !this.drawing) { this.stick = low; following.setAttribute("aria-pressed", String(low)); }
      this.plan();
    });
    this.open();
  }

  toggle(name, changed, on = false) {
    const button = h("button", { type: "button", "aria-pressed": String(on) }, name);
    button.addEventListener("click", () => { button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true")); changed(); });
    return button;
  }

  follow(ids) { if (ids.join() !== this.ids.join()) { this.ids = ids; this.open(); } }

  open() {
    this.close();
    this.lines = []; this.skipped = 0;
    this.note.textContent = "reading…";
    const parameters = { id: this.ids, q: this.query.value, regex: this.regex.getAttribute("aria-pressed") === "true" ? "1" : "0", levels: this.level.value };
    if (this.since.value) parameters.since = String(Math.floor(Date.now() / 1000) - Number(this.since.value));
    const own = this.socket = stream("/logs", parameters);
    own.onopen = () => { if (own === this.socket && !this.lines.length) this.note.textContent = "0 lines so far"; };
    own.onmessage = (message) => {
      if (own !== this.socket) return;
      const frame = JSON.parse(message.data);
      if (frame.error) { this.note.textContent = frame.error; return; }
      if (frame.skipped) { this.skipped += frame.skipped; this.lines.push(["", "", 0, "note", `… ${frame.skipped} lines were faster than anybody reads; search finds them`, this.lines.length ? this.lines[this.lines.length - 1][5] : ""]); }
      this.merge(frame.lines);
      if (this.lines.length > KEPT * 1.1) this.lines = this.lines.slice(-KEPT);
      this.note.textContent = `${count(this.lines.length, "line")}${frame.end ? ", complete" : ""}`;
      this.plan();
    };
    this.plan();
  }

  // Containers are read side by side, so a frame may hold lines that belong before some of the last. The sixth member of a line
  // is what it is ordered by: its time, or that of the line before it.
  merge(fresh) {
    const { lines } = this;
    let before = lines.length ? lines[lines.length - 1][5] || "" : "", low = null, ordered = true;
    for (const one of fresh) {
      one[5] = one[0] ? one[0].replace(/Z$/, "") : before;
      if (one[5] < before) ordered = false;
      if (low === null || one[5] < low) low = one[5];
      before = one[5];
    }
    let from = lines.length;
    if (!ordered) {
      while (from > 0 && (lines[from - 1][5] || "") > low) from -= 1;
      fresh = lines.splice(from).concat(fresh).sort((one, other) => (one[5] < other[5] ? -1 : one[5] > other[5] ? 1 : 0));
    }
    for (const one of fresh) lines.push(one);
  }

  plan() {
    if (this.planned) return;
    this.planned = true;
    requestAnimationFrame(() => { this.planned = false; this.draw(); });
  }

  draw() {
    this.drawing = true;
    if (this.wrap) {
      put(this.window, this.lines.slice(-WRAPPED).map((one) => this.line(one)));
      this.pad.style.height = this.window.style.transform = "";
    } else {
      this.pad.style.height = `${this.lines.length * HIGH}px`;
      if (this.stick) this.log.scrollTop = this.log.scrollHeight;
      const first = Math.max(0, Math.floor(this.log.scrollTop / HIGH) - 10);
      const count = Math.ceil(this.log.clientHeight / HIGH) + 20;
      this.window.replaceChildren(...this.lines.slice(first, first + count).map((one) => this.line(one)));
      this.window.style.transform = `translateY(${first * HIGH}px)`;
    }
    if (this.stick) this.log.scrollTop = this.log.scrollHeight;
    requestAnimationFrame(() => { this.drawing = false; });
  }

  line([at, source, , level, text]) {
    const time = at ? new Date(at) : null;
    return h("div", { class: `line ${level}` }, time && h("time", null, `${time.toLocaleTimeString()} `), this.ids.length > 1 && source && h("span", { class: "from" }, `${source.startsWith(this.prefix) ? source.slice(this.prefix.length) : source} `), text);
  }

  close() { if (this.socket) { const own = this.socket; this.socket = null; own.close(); } }
}
