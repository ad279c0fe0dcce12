// What a page of another site may try, to read what a recorder serves: each attempt by its name.
async (there) => {
  const seen = {};
  const tell = (name, promise) => promise.then((value) => (seen[name] = value), () => (seen[name] = "refused"));
  const load = (tag, name, source) => new Promise((resolve) => {
    const made = document.createElement(tag);
    made.onload = () => resolve(tag === "iframe" ? "loaded" : "read");
    made.onerror = () => resolve("refused");
    made[name] = source;
    document.body.append(made);
  });
  await Promise.all([
    tell("fetch", fetch(there + "/v1/status").then((answer) => answer.text())),
    tell("no-cors", fetch(there + "/v1/status", { mode: "no-cors" }).then((answer) => answer.type + answer.status)),
    tell("post", fetch(there + "/v1/status", { method: "POST", body: "x" }).then((answer) => answer.text())),
    tell("script", load("script", "src", there + "/main.js")),
    tell("style", load("script", "src", there + "/v1/products")),
    tell("image", load("img", "src", there + "/icon.svg")),
    tell("stream", new Promise((resolve, reject) => {
      const source = new EventSource(there + "/v1/stream");
      source.onopen = () => resolve("read");
      source.onerror = () => { source.close(); reject(new Error()); };
    })),
  ]);
  await load("iframe", "src", there + "/");
  return seen;
}
