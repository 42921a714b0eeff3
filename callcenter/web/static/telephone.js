/* The operator's telephone on top of the page: says what rings, opens the caller's form once, and
   never takes away a page on which somebody types. The panel works without it. */
(function () {
  "use strict";
  var box = document.getElementById("telephone");
  if (!box) { return; }
  var title = document.title;
  var typing = false;
  var told = document.getElementById("phone-tell");

  document.addEventListener("input", function (event) {
    if (!box.contains(event.target)) { typing = true; }
  });
  function mayLeave() {
    var restored = document.getElementById("draft");
    return !typing && !(restored && !restored.hidden);
  }
  function opened(call) {
    try {
      if (localStorage.getItem("form-opened") === call) { return true; }
      localStorage.setItem("form-opened", call);
    } catch (error) { return true; }
    return false;
  }

  function look() {
    var panel = box.querySelector("[data-state]");
    if (!panel) { return; }
    var words = panel.dataset.tell || "";
    if (told && told.textContent !== words) { told.textContent = words; }
    document.title = panel.dataset.state === "rings" ? "☎ " + words : title;
    var form = panel.dataset.open;
    if (!form || document.hidden) { return; }
    if (location.pathname === form) { opened(panel.dataset.call); return; }
    if (mayLeave()) {
      if (!opened(panel.dataset.call)) { location.assign(form); }
    } else {
      document.getElementById("phone-busy").hidden = false;
      var link = document.getElementById("phone-form");
      link.target = "_blank";
      link.rel = "noopener";
    }
  }

  /* what was touched keeps the focus when the panel is renewed */
  var held = "";
  box.addEventListener("htmx:beforeSwap", function () {
    var focus = document.activeElement;
    held = box.contains(focus) ? focus.id || "phone-title" : "";
  });
  box.addEventListener("htmx:afterSwap", function () {
    if (!held) { return; }
    (document.getElementById(held) || document.getElementById("phone-title")).focus();
  });
  document.body.addEventListener("htmx:afterSettle", look);
  document.addEventListener("visibilitychange", look);
  document.addEventListener("input", look);

  document.addEventListener("keydown", function (event) {
    if (!event.altKey || event.ctrlKey || event.metaKey) { return; }
    var there = event.code === "KeyO" ? document.getElementById("phone-form")
      : event.code === "KeyT" ? box.querySelector("button, select, summary") : null;
    if (!there) { return; }
    event.preventDefault();
    if (event.code === "KeyO") { there.click(); } else { there.focus(); }
  });
  document.querySelectorAll("form[data-forget]").forEach(function (form) {
    form.addEventListener("submit", function () { localStorage.removeItem("form-opened"); });
  });
  look();
})();
