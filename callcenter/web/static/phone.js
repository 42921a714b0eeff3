/* The test phone: plays what the line says, and tells it what the caller does. The server knows
   where the call is; this page only performs one action at a time. */
(function () {
  "use strict";
  var root = document.getElementById("phone");
  if (!root) { return; }
  var words = root.dataset;
  var said = document.getElementById("phone-said");
  var state = document.getElementById("phone-state");
  var sample = document.getElementById("phone-sample");
  var dial = document.getElementById("phone-dial");
  var hang = document.getElementById("phone-hang");
  var audio = new Audio();
  var doing = null, timer = null, typed = "", ear = null, taking = null, turn = 0;

  function line(text, own) {
    var item = document.createElement("li");
    item.textContent = text;
    item.className = own ? "next" : "";
    said.appendChild(item);
    item.scrollIntoView({ block: "nearest" });
  }
  function busy(on) {
    dial.disabled = on;
    hang.disabled = !on;
    root.querySelectorAll("[data-key]").forEach(function (button) { button.disabled = !on; });
  }
  function quiet() {
    turn += 1;  // a sound that was cut goes on to nothing
    audio.pause();
    clearTimeout(timer);
  }
  function send(address, body, type) {
    quiet();
    return fetch(address, {
      method: "POST", body: body,
      headers: { "X-CSRFToken": words.token, "Content-Type": type }
    }).then(function (answer) {
      if (!answer.ok) { throw new Error(String(answer.status)); }
      return answer.json();
    }).then(perform).catch(lost);
  }
  function lost() {
    doing = null;
    state.textContent = words.lost;
    busy(false);
  }
  function tell(keys, gone) {
    var form = new URLSearchParams({ step: doing.step, keys: keys, gone: gone ? "1" : "" });
    if (keys || gone) { line(gone ? "☎" : keys, true); }
    send(doing.address, form.toString(), "application/x-www-form-urlencoded");
  }

  /* one action at a time */
  function perform(next) {
    doing = next;
    typed = "";
    state.textContent = "";
    next.texts.forEach(function (text) { line(text, false); });
    if (next.kind === "end") { return ended(); }
    if (next.kind === "record") { return record(); }
    play(0);
  }
  function ended() {
    line(words.over + " " + doing.id, true);
    doing = null;
    busy(false);
  }
  function play(index) {
    var mine = turn += 1;
    function next() { if (mine === turn) { play(index + 1); } }
    if (index >= doing.sounds.length) { return played(); }
    audio.src = doing.sounds[index];
    audio.onended = audio.onerror = next;
    audio.play().catch(next);
  }
  function played() {
    if (doing.kind === "bridge") {
      state.textContent = words.connecting;
      timer = setTimeout(function () { line(words.nobody, false); tell("", false); }, 2000);
    } else {
      timer = setTimeout(function () { tell(typed, false); }, (doing.wait_s || 0) * 1000);
    }
  }
  function press(key) {
    if (!doing) { return; }
    if (doing.kind === "record") {
      if (taking) { finish("key", key); }
    } else if (doing.kind === "type") {
      quiet();
      typed += key;
      if (key === "*" || key === "#" || typed.length === doing.most) { return tell(typed, false); }
      timer = setTimeout(function () { tell(typed, false); }, doing.wait_s * 1000);
    } else if (doing.kind !== "bridge" && doing.keys.indexOf(key) >= 0) {
      tell(key, false);
    }
  }

  /* recording: what the microphone hears as a WAV file, or the ready-made sample */
  function clip(query, body) {
    var address = doing.address + "/clip?" + new URLSearchParams(Object.assign({ step: doing.step }, query));
    send(address, body, "audio/wav");
  }
  function record() {
    if (sample.checked || !ear) {
      line(words.sample, true);
      return clip({ sample: "1", ended: "silence" }, "");
    }
    state.textContent = words.recording;
    taking = { blocks: [], silent: 0, count: 0 };
  }
  function heard(event) {
    var rate = ear.context.sampleRate;
    var sum = 0;
    if (!taking) { return; }
    event.data.forEach(function (value) { sum += value * value; });
    taking.blocks.push(event.data);
    taking.count += event.data.length;
    taking.silent = Math.sqrt(sum / event.data.length) > 0.01 ? 0 : taking.silent + event.data.length;
    if (taking.silent > doing.silence_s * rate) { finish("silence", ""); }
    else if (taking.count > doing.max_s * rate) { finish("timeout", ""); }
  }
  function finish(how, key) {
    var wave = wav(taking.blocks, taking.count, ear.context.sampleRate);
    taking = null;
    if (key) { line(key, true); }
    clip({ ended: how, key: key }, wave);
  }
  function wav(blocks, count, rate) {
    var view = new DataView(new ArrayBuffer(44 + 2 * count));
    var at = 44;
    function text(from, value) {
      for (var i = 0; i < value.length; i++) { view.setUint8(from + i, value.charCodeAt(i)); }
    }
    text(0, "RIFF"); view.setUint32(4, 36 + 2 * count, true); text(8, "WAVEfmt ");
    view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
    view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true);
    view.setUint16(32, 2, true); view.setUint16(34, 16, true);
    text(36, "data"); view.setUint32(40, 2 * count, true);
    blocks.forEach(function (block) {
      block.forEach(function (value) {
        view.setInt16(at, Math.max(-1, Math.min(1, value)) * 32767, true);
        at += 2;
      });
    });
    return view.buffer;
  }
  function listen() {
    if (ear || sample.checked || !navigator.mediaDevices) { return Promise.resolve(); }
    return navigator.mediaDevices.getUserMedia({ audio: true }).then(function (stream) {
      var context = new AudioContext();
      return context.audioWorklet.addModule(words.ear).then(function () {
        var node = new AudioWorkletNode(context, "ear");
        node.port.onmessage = heard;  // from the start: what waits in the port is not recorded
        context.createMediaStreamSource(stream).connect(node);
        ear = { context: context, node: node };
      });
    }).catch(function () { sample.checked = true; });
  }

  dial.addEventListener("click", function () {
    busy(true);
    said.textContent = "";
    document.getElementById("phone-idle").hidden = true;
    listen().then(function () { send(words.dial, "", "application/x-www-form-urlencoded"); });
  });
  hang.addEventListener("click", function () {
    taking = null;
    if (doing) { tell("", true); } else { busy(false); }
  });
  root.querySelectorAll("[data-key]").forEach(function (button) {
    button.addEventListener("click", function () { press(button.dataset.key); });
  });
  document.addEventListener("keydown", function (event) {
    if (doing && !event.ctrlKey && !event.altKey && !event.metaKey && /^[0-9*#]$/.test(event.key)) {
      press(event.key);
    }
  });
})();
