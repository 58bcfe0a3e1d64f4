// Keeps the page up to date: the server says that something is new, and the main part is asked for again and merged into the one
// that stands, so that focus, typed text and open details stay. Without script a page is as it was loaded.
"use strict";

(() => {
  if (!window.EventSource || !window.htmx) return;
  let newest = "";
  let asking = false;

  const main = () => document.getElementById("main");
  if (main().dataset.state === undefined) return; // a page that is not to be asked for again

  async function refresh() {
    if (asking || document.hidden || !newest || main().dataset.state === newest) return;
    asking = true;
    const asked = newest;
    try {
      await htmx.ajax("GET", location.pathname + location.search, {
        target: "#main", select: "#main", swap: "outerMorph", headers: { "Evenkeel-Live": "refresh" },
      });
    } finally {
      asking = false;
      if (newest !== asked) refresh();
    }
  }

  const stream = new EventSource("/events");
  stream.onmessage = (e) => {
    newest = e.data;
    refresh();
  };
  const lamp = (live) => {
    const l = document.getElementById("live");
    l.hidden = false;
    l.dataset.live = live;
    l.textContent = live ? "Live" : "Not live: load the page again to see what is new";
  };
  stream.onopen = () => lamp(true);
  stream.onerror = () => lamp(false);
  document.addEventListener("visibilitychange", refresh);
})();
