/* The officer's pages without a network: what was opened on this telephone opens again, and what was
   kept is sent when the network is back. Answers are kept with their headers, policy included. */
"use strict";
importScripts("/static/officer-box.js");
var SHELF = "officer-1";
var PATIENCE_MS = 6000;

self.addEventListener("install", function () { self.skipWaiting(); });
self.addEventListener("activate", function (event) { event.waitUntil(self.clients.claim()); });
self.addEventListener("sync", function (event) {
  if (event.tag === "outbox") { event.waitUntil(self.box.flush().then(tell)); }
});
self.addEventListener("message", function (event) {
  if (event.data && event.data.keep) { event.waitUntil(keepAll(event.data.keep)); }
});
self.addEventListener("fetch", function (event) {
  var url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) { return; }
  if (url.pathname.indexOf("/static/") === 0) { event.respondWith(asset(event.request)); }
  else if (event.request.mode === "navigate" && isPage(url)) { event.respondWith(page(event.request, url)); }
});

function isPage(url) { return /^\/p\/[^/]+$/.test(url.pathname); }
function shelf() { return caches.open(SHELF); }

/* addresses of our own files change with their content, so what lies here is right */
function asset(request) {
  return shelf().then(function (kept) {
    return kept.match(request).then(function (found) {
      return found || fetch(request).then(function (answer) {
        if (answer.ok) { return replace(kept, request, answer); }
        return answer;
      });
    });
  });
}
function replace(kept, request, answer) {
  return kept.delete(request, {ignoreSearch: true})
    .then(function () { return kept.put(request, answer.clone()); })
    .then(function () { return answer; });
}

/* the network first; a network that only seems to be there is not waited for */
function page(request, url) {
  return shelf().then(function (kept) {
    var fresh = fetch(request).then(function (answer) {
      if (answer.ok && !answer.redirected) {
        return kept.put(url.pathname, answer.clone()).then(function () { return answer; });
      }
      if (answer.status === 404) { return kept.delete(url.pathname).then(function () { return answer; }); }
      return answer;
    });
    fresh.catch(function () { return null; });
    return kept.match(url.pathname).then(function (found) {
      if (!found) { return fresh; }
      var patience = new Promise(function (done) { setTimeout(done, PATIENCE_MS, found); });
      return Promise.race([fresh, patience]).catch(function () { return found; });
    });
  });
}
function keepAll(addresses) {
  return shelf().then(function (kept) {
    return Promise.all(addresses.map(function (address) {
      return fetch(address).then(function (answer) {
        return answer.ok ? kept.put(address, answer) : null;
      }).catch(function () { return null; });
    }));
  });
}
function tell(told) {
  return self.clients.matchAll().then(function (pages) {
    pages.forEach(function (one) { one.postMessage({sent: told}); });
  });
}
