/* The officer's page where scripts run: nothing typed or photographed is lost, with or without a
   network. Without scripts the forms are ordinary forms. */
(function () {
  "use strict";
  var body = document.body;
  var words = body.dataset;
  var path = location.pathname.replace(/(\/p\/[^/]+).*/, "$1");
  var forms = Array.prototype.slice.call(document.querySelectorAll("form[data-verb]"));
  if (!window.indexedDB || !window.fetch || !window.Promise || !window.FormData) { return; }

  /* one line at the top says how things stand */
  function say(text, kind) {
    var line = document.getElementById("box");
    line.textContent = text || "";
    line.className = "banner " + (kind || "warn");
    line.hidden = !text;
  }
  function id(form) { return path + "#" + form.dataset.verb; }
  function isFile(field) { return field.type === "file"; }
  function fields(form) {
    return Array.prototype.filter.call(form.elements, function (field) {
      return field.name && field.type !== "hidden" && field.type !== "submit";
    });
  }
  function key() {
    var bytes = new Uint8Array(16);
    crypto.getRandomValues(bytes);
    return Array.prototype.map.call(bytes, function (b) { return ("0" + b.toString(16)).slice(-2); }).join("");
  }

  /* drafts: texts and files, never a PIN */
  function draftOf(form) {
    var kept = {texts: {}, files: {}};
    fields(form).forEach(function (field) {
      if (isFile(field)) { kept.files[field.id] = Array.prototype.slice.call(field.files); }
      else if (field.type !== "password") { kept.texts[field.id] = field.value; }
    });
    return kept;
  }
  function putFiles(field, files) {
    if (!window.DataTransfer) { return; }
    var holder = new DataTransfer();
    files.forEach(function (file) { holder.items.add(file); });
    field.files = holder.files;
    show(field);
  }
  function restore(form, kept) {
    if (!kept) { return false; }
    fields(form).forEach(function (field) {
      if (isFile(field)) {
        if ((kept.files[field.id] || []).length) { putFiles(field, kept.files[field.id]); }
      } else if (field.id in kept.texts) { field.value = kept.texts[field.id]; }
    });
    var fold = form.closest("details");
    if (fold) { fold.open = true; }
    return true;
  }
  function show(field) {
    var list = document.getElementById(field.id + "-list");
    if (!list) { return; }
    list.textContent = "";
    Array.prototype.forEach.call(field.files, function (file, at) {
      var item = document.createElement("li");
      var out = document.createElement("button");
      item.append(picture(file), file.name + " ", out);
      out.type = "button";
      out.className = "quiet";
      out.textContent = words.remove;
      out.addEventListener("click", function () {
        putFiles(field, Array.prototype.filter.call(field.files, function (_, n) { return n !== at; }));
        field.dispatchEvent(new Event("input", {bubbles: true}));
      });
      list.append(item);
    });
  }
  /* drawn, because our policy shows no pictures from the telephone's memory */
  function picture(file) {
    var canvas = document.createElement("canvas");
    canvas.width = canvas.height = 0;
    if (window.createImageBitmap && /^image\//.test(file.type)) {
      createImageBitmap(file).then(function (drawn) {
        var scale = 64 / Math.max(drawn.width, drawn.height);
        canvas.width = Math.max(1, drawn.width * scale);
        canvas.height = Math.max(1, drawn.height * scale);
        canvas.getContext("2d").drawImage(drawn, 0, 0, canvas.width, canvas.height);
      }, function () { return null; });
    }
    canvas.setAttribute("aria-hidden", "true");
    return canvas;
  }

  forms.forEach(function (form) {
    form.addEventListener("input", function (event) {
      var field = event.target;
      if (field.dataset.into && field.files.length) {  /* the camera adds to the photos */
        var into = document.getElementById(field.dataset.into);
        putFiles(into, Array.prototype.concat.call([], Array.from(into.files), Array.from(field.files)));
        field.value = "";
      } else if (isFile(field)) { show(field); }
      box.keepDraft(id(form), draftOf(form)).catch(function () { say(words.full, "bad"); });
    });
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      hold(form, true);
      var given = Array.from(new FormData(form).entries()).filter(function (field) {
        return field[0] !== "csrf_token" && field[0] !== "once" && !(field[1] instanceof File && !field[1].size);
      });
      var item = {key: key(), path: path, verb: form.dataset.verb, fields: given, at: Date.now()};
      item.draft = draftOf(form);
      box.put(item)
        .then(function () { return box.dropDraft(id(form)); })
        .then(flush, function () { form.submit(); });  /* a telephone that keeps nothing sends at once */
    });
  });
  function hold(form, on) {
    Array.prototype.forEach.call(form.querySelectorAll("button:not([type])"), function (button) {
      button.disabled = on;
    });
  }

  /* sending: now, when the network comes back, and by the worker when this page is closed */
  function flush() {
    return box.flush().then(settled, function () {
      if (navigator.serviceWorker) {
        navigator.serviceWorker.ready.then(function (worker) {
          return worker.sync && worker.sync.register("outbox");
        }).catch(function () { return null; });
      }
      return standing();
    });
  }
  function settled(told) {
    if (told.some(function (one) { return one.path === path && one.done; })) {
      location.replace(path);
      return null;
    }
    return standing();
  }
  function standing() {
    return box.waiting().then(function (items) {
      var own = items.filter(function (item) { return item.path === path; });
      var refused = own.filter(function (item) { return item.refused; });
      forms.forEach(function (form) {
        var held = own.some(function (item) { return !item.refused && item.verb === form.dataset.verb; });
        hold(form, held);
      });
      if (refused.length) { return giveBack(refused[0]); }
      say(own.length ? words.waits : "", "warn");
      return null;
    });
  }
  /* what was refused comes back into its form, with the reason */
  function giveBack(item) {
    var form = forms.filter(function (one) { return one.dataset.verb === item.verb; })[0];
    var why = item.refused;
    say(why.message || (why.large ? words.large : words.gone), "bad");
    if (!form) { return box.drop(item.key); }
    restore(form, item.draft);
    var field = why.field && document.getElementById(why.field);
    if (field) { field.setAttribute("aria-invalid", "true"); field.focus(); }
    return box.keepDraft(id(form), item.draft).then(function () { return box.drop(item.key); });
  }

  Promise.all(forms.map(function (form) {
    return box.draft(id(form)).then(function (kept) { return restore(form, kept); });
  })).then(function (found) {
    if (found.some(Boolean)) { say(words.restored, "note"); }
    return box.waiting();
  }).then(function (items) { if (items.length) { flush(); } }).catch(function () { return null; })
    .then(function () { body.dataset.ready = "1"; });
  window.addEventListener("online", flush);
  setInterval(function () {
    if (!document.hidden && navigator.onLine) {
      box.waiting().then(function (items) { if (items.some(function (i) { return !i.refused; })) { flush(); } });
    }
  }, 30000);

  if (navigator.serviceWorker) {
    navigator.serviceWorker.addEventListener("message", function (event) {
      if (event.data && event.data.sent) { settled(event.data.sent); }
    });
    window.addEventListener("load", function () {
      var first = !navigator.serviceWorker.controller;
      navigator.serviceWorker.register("/p/worker.js").then(function () { return navigator.serviceWorker.ready; })
        .then(function (worker) {
          var own = Array.prototype.map.call(document.querySelectorAll("link[rel=stylesheet], script[src], link[rel=icon]"),
            function (node) { return node.href || node.src; });
          if (first) { worker.active.postMessage({keep: [path].concat(own)}); }
        }).catch(function () { return null; });
    });
  }
})();
