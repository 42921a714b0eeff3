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
  }
  tick();
  setInterval(tick, 1000);

  /* lists: the stream tells when to ask again; without it they ask every three seconds */
  var streaming = false;
  body.addEventListener("htmx:sseOpen", function (event) {
    var source = event.detail.source;
    streaming = true;
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

  /* filters apply when chosen */
  document.querySelectorAll("form[data-auto] select").forEach(function (select) {
    select.addEventListener("change", function () { select.form.requestSubmit(); });
  });

  /* desk: a draft survives a closed lid; the category proposes agency and urgency */
  var desk = document.querySelector("form[data-draft]");
  if (desk) { keepDraft(desk); proposeAgency(desk); listenByKey(); }

  function fields(form) {
    return Array.prototype.filter.call(form.elements, function (field) {
      return field.name && field.type !== "hidden" && field.type !== "submit";
    });
  }
  function keepDraft(form) {
    var key = "draft:" + form.dataset.draft;
    var notice = document.getElementById("draft");
    var kept = JSON.parse(sessionStorage.getItem(key) || "null");
    var changed = false;
    if (body.dataset.saved) { sessionStorage.removeItem(key); kept = null; }
    if (kept) {
      fields(form).forEach(function (field) {
        if (field.type === "radio") {
          var on = kept[field.name] === field.value;
          changed = changed || (on && !field.checked);
          field.checked = on;
        } else if (field.name in kept && kept[field.name] !== field.value) {
          field.value = kept[field.name];
          changed = true;
        }
      });
      if (notice && changed) { notice.hidden = false; }
    }
    form.addEventListener("input", function () {
      var values = {};
      fields(form).forEach(function (field) {
        if (field.type !== "radio" || field.checked) { values[field.name] = field.value; }
      });
      sessionStorage.setItem(key, JSON.stringify(values));
    });
  }
  function proposeAgency(form) {
    var category = form.elements.category_key;
    var agency = form.elements.agency_key;
    var why = document.getElementById("why-agency");
    if (!category || !agency) { return; }
    var chosen = false;
    agency.addEventListener("change", function () { chosen = true; });
    category.addEventListener("change", function () {
      var option = category.selectedOptions[0];
      if (option.dataset.agency && !chosen && !agency.closest("details")) { agency.value = option.dataset.agency; }
      if (why) { why.textContent = option.dataset.why || ""; }
      if (option.dataset.emergency) { form.elements.urgency.value = "emergency"; }
    });
  }
  function listenByKey() {
    var audio = document.querySelector("audio");
    if (!audio) { return; }
    document.addEventListener("keydown", function (event) {
      if (!event.altKey || event.ctrlKey || event.metaKey) { return; }
      if (event.code === "KeyP") {
        if (audio.paused) { audio.play(); } else { audio.pause(); }
      } else if (event.code === "KeyJ") {
        audio.currentTime = Math.max(0, audio.currentTime - 3);
      } else { return; }
      event.preventDefault();
    });
  }
  document.querySelectorAll("form[data-forget]").forEach(function (form) {
    form.addEventListener("submit", function () { sessionStorage.clear(); });
  });
})();
