/* What is typed is with the server within a second, and in this tab's own storage until it is.
   Whoever else types here is never overwritten: the server keeps both texts and says so. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-draft]");
  if (!form || form.dataset.held) { return; }
  var EVERY = 500, SIGN_EVERY = 20000;
  var key = "draft:" + form.dataset.draft;
  var address = form.getAttribute("action");
  var state = document.getElementById("kept");
  var version = Number(form.elements.draft.value);
  var tab = Array.prototype.map.call(crypto.getRandomValues(new Uint8Array(12)), function (byte) {
    return (byte + 256).toString(16).slice(1);
  }).join("");
  var mine = [tab];
  var dirty = false, flying = null, timer = null, last = 0, instead = false, worked = false, touched = false;
  form.elements.tab.value = tab;

  function fields() {
    return Array.prototype.filter.call(form.elements, function (field) {
      return field.name && field.type !== "hidden" && field.type !== "submit" && field.type !== "file";
    });
  }
  function typed() {
    var values = {};
    fields().forEach(function (field) {
      if (field.type !== "radio" || field.checked) { values[field.name] = field.value; }
    });
    return values;
  }
  function say(words, bad) {
    if (!state) { return; }
    state.textContent = words;
    state.classList.toggle("problem", Boolean(bad));
  }
  function keepHere() {
    sessionStorage.setItem(key, JSON.stringify({ tab: tab, base: version, values: typed() }));
  }

  /* one request at a time; the next text waits for the answer to the one before */
  function plan() {
    if (timer || flying) { return; }
    timer = setTimeout(send, Math.max(0, last + EVERY - Date.now()));
  }
  function send() {
    timer = null;
    if (flying || !dirty) { return flying || Promise.resolve(); }
    var body = new URLSearchParams(typed());
    body.set("csrf_token", form.elements.csrf_token.value);
    body.set("draft", version);
    body.set("tab", tab);
    if (instead) { body.set("instead", "1"); }
    dirty = false;
    last = Date.now();
    flying = fetch(address + "/draft", {
      method: "POST", body: body, headers: { "HX-Request": "true" }, keepalive: body.toString().length < 60000
    }).then(answered, function () { failed(); }).then(function () {
      flying = null;
      if (dirty) { plan(); }
    });
    return flying;
  }
  function answered(response) {
    if (response.status === 401) {
      document.getElementById("ended").hidden = false;
      return failed();
    }
    if (response.status !== 200 && response.status !== 409) { return failed(); }
    return response.json().then(function (told) {
      if (response.status === 200) {
        version = told.version;
        instead = false;
        if (!dirty) {
          sessionStorage.removeItem(key);
          form.dataset.kept = "yes";
        }
        say(form.dataset.saidKept.replace("{at}", told.at));
      } else if (mine.indexOf(told.tab) >= 0) {
        version = told.version; /* an answer that was lost on the way */
        dirty = true;
      } else { second(told); }
    }, failed);
  }
  function failed() {
    dirty = true;
    last = Date.now() + EVERY; /* once a second, until the server is back */
    say(form.dataset.saidAway, true);
  }
  function second(told) {
    var banner = document.getElementById("second");
    banner.querySelector("[data-who]").textContent =
      (told.mine ? banner.dataset.tab : banner.dataset.other.replace("{by}", told.by)).replace("{at}", told.at);
    banner.hidden = false;
    say(form.dataset.saidBeside, true);
    sessionStorage.removeItem(key);
  }
  var ours = document.getElementById("ours");
  if (ours) {
    ours.addEventListener("click", function () {
      document.getElementById("second").hidden = true;
      instead = dirty = true;
      send();
    });
  }

  /* a field may stand elsewhere on the page and still be the form's: the reply */
  document.addEventListener("input", changed);
  document.addEventListener("change", changed);
  function changed(event) {
    if (event.target.form !== form || !event.target.name || event.target.type === "file") { return; }
    dirty = touched = true;
    delete form.dataset.kept;
    keepHere();
    plan();
  }

  /* a tab that was closed or reloaded before its last words had arrived */
  var kept = JSON.parse(sessionStorage.getItem(key) || "null");
  if (kept && kept.values) {
    var differs = false;
    fields().forEach(function (field) {
      if (!(field.name in kept.values)) { return; }
      if (field.type === "radio") {
        differs = differs || (field.checked !== (kept.values[field.name] === field.value));
        field.checked = kept.values[field.name] === field.value;
      } else if (kept.values[field.name] !== field.value) {
        field.value = kept.values[field.name];
        differs = true;
      }
    });
    mine.push(kept.tab);
    if (differs) {
      if (form.dataset.writer !== kept.tab) { version = kept.base; }
      document.getElementById("draft").hidden = false;
      dirty = true;
      plan();
    } else { sessionStorage.removeItem(key); }
  }

  /* saving: the last words go first, so that the form names the version that is there */
  var ready = false, leaving = false;
  window.addEventListener("pageshow", function () { leaving = false; });
  form.addEventListener("submit", function (event) {
    if (ready) { return; }
    event.preventDefault();
    if (leaving) { return; }
    leaving = touched = true;
    var button = event.submitter;
    clearTimeout(timer);
    timer = null;
    Promise.resolve(flying).then(function () {
      clearTimeout(timer);
      timer = null;
      return send();
    }).then(function () {
      setTimeout(function () { /* not while the first attempt is still being refused */
        form.elements.draft.value = version;
        ready = true;
        form.requestSubmit(button);
        ready = false;
      });
    });
  });

  /* signing out waits for the last words; while the server is away it does not happen at all */
  document.addEventListener("signing-out", function (event) {
    if (!dirty && !flying) { return; }
    clearTimeout(timer);
    timer = null;
    event.detail.push(Promise.resolve(flying).then(function () {
      clearTimeout(timer);
      timer = null;
      return send();
    }).then(function () { return !dirty; }));
  });

  /* who only looked puts it back when leaving; a reload takes it again */
  window.addEventListener("pagehide", function () {
    if (touched) { return; }
    navigator.sendBeacon(address + "/let-go", new URLSearchParams({ csrf_token: form.elements.csrf_token.value }));
  });

  /* a sign of work, so that the complaint stays on this desk */
  ["keydown", "pointerdown"].forEach(function (name) {
    document.addEventListener(name, function () { worked = true; }, { passive: true });
  });
  setInterval(function () {
    var playing = Array.prototype.some.call(document.querySelectorAll("audio"), function (audio) { return !audio.paused; });
    if (!worked && !playing) { return; }
    worked = false;
    var body = new URLSearchParams({ csrf_token: form.elements.csrf_token.value });
    fetch(address + "/claim", { method: "POST", body: body, headers: { "HX-Request": "true" } })
      .then(function (response) { return response.status === 409 ? response.json().then(second) : null; })
      .catch(function () { return null; });
  }, SIGN_EVERY);
})();
