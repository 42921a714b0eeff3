/* Hands what the microphone hears to the page, block by block. */
registerProcessor("ear", class extends AudioWorkletProcessor {
  process(inputs) {
    if (inputs[0][0]) { this.port.postMessage(inputs[0][0].slice(0)); }
    return true;
  }
});
