/* The console's small helpers. Every page works without them; nothing here is kept elsewhere
   but drafts, in this tab's own storage. */
(function () {
  "use strict";
  var body = document.body;
  var skew = Number(body.dataset.now || Date.now()) - Date.now();

  /* countdowns: the server wrote the first value, from here on they tick */
  function pad(n) { return (n < 10 ? "0" : "") + n; }
  function face(seconds) {
    var left = Math.abs(seconds);
    return (seconds < 0 ? "−" : "") + pad(Math.floor(left / 3600)) + ":" +
      pad(Math.floor(left % 3600 / 60)) + ":" + pad(left % 60);
  }
  function tick() {
    var now = Date.now() + skew;
    document.querySelectorAll("[data-due]").forEach(function (node) {
      var seconds = Math.floor((Number(node.dataset.due) - now) / 1000);
      node.textContent = face(seconds);
      node.classList.toggle("late", seconds < 0);
      node.classList.toggle("soon", seconds >= 0 && seconds < Number(node.dataset.soon || 0));
    });
    document.querySelectorAll("[data-since]").forEach(function (node) {
      node.textContent = face(Math.max(0, Math.floor((now - Number(node.dataset.since)) / 1000)));
    });
  }
  tick();
  setInterval(tick, 1000);

  /* lists: the stream tells when to ask again; without it they ask every three seconds */
  var streaming = false;
  body.addEventListener("htmx:sseOpen", function (event) {
    var source = event.detail.source;
    streaming = true;
    source.addEventListener("changed", function () { window.htmx.trigger(body, "news"); });
    source.addEventListener("ended", function () { source.close(); streaming = false; ended(); });
  });
  body.addEventListener("htmx:sseError", function () { streaming = false; });
  body.addEventListener("htmx:sseClose", function () { streaming = false; });
  setInterval(function () {
    if (!streaming && !document.hidden && window.htmx) { window.htmx.trigger(body, "poll"); }
  }, 3000);
  function ended() {
    var banner = document.getElementById("ended");
    if (banner) { banner.hidden = false; }
  }
  body.addEventListener("htmx:responseError", function (event) {
    if (event.detail.xhr.status === 401) { ended(); }
  });
  body.addEventListener("htmx:afterOnLoad", function (event) {
    var banner = document.getElementById("ended");
    if (banner && event.detail.xhr.status === 200) { banner.hidden = true; }
  });

  /* what a reader unfolded in a list stays unfolded when the list is renewed */
  var unfolded = [];
  body.addEventListener("htmx:beforeSwap", function (event) {
    unfolded = Array.prototype.map.call(
      event.detail.target.querySelectorAll("details[id][open]"), function (node) { return node.id; });
  });
  body.addEventListener("htmx:afterSwap", function () {
    unfolded.forEach(function (id) {
      var node = document.getElementById(id);
      if (node) { node.open = true; }
    });
  });

  /* what changed in a list is said once, in words, instead of reading out the whole table */
  var said = null;
  body.addEventListener("htmx:afterSettle", function () {
    var part = document.querySelector("[data-say]");
    var live = document.getElementById("say");
    if (part && live && part.dataset.say !== said) { live.textContent = said = part.dataset.say; }
    tick();
  });
  var first = document.querySelector("[data-say]");
  if (first) { said = first.dataset.say; }

  /* how much waits: in the tab's title, and by ear (one tab rings for all of them) */
  var title = document.title, bell = document.getElementById("bell");
  var ringing = function () { return localStorage.getItem("bell") !== "off"; };
  function waiting() {
    var badge = document.querySelector("[data-waiting]");
    if (!badge) { return; }
    var count = Number(badge.dataset.waiting), urgent = Number(badge.dataset.urgent);
    document.title = (count ? "(" + (urgent ? "!" + urgent + " · " : "") + count + ") " : "") + title;
    var heard = (localStorage.getItem("heard") || "0 0").split(" ").map(Number);
    var newest = badge.dataset.newest.split(" ").map(Number);
    if (newest[0] > heard[0] || newest[1] > heard[1]) {
      localStorage.setItem("heard", Math.max(newest[0], heard[0]) + " " + Math.max(newest[1], heard[1]));
      if (known && ringing()) { new Audio(bell.dataset.sound).play().catch(function () { return null; }); }
    }
    known = true;
  }
  var known = false;
  if (bell) {
    bell.hidden = false;
    bell.setAttribute("aria-pressed", String(ringing()));
    bell.addEventListener("click", function () {
      localStorage.setItem("bell", ringing() ? "off" : "on");
      bell.setAttribute("aria-pressed", String(ringing()));
    });
    waiting();
    body.addEventListener("htmx:afterSettle", waiting);
  }

  /* one key opens what waits longest */
  document.addEventListener("keydown", function (event) {
    var next = document.querySelector("a[data-next]");
    if (!next || !event.altKey || event.ctrlKey || event.metaKey || event.code !== "KeyN") { return; }
    event.preventDefault();
    next.click();
  });

  /* filters apply when chosen */
  document.querySelectorAll("form[data-auto] select").forEach(function (select) {
    select.addEventListener("change", function () { select.form.requestSubmit(); });
  });

  /* signing out empties this tab's storage, once what was typed is with the server */
  document.querySelectorAll("form[data-forget]").forEach(function (form) {
    form.addEventListener("submit", function (event) {
      var last = [];
      document.dispatchEvent(new CustomEvent("signing-out", { detail: last }));
      if (!last.length) { sessionStorage.clear(); return; }
      event.preventDefault();
      Promise.all(last).then(function (there) {
        if (there.every(Boolean)) { sessionStorage.clear(); form.submit(); }
      });
    });
  });
})();
