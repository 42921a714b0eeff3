/* What an officer typed, photographed and recorded, kept on this telephone until it has arrived.
   Shared by the page and its worker. Each form carries a key of its own, so that the server takes
   it once however often it is sent. */
(function (scope) {
  "use strict";
  var opened = null;

  function database() {
    opened = opened || new Promise(function (done, failed) {
      var asked = indexedDB.open("aduan24-officer", 1);
      asked.onupgradeneeded = function () {
        asked.result.createObjectStore("drafts");
        asked.result.createObjectStore("outbox", {keyPath: "key"});
      };
      asked.onsuccess = function () { done(asked.result); };
      asked.onerror = function () { opened = null; failed(asked.error); };
    });
    return opened;
  }
  /* on disk, not only asked for, when the promise is kept */
  function inside(store, mode, work) {
    return database().then(function (db) {
      return new Promise(function (done, failed) {
        var turn = db.transaction(store, mode);
        var asked = work(turn.objectStore(store));
        turn.oncomplete = function () { done(asked.result); };
        turn.onerror = turn.onabort = function () { failed(turn.error); };
      });
    });
  }
  function draft(id) { return inside("drafts", "readonly", function (s) { return s.get(id); }); }
  function keepDraft(id, kept) {
    return inside("drafts", "readwrite", function (s) { return s.put(kept, id); });
  }
  function dropDraft(id) { return inside("drafts", "readwrite", function (s) { return s.delete(id); }); }
  function waiting() {
    return inside("outbox", "readonly", function (s) { return s.getAll(); }).then(function (items) {
      return items.sort(function (a, b) { return a.at - b.at; });
    });
  }
  function put(item) { return inside("outbox", "readwrite", function (s) { return s.put(item); }); }
  function drop(key) { return inside("outbox", "readwrite", function (s) { return s.delete(key); }); }

  /* {done} or {refused: {field, message}}; an error means: later */
  function send(item) {
    return fetch(item.path + "/key", {cache: "no-store"}).then(function (answer) {
      if (answer.status === 404) { return {refused: {gone: true}}; }
      if (!answer.ok) { throw new Error("later"); }
      return answer.json().then(function (given) { return post(item, given.csrf_token); });
    });
  }
  function post(item, token) {
    var form = new FormData();
    form.append("csrf_token", token);
    form.append("once", item.key);
    item.fields.forEach(function (field) {
      if (field[1] instanceof Blob) { form.append(field[0], field[1], field[1].name || "file"); }
      else { form.append(field[0], field[1]); }
    });
    var how = {method: "POST", body: form, headers: {"X-Outbox": "1"}};
    return fetch(item.path + "/" + item.verb, how).then(function (answer) {
      if (answer.status === 413) { return {refused: {large: true}}; }
      if (answer.status === 403) { return {refused: {gone: true}}; }
      if (answer.status !== 200 && answer.status !== 400 && answer.status !== 404) {
        throw new Error("later");
      }
      return answer.json();
    });
  }
  /* page and worker never send at the same time where the browser can hold one of them back */
  function alone(work) {
    var locks = scope.navigator && scope.navigator.locks;
    return locks ? locks.request("aduan24-outbox", work) : work();
  }
  function flush() {
    return alone(function () {
      return waiting().then(function (items) {
        return items.filter(function (item) { return !item.refused; }).reduce(function (before, item) {
          return before.then(function (told) {
            return send(item).then(function (came) {
              told.push({path: item.path, verb: item.verb, done: Boolean(came.done)});
              if (came.done) { return drop(item.key); }
              item.refused = came.refused;
              return put(item);
            }).then(function () { return told; });
          });
        }, Promise.resolve([]));
      });
    });
  }

  scope.box = {
    draft: draft, keepDraft: keepDraft, dropDraft: dropDraft,
    waiting: waiting, put: put, drop: drop, flush: flush
  };
})(self);
