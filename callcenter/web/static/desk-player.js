/* The recordings: waveform, speed, skip, loop, and keys that work while typing. The browser's own
   player stays where this script does not run. */
(function () {
  "use strict";
  var clips = Array.prototype.slice.call(document.querySelectorAll(".clip[data-peaks]"));
  var deck = document.getElementById("deck");
  if (!clips.length || !deck) { return; }
  var active = clips[0], loop = null, held = null;
  var ROLL_S = 1, IDLE_MS = 900, LOOP_S = 5, STEP_S = 3;
  var SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
  var speed = deck.querySelector("select"), loopKey = deck.querySelector("[data-do=loop]");
  var pausing = deck.querySelector("input");
  deck.hidden = false;

  function audioOf(clip) { return clip.querySelector("audio"); }
  function audio() { return audioOf(active); }
  function face(seconds) {
    var whole = Math.floor(seconds || 0);
    return Math.floor(whole / 60) + ":" + (whole % 60 < 10 ? "0" : "") + whole % 60;
  }
  function remembered(name, usual) { return localStorage.getItem(name) || usual; }

  clips.forEach(function (clip) {
    var sound = audioOf(clip), canvas = document.createElement("canvas"), peaks = [];
    var wave = document.createElement("div"), play = document.createElement("button");
    var length = Number(clip.dataset.seconds), place = "at:" + sound.getAttribute("src");
    sound.controls = false;
    play.type = "button";
    play.className = "play";
    play.textContent = "▶";
    play.setAttribute("aria-label", deck.dataset.play + ": " + sound.getAttribute("aria-label"));
    wave.className = "wave";
    wave.tabIndex = 0;
    wave.setAttribute("role", "slider");
    wave.setAttribute("aria-label", sound.getAttribute("aria-label"));
    wave.setAttribute("aria-valuemin", "0");
    wave.setAttribute("aria-valuemax", String(Math.round(length)));
    wave.appendChild(canvas);
    sound.before(play, wave);

    function draw() {
      var ratio = window.devicePixelRatio || 1, style = getComputedStyle(wave);
      var width = wave.clientWidth, height = wave.clientHeight, pen = canvas.getContext("2d");
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      pen.scale(ratio, ratio);
      var total = sound.duration || length || 1, done = sound.currentTime / total * width;
      if (loop && clip === active) {
        pen.fillStyle = style.getPropertyValue("--warn-bg");
        pen.fillRect(loop[0] / total * width, 0, (loop[1] - loop[0]) / total * width, height);
      }
      for (var x = 0; x < width; x += 3) {
        var peak = (peaks[Math.floor(x / width * peaks.length)] || 0) / 255;
        var bar = Math.max(2, Math.sqrt(peak) * (height - 4));
        pen.fillStyle = style.getPropertyValue(x < done ? "--accent" : "--field");
        pen.fillRect(x, (height - bar) / 2, 2, bar);
      }
      pen.fillStyle = style.getPropertyValue("--danger");
      pen.fillRect(Math.min(done, width - 2), 0, 2, height);
      wave.setAttribute("aria-valuenow", String(Math.round(sound.currentTime)));
      wave.setAttribute("aria-valuetext", face(sound.currentTime) + " / " + face(total));
      clip.querySelector("[data-time]").textContent = face(sound.currentTime) + " / " + face(total);
    }
    clip.draw = draw;
    var at = Number(remembered(place, 0));
    if (at > 0 && at < length - 0.5) { sound.currentTime = at; }
    fetch(clip.dataset.peaks).then(function (answer) { return answer.ok ? answer.json() : []; })
      .then(function (found) { peaks = found; draw(); }, function () { return null; });
    new ResizeObserver(draw).observe(wave);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

    sound.addEventListener("timeupdate", function () {
      if (loop && clip === active && sound.currentTime >= loop[1]) { sound.currentTime = loop[0]; }
      localStorage.setItem(place, String(Math.round(sound.currentTime * 10) / 10));
      draw();
    });
    sound.addEventListener("seeked", draw);
    sound.addEventListener("play", function () {
      clips.forEach(function (other) { if (other !== clip) { audioOf(other).pause(); } });
      if (active !== clip) { loop = null; }
      active = clip;
      sound.playbackRate = Number(speed.value);
      play.textContent = "❚❚";
    });
    sound.addEventListener("pause", function () { play.textContent = "▶"; });
    sound.addEventListener("ended", function () { localStorage.removeItem(place); });
    play.addEventListener("click", function () { active = clip; toggle(); });
    wave.addEventListener("pointerdown", function (event) {
      active = clip;
      seek((event.clientX - wave.getBoundingClientRect().left) / wave.clientWidth * (sound.duration || length));
    });
    wave.addEventListener("keydown", function (event) {
      var step = { ArrowLeft: -STEP_S, ArrowRight: STEP_S }[event.key];
      if (event.key === " ") { active = clip; toggle(); } else if (step) { active = clip; skip(step); } else { return; }
      event.preventDefault();
    });
  });

  function seek(seconds) { audio().currentTime = Math.max(0, seconds); }
  function skip(seconds) { seek(audio().currentTime + seconds); }
  function toggle() {
    held = null;
    if (audio().paused) { audio().play().catch(function () { return null; }); } else { audio().pause(); }
  }
  function faster(way) {
    var next = SPEEDS.indexOf(Number(speed.value)) + way;
    if (next < 0 || next >= SPEEDS.length) { return; }
    speed.value = String(SPEEDS[next]);
    setSpeed();
  }
  function setSpeed() {
    clips.forEach(function (clip) { audioOf(clip).playbackRate = Number(speed.value); });
    localStorage.setItem("speed", speed.value);
  }
  function around() {
    var now = audio().currentTime;
    loop = loop ? null : [Math.max(0, now - LOOP_S), Math.max(now, 1)];
    loopKey.setAttribute("aria-pressed", String(Boolean(loop)));
    active.draw();
  }
  speed.value = remembered("speed", "1");
  speed.addEventListener("change", setSpeed);
  pausing.checked = remembered("pausing", "on") === "on";
  pausing.addEventListener("change", function () { localStorage.setItem("pausing", pausing.checked ? "on" : "off"); });

  var verbs = {
    play: toggle,
    back: function () { skip(-STEP_S); },
    ahead: function () { skip(STEP_S); },
    slower: function () { faster(-1); },
    faster: function () { faster(1); },
    loop: around
  };
  deck.querySelectorAll("[data-do]").forEach(function (button) {
    button.addEventListener("click", function () { verbs[button.dataset.do](); });
  });
  var KEYS = { KeyP: "play", KeyJ: "back", KeyL: "ahead", Comma: "slower", Period: "faster", KeyR: "loop" };
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey) { return; }
    var verb = event.altKey ? KEYS[event.code] : event.code === "F8" ? "play" : null;
    if (verb) {
      event.preventDefault();
      verbs[verb]();
    } else if (!event.altKey) { whileTyping(event); }
  });

  /* typing pauses, rolls back a little, and goes on when the fingers rest */
  function whileTyping(event) {
    var field = event.target.closest("textarea, input:not([type=radio], [type=checkbox])");
    var writes = event.key.length === 1 || event.key === "Backspace" || event.key === "Enter";
    if (!field || !writes || !pausing.checked) { return; }
    if (!audio().paused) {
      audio().pause();
      skip(-ROLL_S);
      held = active;
    }
    if (held) {
      clearTimeout(held.rest);
      held.rest = setTimeout(function () {
        if (held === active && audio().paused) { audio().play().catch(function () { return null; }); }
        held = null;
      }, IDLE_MS);
    }
  }
})();
