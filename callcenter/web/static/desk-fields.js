/* The form by keyboard: villages by a few letters, words that mean danger, ready orders, keys. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-draft]");
  if (!form) { return; }
  proposeAgency();
  document.querySelectorAll("select[data-into]").forEach(readyTexts);
  document.querySelectorAll("select[data-find]").forEach(find);
  markWords(document.querySelector("textarea[data-words]"));
  keys();

  function changed(field) { field.dispatchEvent(new Event("change", { bubbles: true })); }

  function proposeAgency() {
    var category = form.elements.category_key, agency = form.elements.agency_key;
    var why = document.getElementById("why-agency"), chosen = false;
    if (!category || !agency) { return; }
    agency.addEventListener("change", function () { chosen = true; });
    category.addEventListener("change", function () {
      var option = category.selectedOptions[0];
      if (option.dataset.agency && !chosen && !agency.closest("details")) { agency.value = option.dataset.agency; }
      if (why) { why.textContent = option.dataset.why || ""; }
      if (option.dataset.emergency) { form.elements.urgency.value = "emergency"; }
    });
  }
  function readyTexts(ready) {
    var text = form.elements[ready.dataset.into];
    if (!text) { return; }
    ready.closest("div").hidden = false;
    ready.addEventListener("change", function () {
      if (!ready.value) { return; }
      text.value = (text.value.trim() ? text.value.trim() + "\n" : "") + ready.value;
      ready.value = "";
      changed(text);
      text.focus();
    });
  }

  /* a choice by typing: spelling is forgiven, the old list stays the field that is sent */
  function find(select) {
    var input = document.createElement("input"), list = document.createElement("ul");
    var label = document.querySelector("label[for='" + select.id + "']");
    var options = Array.prototype.filter.call(select.options, function (o) { return o.value; });
    var shown = [], at = 0;
    input.id = select.id + "-find";
    list.id = select.id + "-list";
    input.autocomplete = "off";
    input.placeholder = select.dataset.find;
    [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id]]
      .forEach(function (pair) { input.setAttribute(pair[0], pair[1]); });
    ["aria-invalid", "aria-describedby"].forEach(function (name) {
      if (select.hasAttribute(name)) { input.setAttribute(name, select.getAttribute(name)); }
    });
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", label.textContent);
    list.hidden = true;
    list.className = "found";
    label.htmlFor = input.id;
    select.hidden = true;
    var box = document.createElement("div");
    box.className = "find";
    select.before(box);
    box.append(input, list);
    show();
    select.addEventListener("change", show);

    function words(option) { return option.textContent + (option.parentNode.label ? ", " + option.parentNode.label : ""); }
    function show() { input.value = select.value ? words(select.selectedOptions[0]) : ""; }
    function close() {
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    }
    function point(next) {
      at = next;
      Array.prototype.forEach.call(list.children, function (row, number) {
        row.setAttribute("aria-selected", String(number === at));
        if (number === at) { input.setAttribute("aria-activedescendant", row.id); row.scrollIntoView({ block: "nearest" }); }
      });
    }
    function choose(option) {
      select.value = option ? option.value : "";
      show();
      close();
      changed(select);
    }
    input.addEventListener("focus", function () { input.select(); });
    input.addEventListener("input", function (event) {
      event.stopPropagation(); /* what is half typed is no village yet */
      shown = nearest(input.value, options);
      list.replaceChildren();
      shown.forEach(function (option, number) {
        var row = document.createElement("li");
        row.id = list.id + number;
        row.setAttribute("role", "option");
        row.textContent = words(option);
        row.addEventListener("pointerdown", function (press) { press.preventDefault(); choose(option); });
        list.appendChild(row);
      });
      list.hidden = !shown.length;
      input.setAttribute("aria-expanded", String(Boolean(shown.length)));
      if (shown.length) { point(0); }
    });
    input.addEventListener("keydown", function (event) {
      if (list.hidden) { return; }
      if (event.key === "ArrowDown") { point((at + 1) % shown.length); }
      else if (event.key === "ArrowUp") { point((at + shown.length - 1) % shown.length); }
      else if (event.key === "Enter") { choose(shown[at]); }
      else if (event.key === "Escape") { show(); close(); }
      else {
        if (event.key === "Tab") { choose(shown[at]); }
        return;
      }
      event.preventDefault();
    });
    input.addEventListener("blur", function () {
      if (!input.value.trim() && select.value) { choose(null); } else { show(); close(); }
    });
  }
  function nearest(typed, options) {
    var wanted = plain(typed);
    if (wanted.length < 2) { return []; }
    return options.map(function (option) { return [distance(wanted, option.textContent), option]; })
      .filter(function (pair) { return pair[0] < 9; })
      .sort(function (a, b) { return a[0] - b[0] || a[1].textContent.localeCompare(b[1].textContent); })
      .slice(0, 7).map(function (pair) { return pair[1]; });
  }
  /* old spelling, and what ears confuse in Balinese names, are the same letters here */
  function plain(text) {
    return text.toLowerCase().normalize("NFD").replace(/[^a-z]/g, "").replace(/oe/g, "u").replace(/dj/g, "j")
      .replace(/tj/g, "c").replace(/[vf]/g, "p").replace(/w/g, "u").replace(/y/g, "i").replace(/h/g, "")
      .replace(/e/g, "a").replace(/(.)\1+/g, "$1");
  }
  function distance(wanted, name) {
    var whole = plain(name), best = 9, allowed = wanted.length > 5 ? 2 : wanted.length > 2 ? 1 : 0;
    if (whole === wanted) { return 0; }
    if (whole.indexOf(wanted) === 0) { return 1; }
    if (name.split(" ").some(function (word) { return plain(word).indexOf(wanted) === 0; })) { return 2; }
    if (whole.indexOf(wanted) > 0) { return 3; }
    for (var length = wanted.length - allowed; length <= wanted.length + allowed; length += 1) {
      var edits = steps(wanted, whole.slice(0, length));
      if (edits <= allowed) { best = Math.min(best, 3 + edits + Math.abs(length - wanted.length) / 10); }
    }
    return best;
  }
  function steps(one, other) { /* Damerau and Levenshtein's distance */
    var rows = [Array.from({ length: other.length + 1 }, function (_, n) { return n; })];
    for (var i = 1; i <= one.length; i += 1) {
      rows[i] = [i];
      for (var j = 1; j <= other.length; j += 1) {
        var same = one[i - 1] === other[j - 1] ? 0 : 1;
        rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + same);
        if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) {
          rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
        }
      }
    }
    return rows[one.length][other.length];
  }

  /* words that mean danger: marked behind the text, and named below it */
  function markWords(area) {
    if (!area) { return; }
    var words = area.dataset.words.split("|"), back = document.createElement("div");
    var note = document.getElementById("danger"), box = document.createElement("div");
    var pattern = new RegExp("(?<![\\p{L}])(" + words.map(function (word) {
      return word.replace(/[^\p{L} ]/gu, "");
    }).join("|") + ")(?:nya|an|lah|kah)?(?![\\p{L}])", "giu");
    box.className = "marked";
    back.setAttribute("aria-hidden", "true");
    area.before(box);
    box.append(back, area);
    function mark() {
      var text = area.value, at = 0, found = [];
      back.replaceChildren();
      text.replace(pattern, function (word) {
        var from = arguments[arguments.length - 2], node = document.createElement("mark");
        back.append(text.slice(at, from));
        node.textContent = word;
        back.append(node);
        at = from + word.length;
        if (found.indexOf(word.toLowerCase()) < 0) { found.push(word.toLowerCase()); }
        return word;
      });
      back.append(text.slice(at) + "\n");
      back.scrollTop = area.scrollTop;
      note.hidden = !found.length || form.elements.urgency.value === "emergency";
      note.querySelector("strong").textContent = found.join(", ");
    }
    area.addEventListener("input", mark);
    area.addEventListener("scroll", function () { back.scrollTop = area.scrollTop; });
    form.addEventListener("change", mark);
    mark();
  }

  function keys() {
    var card = document.getElementById("keys");
    var places = { KeyT: "transcript", KeyK: "category_key", KeyV: "village_code-find", KeyI: "agency_key", KeyO: "order", KeyB: "reply" };
    var buttons = { Enter: "next", NumpadEnter: "next", KeyS: "save" };
    document.querySelectorAll("[data-keys]").forEach(function (button) {
      button.hidden = false;
      button.addEventListener("click", function () { card.showModal(); });
    });
    document.addEventListener("keydown", function (event) {
      if (event.key === "?" && !event.target.closest("input, textarea, select")) {
        event.preventDefault();
        card.showModal();
      }
      if (!event.altKey || event.ctrlKey || event.metaKey || card.open) { return; }
      var field = document.getElementById(places[event.code] || "");
      var button = form.querySelector("button[name=do][value=" + (buttons[event.code] || "nothing") + "]");
      if (event.code === "Slash") { card.showModal(); }
      else if (event.code === "KeyU") { urgent(); }
      else if (event.code === "KeyM") { openMap(); }
      else if (field) { if (field.closest("details")) { field.closest("details").open = true; } field.focus(); }
      else if (button) { if (!button.matches(":disabled")) { form.requestSubmit(button); } }
      else { return; }
      event.preventDefault();
    });
  }
  function openMap() {
    var box = document.getElementById("map-box"), map = document.getElementById("map");
    box.open = true;
    map.focus();
    map.scrollIntoView({ block: "nearest" });
  }
  function urgent() {
    if (form.elements.urgency[0].matches(":disabled")) { return; }
    var now = form.elements.urgency.value === "emergency" ? "report" : "emergency";
    form.elements.urgency.value = now;
    changed(form);
  }
})();
