/* The map with a pin. Leaflet is only loaded when the map is opened; without tiles it shows a grid
   of latitudes and longitudes. The text field is what counts: the pin follows it, and moves it. */
(function () {
  "use strict";
  var box = document.getElementById("map-box"), field = document.getElementById("position");
  if (!box || !field) { return; }
  var told = box.dataset, map = null, pin = null, grid = null;
  var bounds = JSON.parse(told.bounds);
  box.hidden = false;
  box.addEventListener("toggle", function () {
    if (!box.open) { return; }
    if (map) { map.invalidateSize(); return; }
    var style = document.createElement("link"), script = document.createElement("script");
    style.rel = "stylesheet";
    style.href = told.css;
    script.src = told.js;
    style.addEventListener("load", function () { document.head.appendChild(script); });
    script.addEventListener("load", draw);
    document.head.appendChild(style);
  });

  function read(text) {
    var found = /^\s*(?:geo:)?([+-]?\d{1,3}(?:\.\d+)?)\s*[,;\s]\s*([+-]?\d{1,3}(?:\.\d+)?)\s*$/.exec(text);
    return found ? window.L.latLng(Number(found[1]), Number(found[2])) : null;
  }
  function draw() {
    var L = window.L, node = document.getElementById("map");
    var all = L.latLngBounds([bounds[0], bounds[1]], [bounds[2], bounds[3]]);
    map = L.map(node, { keyboard: false, zoomAnimation: false, fadeAnimation: false, maxBounds: all.pad(0.5), minZoom: 8, maxZoom: 19 });
    map.attributionControl.setPrefix("");
    map.zoomControl.setPosition("topright");
    node.querySelector(".leaflet-control-zoom-in").title = told.nearer;
    node.querySelector(".leaflet-control-zoom-in").setAttribute("aria-label", told.nearer);
    node.querySelector(".leaflet-control-zoom-out").title = told.wider;
    node.querySelector(".leaflet-control-zoom-out").setAttribute("aria-label", told.wider);
    if (told.tiles) { L.tileLayer(told.tiles, { attribution: told.credit, maxZoom: 19 }).addTo(map); }
    L.rectangle(all, { className: "edge", fill: false, interactive: false }).addTo(map);
    grid = L.layerGroup().addTo(map);
    map.on("moveend", lines);
    var there = read(field.value);
    if (there) { map.setView(there, 16); put(there); } else { map.fitBounds(all); }
    map.on("click", function (event) { if (!field.disabled) { set(event.latlng); } });
    node.addEventListener("keydown", key);
    node.dataset.ready = "yes";
  }

  /* the lines of the grid, as many as a person can read, with their degrees */
  function lines() {
    var L = window.L, seen = map.getBounds(), step = 1;
    [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001].forEach(function (size) {
      if ((seen.getEast() - seen.getWest()) / size <= 8) { step = size; }
    });
    var digits = Math.max(0, Math.ceil(-Math.log10(step)));
    grid.clearLayers();
    function each(from, to, line) {
      for (var n = Math.ceil(from / step); n * step <= to; n += 1) { line(n * step, (n * step).toFixed(digits)); }
    }
    function label(at, words) {
      L.marker(at, { interactive: false, keyboard: false, icon: L.divIcon({ className: "degree", html: words, iconSize: null }) }).addTo(grid);
    }
    each(seen.getSouth(), seen.getNorth(), function (at, words) {
      L.polyline([[at, seen.getWest()], [at, seen.getEast()]], { className: "grid", interactive: false }).addTo(grid);
      label([at, seen.getWest()], words);
    });
    each(seen.getWest(), seen.getEast(), function (at, words) {
      L.polyline([[seen.getSouth(), at], [seen.getNorth(), at]], { className: "grid", interactive: false }).addTo(grid);
      label([seen.getSouth(), at], words);
    });
  }

  function put(at) {
    var L = window.L;
    if (!pin) {
      pin = L.marker(at, { draggable: !field.disabled, keyboard: false, icon: L.divIcon({ className: "pin", html: "", iconSize: [26, 26], iconAnchor: [13, 26] }) }).addTo(map);
      pin.on("dragend", function () { set(pin.getLatLng()); });
    }
    pin.setLatLng(at);
    if (!map.getBounds().pad(-0.1).contains(at)) { map.panTo(at, { animate: false }); }
  }
  function set(at) {
    put(at);
    field.value = at.lat.toFixed(5) + ", " + at.lng.toFixed(5);
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }
  field.addEventListener("change", function () {
    if (!map) { return; }
    var at = read(field.value);
    if (at) { put(at); } else if (pin) { pin.remove(); pin = null; }
  });

  /* arrows move the pin, Shift further; plus and minus change the scale */
  var WAYS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
  function key(event) {
    if (event.target.id !== "map" || event.altKey || event.ctrlKey || event.metaKey) { return; }
    if (event.key === "+" || event.key === "-") {
      event.preventDefault();
      map.setZoomAround(pin ? pin.getLatLng() : map.getCenter(), map.getZoom() + (event.key === "+" ? 1 : -1));
      return;
    }
    var way = WAYS[event.key];
    if (!way || field.disabled) { return; }
    event.preventDefault();
    var far = event.shiftKey ? 50 : 5;
    var from = map.latLngToContainerPoint(pin ? pin.getLatLng() : map.getCenter());
    set(map.containerPointToLatLng(from.add([way[0] * far, way[1] * far])));
  }
})();
