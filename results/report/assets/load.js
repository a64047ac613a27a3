"use strict";
// Data files are scripts that call report(name, value): the one kind of file that a page on disk may load.
const Data = (() => {
  const waiting = new Map();
  const kept = new Map();
  let version = "";

  window.report = (name, value) => {
    const one = waiting.get(name);
    if (one) one.resolve(value);
  };

  /** The value of data/NAME.js. Rejects where there is no such file. */
  function load(name) {
    if (kept.has(name)) return kept.get(name);
    const promise = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const end = (settle) => (value) => {
        waiting.delete(name);
        script.remove();
        settle(value);
      };
      waiting.set(name, { resolve: end(resolve) });
      script.onerror = () => end(reject)(new Error(`data/${name}.js cannot be loaded`));
      script.src = `data/${name.split("/").map(encodeURIComponent).join("/")}.js${version}`;
      document.head.append(script);
    });
    kept.set(name, promise);
    promise.catch(() => kept.delete(name));
    return promise;
  }

  /** Forgets everything: the files have been written anew. */
  function renew(stamp) {
    version = `?v=${encodeURIComponent(stamp)}`;
    kept.clear();
  }

  return { load, renew };
})();

/** An element with text, never HTML: what models, datasets and judges wrote stays text. */
function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  if (text !== "") made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
