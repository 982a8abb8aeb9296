// Search runs in a Worker, and browsers start none for a page that was opened as a file. There the worker's script runs in a
// hidden frame instead, which has the same origin as the page and the same two-way messages.
if (location.protocol === "file:") {
  window.Worker = class FileWorker extends EventTarget {
    onmessage = null;
    onerror = null;

    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const inner = frame.contentWindow;
      inner.postMessage = (data) => {
        const event = new MessageEvent("message", { data });
        this.dispatchEvent(event);
        this.onmessage?.(event);
      };
      inner.importScripts = (...urls) => urls.reduce((before, one) => before.then(() => load(inner.document, one)), Promise.resolve());
      this.frame = frame;
      this.ready = load(inner.document, url);
      this.ready.catch((error) => this.onerror?.(error));
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}

function load(page, url) {
  return new Promise((resolve, reject) => {
    const script = page.createElement("script");
    script.src = new URL(url, location.href).href;
    script.onload = () => resolve();
    script.onerror = () => reject(new Error(`cannot load ${script.src}`));
    page.head.append(script);
  });
}
