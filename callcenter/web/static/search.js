/* The list of complaints by keyboard. Keys of one letter can be switched off (WCAG 2.1.4); that is
   kept in this browser. */
(function () {
  "use strict";
  var card = document.getElementById("keys");
  var box = document.getElementById("q");
  var single = document.getElementById("single-keys");
  var active = function () { return localStorage.getItem("single-keys") !== "off"; };

  single.checked = active();
  single.addEventListener("change", function () {
    localStorage.setItem("single-keys", single.checked ? "on" : "off");
  });
  document.querySelectorAll("[data-keys]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { card.showModal(); });
  });

  /* the list renews itself: rows are looked up when a key is pressed */
  function rows() { return Array.prototype.slice.call(document.querySelectorAll("#found a.row")); }
  function move(by) {
    var all = rows(), at = all.indexOf(document.activeElement);
    var to = at < 0 ? 0 : at + by;
    if (to < 0) { box.focus(); return; }
    if (all[to]) { all[to].focus(); all[to].scrollIntoView({ block: "nearest" }); }
  }
  function follow(rel) {
    var link = document.querySelector("#found a[rel=" + rel + "]");
    if (link) { link.click(); }
  }

  document.addEventListener("keydown", function (event) {
    if (event.altKey || event.ctrlKey || event.metaKey || card.open) { return; }
    var typing = event.target.closest("input, textarea, select");
    if (event.target === box && event.key === "ArrowDown") { move(0); event.preventDefault(); return; }
    if (typing) { return; }
    if (event.key === "ArrowDown" && rows().length) { move(1); }
    else if (event.key === "ArrowUp" && rows().indexOf(event.target) >= 0) { move(-1); }
    else if (!active()) { return; }
    else if (event.key === "/") { box.focus(); box.select(); }
    else if (event.key === "?") { card.showModal(); }
    else if (event.key === "j") { move(1); }
    else if (event.key === "k") { move(-1); }
    else if (event.key === "n") { follow("next"); }
    else if (event.key === "p") { follow("prev"); }
    else { return; }
    event.preventDefault();
  });
})();
