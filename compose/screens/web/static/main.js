// The page: one subscription, one place, and the view that the address names.

import { ask, h, put, stream } from "./dom.js";
import { Builds } from "./builds.js";
import { EngineView, projects, images, volumes, networks, events } from "./engine.js";
import { Project } from "./project.js";
import { Service } from "./service.js";

const main = document.getElementById("main");
const state = { events: [], usage: {}, projects: null, about: null, leases: [], building: [] };
let view = null, socket = null, wait = 250, shown = null;

class Simple {
  constructor(draw) { this.draw = draw; }
  update() { put(main, this.draw(state)); }
  close() {}
}

function parts() { return location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent); }

function open() {
  const [first, name, second, service] = parts();
  const project = first === "p" ? name : "";
  if (view) view.close();
  // A dialog is of the page that it was opened on; what it runs goes on.
  document.getElementById("action").close();
  delete state.project;
  delete state.held;
  delete state.builds;
  main.replaceChildren(h("p", { class: "quiet" }, "Reading from the engine…"));
  if (first === "p" && second === "s") view = new Service(main, state, name, service);
  else if (first === "p") view = new Project(main, state, name);
  else if (first === "builds") view = new Builds(main, state);
  else if (first === "engine") view = new EngineView(main, state);
  else view = new Simple({ images, volumes, networks, events }[first] || projects);
  document.title = `${[service, name].filter(Boolean).join(" · ") || "pycompose"}${name ? " · pycompose" : ""}`;
  for (const one of document.querySelectorAll("nav a")) {
    if (one.getAttribute("href") === (location.hash || "#/")) one.setAttribute("aria-current", "page"); else one.removeAttribute("aria-current");
  }
  subscribe(project, first === "builds");
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
}

function subscribe(project, builds) {
  if (socket) { socket.onclose = null; socket.close(); }
  const own = socket = stream("/live", { project, builds: builds ? "1" : "0" });
  own.onmessage = (message) => {
    wait = 250;
    const frame = JSON.parse(message.data);
    if (frame.events) {
      const last = state.events.length ? state.events[state.events.length - 1].number : 0;
      const fresh = frame.events.filter((one) => one.number > last || frame.engine);
      state.events = (frame.engine ? frame.events : state.events.concat(fresh)).slice(-500);
      delete frame.events;
    }
    if (frame.usage && !frame.engine) frame.usage = { ...state.usage, ...frame.usage };
    Object.assign(state, frame);
    draw();
  };
  own.onclose = () => {
    say("The server of this page is gone. It is tried again.", true);
    setTimeout(() => { if (socket === own) subscribe(project, builds); }, wait);
    wait = Math.min(wait * 2, 5000);
  };
}

function say(text, bad) {
  const place = document.getElementById("engine");
  if (shown === text) return;
  shown = text;
  place.textContent = text;
  place.className = bad ? "bad" : "";
}

function draw() {
  const engine = state.engine;
  if (engine) say(engine.connected ? `${engine.name} · ${engine.own ? "pycompose" : "Docker"} ${engine.version} · ${engine.processors} processors${state.about && state.about.read_only ? " · this page only shows" : ""}`
    : engine.trouble ? `The engine is away: ${engine.trouble}. What you see is old.` : "Connecting to the engine…", !engine.connected && engine.trouble);
  if (state.projects && state.about) view.update();
}

window.addEventListener("hashchange", open);
// The part of the address behind # names the view, so this link must not change it.
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
window.addEventListener("redraw", draw);
window.addEventListener("acted", () => { if (view && view.acted) view.acted(); });
ask("/about").then((about) => { state.about = about; draw(); });
open();
