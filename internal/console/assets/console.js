// Keeps the page up to date: the server says that something is new, and the main part is asked for again and merged into the one
// that stands, so that focus, typed text and open details stay. Without script a page is as it was loaded.
"use strict";

(() => {
  if (!window.EventSource || !window.htmx) return;
  let newest = "";
  let asking = false;

  // What was chosen in a form that changes the page, and what that was when an update was asked for.
  let chosen = 0;
  let before = "";
  const choice = () => chosen + " " + location.href;

  const main = () => document.getElementById("main");
  if (main().dataset.state === undefined) return; // a page that is not to be asked for again

  async function refresh() {
    if (asking || document.hidden || !newest || main().dataset.state === newest) return;
    asking = true;
    const asked = newest;
    before = choice();
    // A page of the past stays as it is; only what the frame says of the server is new.
    const still = document.querySelector("[data-still]") !== null;
    const part = still ? ".notices" : "#main";
    // What went wrong with what the person asked for stands until they do something else.
    const said = main().querySelector(".said");
    try {
      await htmx.ajax("GET", location.pathname + location.search, {
        target: part, select: part, swap: "outerMorph", headers: { "Evenkeel-Live": still ? "frame" : "refresh" },
      });
      if (said && before === choice() && !main().querySelector(".said")) {
        said.removeAttribute("role"); // it was read out already
        main().prepend(said);
      }
      if (still && before === choice()) main().dataset.state = asked;
    } finally {
      asking = false;
      if (before !== choice()) setTimeout(refresh, 1000);
      else if (newest !== asked) refresh();
    }
  }

  // An update that was asked for before the person chose something else would show them what they left.
  document.addEventListener("htmx:before:swap", (e) => {
    if (e.detail.ctx.request.headers["Evenkeel-Live"] && before !== choice()) e.preventDefault();
  });

  // words says how far back the slider stands while it is dragged, before the server has answered.
  function words(seconds) {
    if (seconds === 0) return "now";
    const parts = [];
    for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]]) {
      const n = Math.floor(seconds / size);
      seconds -= n * size;
      if (n > 0 && parts.length < 2) parts.push(n + " " + unit + (n > 1 ? "s" : ""));
    }
    return parts.join(" and ") + " ago";
  }
  document.addEventListener("input", (e) => {
    if (e.target.form?.dataset.hxGet) chosen++;
    if (e.target.id !== "ago") return;
    const text = words(-e.target.value);
    document.getElementById("slid").textContent = text;
    e.target.setAttribute("aria-valuetext", text);
  });

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
