/* A suggested category is taken over by a click, as if it had been chosen from the list. */
(function () {
  "use strict";
  document.addEventListener("click", function (event) {
    var button = event.target.closest("button[data-category]");
    var list = document.getElementById("category_key");
    if (!button || !list) { return; }
    list.value = button.dataset.category;
    list.dispatchEvent(new Event("input", { bubbles: true }));
    list.dispatchEvent(new Event("change", { bubbles: true }));
    list.focus();
  });
})();
