// The page Try: dropped or chosen pictures, and those of a camera, go to the studio and come back with labels and maps.

import { html, percent, post, render, word } from "./dom.js";

const form = document.getElementById("try");
const input = document.getElementById("files");
const drop = form.querySelector(".drop");
const state = document.getElementById("state");
const MOST = 64; // pictures per request, as the studio takes them
let tried = [];
const statusWords = { ok: "", unknown: word("unknown"), unreadable: word("unreadable") };
const actionWords = { keep: word("keep"), "set-aside": word("set aside"), review: word("review") };

function tell(text, isFailure = false) {
  state.className = isFailure ? "failed" : "";
  state.textContent = text;
}

async function ask(files) {
  const run = document.getElementById("run").value;
  const form = new FormData();
  for (const [file, name] of files) form.append("picture", file, name);
  return (await post(`/api/try/${encodeURIComponent(run)}`, form)).map((one) => ({ ...one, run }));
}

async function tryOut(files) {
  if (!files.length) return;
  tell(word("Looking…"));
  try {
    tried = [...(await ask([...files].slice(0, MOST).map((file) => [file, file.name]))), ...tried];
    tell(files.length > MOST ? word("The first %(most)s of %(num)s pictures.", { most: MOST, num: files.length }) : "");
  } catch (error) {
    tell(word("Not tried: %(why)s", { why: error.message }), true);
  }
  render(html`${tried.map((one, at) => html`<${Tried} key=${tried.length - at} ...${one} />`)}`, document.getElementById("tried"));
}

function Tried({ name, run, status, label, reason, shares, actions, picture, evidence, nearest }) {
  return html`<article class="tried">
    ${picture && html`<figure><img src=${picture} alt=${name} /><figcaption><bdi>${name}</bdi></figcaption></figure>`}
    ${evidence && html`<figure><img src=${evidence} alt=${word("Map of the evidence for %(label)s", { label: shares[0][0] })} />
      <figcaption>${word("Orange: evidence for %(label)s. Blue: against it.", { label: shares[0][0] })}</figcaption></figure>`}
    <div>
      <h2>${label ?? statusWords[status]}</h2>
      ${reason && html`<p>${picture ? "" : `${name}: `}${reason}</p>`}
      ${shares.length > 0 && html`<table class="shares"><caption>${word("Probabilities, by %(run)s", { run })}</caption><tbody>
        ${shares.slice(0, 5).map(([name, share]) => html`<tr><th scope="row"><bdi>${name}</bdi></th>
          <td><meter min="0" max="1" value=${share} aria-label=${name}></meter></td><td>${percent(share)}</td></tr>`)}
      </tbody></table>`}
      ${Object.entries(actions).map(([decision, action]) => html`<p>${word("By %(decision)s:", { decision })} <strong>${actionWords[action]}</strong></p>`)}
    </div>
    ${nearest.length > 0 && html`<div class="nearest"><h3>${word("The pictures it learned from that are most like this one")}</h3>
      <ul>${nearest.map((one) => html`<li key=${one.picture}><figure><img src=${`/pictures/${one.picture}/small`} alt="" />
        <figcaption><bdi>${one.label}</bdi></figcaption></figure></li>`)}</ul></div>`}
  </article>`;
}

// The camera. One picture is under way at a time, and at most so many a second.
const camera = document.getElementById("camera");
const video = camera.querySelector("video");
const button = document.getElementById("camera-button");
const MOST_A_SECOND = 4;
const SIDE = 720; // of a picture that is sent, in pixels at most
let stream = null;

async function start() {
  if (!navigator.mediaDevices) {
    return tell(word("The browser lends its camera only to pages at localhost, or over https."), true);
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    return tell(word("No camera: %(why)s", { why: error.message }), true);
  }
  button.textContent = word("Stop the camera");
  camera.hidden = false;
  video.srcObject = stream;
  await video.play();
  watch(stream);
}

function stop() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  video.srcObject = null;
  camera.hidden = true;
  button.textContent = word("Use the camera");
}

async function watch(own) {
  const live = document.getElementById("live");
  while (stream === own) {
    const next = new Promise((resolve) => setTimeout(resolve, 1000 / MOST_A_SECOND));
    try {
      if (!document.hidden) {
        const [one] = await ask([[await frame(), "camera"]]);
        if (stream === own) render(html`<${Tried} ...${one} picture=${null} />`, live);
        tell("");
      }
    } catch (error) {
      if (stream !== own) return;
      stop();
      return tell(word("The camera has stopped: %(why)s", { why: error.message }), true);
    }
    await next;
  }
}

function frame() {
  const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
  const canvas = new OffscreenCanvas(Math.round(scale * video.videoWidth), Math.round(scale * video.videoHeight));
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
}

document.getElementById("without-scripts").remove();
form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
button.addEventListener("click", () => (stream ? stop() : start()));
input.addEventListener("change", () => {
  tryOut(input.files).then(() => (input.value = ""));
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop") tryOut(event.dataTransfer.files);
  });
}
