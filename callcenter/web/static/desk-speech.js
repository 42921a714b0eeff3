/* What a machine heard: a word plays from its place; a draft becomes the operator's text when they
   take it over, as if they had typed it there. Nothing here is saved by itself. */
(function () {
  "use strict";
  var EARLIER_S = 0.2, typedIn = {};
  var keyed = "button.word";

  function audioOf(words) { return document.querySelector('audio[src="' + words.dataset.sound + '"]'); }

  document.addEventListener("focusin", function (event) { typedIn[event.target.id] = true; });
  document.addEventListener("click", function (event) {
    var word = event.target.closest(keyed), take = event.target.closest("button[data-take]");
    if (word) {
      reach(word);
      play(word);
    } else if (take) { use(take); }
  });
  document.addEventListener("keydown", function (event) {
    var word = event.target.closest(keyed), key = event.key;
    if (event.altKey && event.code === "KeyW" && !event.ctrlKey && !event.metaKey) {
      var first = document.querySelector("button[data-take][data-into=transcript]");
      if (first) { event.preventDefault(); use(first); }
      return;
    }
    if (!word || event.altKey || event.ctrlKey || event.metaKey) { return; }
    var next = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[key];
    var other = next ? word[next] : key === "Home" ? word.parentNode.firstElementChild :
      key === "End" ? word.parentNode.lastElementChild : null;
    if (!other) { return; }
    event.preventDefault();
    reach(other);
    other.focus();
  });

  /* of all words one is reached by Tab, the others by arrows */
  function reach(word) {
    Array.prototype.forEach.call(word.parentNode.children, function (each) { each.tabIndex = each === word ? 0 : -1; });
  }
  function play(word) {
    var sound = audioOf(word.parentNode);
    if (!sound) { return; }
    sound.currentTime = Math.max(0, Number(word.dataset.at) - EARLIER_S);
    sound.play().catch(function () { return null; });
  }
  document.addEventListener("timeupdate", function (event) { /* it does not bubble: caught on its way */
    var words = document.querySelector('.spoken[data-sound="' + event.target.getAttribute("src") + '"]');
    if (!words) { return; }
    var now = event.target.currentTime;
    Array.prototype.forEach.call(words.children, function (word) {
      word.classList.toggle("now", !event.target.paused && now >= Number(word.dataset.at) && now < Number(word.dataset.end));
    });
  }, true);

  function use(button) {
    var field = document.getElementById(button.dataset.into);
    if (!field || field.matches(":disabled")) { return; }
    var whole = field.value, from = typedIn[field.id] ? field.selectionStart : whole.length;
    var to = typedIn[field.id] ? field.selectionEnd : whole.length;
    var before = whole.slice(0, from), after = whole.slice(to), said = button.dataset.take;
    if (before && !/\s$/.test(before)) { said = " " + said; }
    if (after && !/^\s/.test(after)) { said += " "; }
    if (field.maxLength > 0) { said = said.slice(0, field.maxLength - before.length - after.length); }
    field.focus();
    field.setSelectionRange(from, to);
    /* as typed: it can be undone, and everything that listens to typing hears it */
    if (!document.execCommand("insertText", false, said)) {
      field.setRangeText(said, from, to, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    var told = button.parentNode.querySelector("[data-taken]");
    told.textContent = told.dataset.taken;
  }
})();
