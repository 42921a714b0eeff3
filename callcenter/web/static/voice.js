/* Records a prompt in the page: the microphone's sound, or a file that only a browser reads, goes
   as a plain WAV file into the form's own field. Without a microphone the field is still there. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-voice]");
  var RATE = 16000;
  var LONGEST_S = 60;
  if (!form || !window.AudioContext || !window.OfflineAudioContext || !window.DataTransfer) { return; }
  var field = form.elements.recording;
  var panel = document.getElementById("recorder");
  var take = document.getElementById("take");
  var hear = document.getElementById("hear");
  var clock = document.getElementById("clock");
  var level = document.getElementById("level");
  var told = document.getElementById("told");
  var sound = null;
  var context = null;
  var stop = null;
  var playing = null;

  function audio() {
    context = context || new AudioContext();
    return context.resume().then(function () { return context; });
  }
  function say(words) { told.textContent = words || ""; }

  /* whatever the browser can decode, as one channel of 16 bit samples */
  function asWave(data) {
    return audio().then(function (running) { return running.decodeAudioData(data); })
      .then(function (decoded) {
        var frames = Math.max(1, Math.ceil(decoded.duration * RATE));
        var mixer = new OfflineAudioContext(1, frames, RATE);
        var source = mixer.createBufferSource();
        source.buffer = decoded;
        source.connect(mixer.destination);
        source.start();
        return mixer.startRendering();
      });
  }
  function fileOf(buffer) {
    var samples = buffer.getChannelData(0);
    var bytes = new DataView(new ArrayBuffer(44 + samples.length * 2));
    function text(at, words) {
      for (var i = 0; i < words.length; i += 1) { bytes.setUint8(at + i, words.charCodeAt(i)); }
    }
    text(0, "RIFF"); bytes.setUint32(4, 36 + samples.length * 2, true); text(8, "WAVEfmt ");
    bytes.setUint32(16, 16, true); bytes.setUint16(20, 1, true); bytes.setUint16(22, 1, true);
    bytes.setUint32(24, RATE, true); bytes.setUint32(28, RATE * 2, true);
    bytes.setUint16(32, 2, true); bytes.setUint16(34, 16, true);
    text(36, "data"); bytes.setUint32(40, samples.length * 2, true);
    samples.forEach(function (sample, at) {
      var whole = Math.max(-1, Math.min(1, sample));
      bytes.setInt16(44 + at * 2, Math.round(whole * 32767), true);
    });
    return new File([bytes.buffer], "recording.wav", {type: "audio/wav"});
  }
  function putIntoField(buffer) {
    var holder = new DataTransfer();
    holder.items.add(fileOf(buffer));
    field.files = holder.files;
    sound = buffer;
    hear.hidden = false;
    say(panel.dataset.ready);
  }
  function use(data) {
    return asWave(data).then(putIntoField, function () { say(panel.dataset.broken); });
  }

  /* a file of a kind that the server does not read is turned into one that it does */
  field.addEventListener("change", function () {
    var file = field.files[0];
    hear.hidden = true;
    say("");
    if (file && /\.(webm|m4a|mp4|aac|opus|3gp)$/i.test(file.name)) {
      file.arrayBuffer().then(asWave).then(putIntoField, function () { return null; });
    }
  });

  hear.addEventListener("click", function () {
    audio().then(function (running) {
      if (playing) { playing.stop(); }
      playing = running.createBufferSource();
      playing.buffer = sound;
      playing.connect(running.destination);
      playing.start();
    });
  });

  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia || !window.MediaRecorder) { return; }
  panel.hidden = false;
  take.addEventListener("click", function () {
    if (stop) { stop(); return; }
    take.disabled = true;
    say("");
    navigator.mediaDevices.getUserMedia({audio: {echoCancellation: false, autoGainControl: false}})
      .then(listen, function () { say(panel.dataset.refused); })
      .then(function () { take.disabled = false; });
  });

  function listen(stream) {
    return audio().then(function (running) {
      var recorder = new MediaRecorder(stream);
      var parts = [];
      var began = Date.now();
      var ear = running.createAnalyser();
      running.createMediaStreamSource(stream).connect(ear);
      var heard = new Float32Array(ear.fftSize);
      var timer = setInterval(function () {
        var seconds = Math.floor((Date.now() - began) / 1000);
        clock.textContent = Math.floor(seconds / 60) + ":" + (seconds % 60 < 10 ? "0" : "") + seconds % 60;
        ear.getFloatTimeDomainData(heard);
        level.value = heard.reduce(function (most, one) { return Math.max(most, Math.abs(one)); }, 0);
        if (seconds >= LONGEST_S) { stop(); }
      }, 100);
      stop = function () { stop = null; clearInterval(timer); recorder.stop(); };
      recorder.addEventListener("dataavailable", function (event) { parts.push(event.data); });
      recorder.addEventListener("stop", function () {
        stream.getTracks().forEach(function (track) { track.stop(); });
        take.textContent = panel.dataset.start;
        level.value = 0;
        new Blob(parts).arrayBuffer().then(use);
      });
      recorder.start();
      hear.hidden = true;
      take.textContent = panel.dataset.stop;
    });
  }
})();
