// The page Try: dropped or chosen pictures go to the studio, and come back with labels and maps.

import { html, percent, post, render } from "./dom.js";

const form = document.getElementById("try");
const input = document.getElementById("files");
const drop = form.querySelector(".drop");
const state = document.getElementById("state");
const MOST = 64; // pictures per request, as the studio takes them
let tried = [];

async function tryOut(files) {
  if (!files.length) return;
  const run = document.getElementById("run").value;
  const form = new FormData();
  for (const file of [...files].slice(0, MOST)) form.append("picture", file);
  state.className = "";
  state.textContent = "Looking…";
  try {
    const found = await post(`/api/try/${encodeURIComponent(run)}`, form);
    tried = [...found.map((one) => ({ ...one, run })), ...tried];
    state.textContent = files.length > MOST ? `The first ${MOST} of ${files.length} pictures.` : "";
  } catch (error) {
    state.className = "failed";
    state.textContent = `Not tried: ${error.message}`;
  }
  render(html`${tried.map((one, at) => html`<${Tried} key=${tried.length - at} ...${one} />`)}`, document.getElementById("tried"));
}

function Tried({ name, run, status, label, reason, shares, actions, picture, evidence }) {
  return html`<article class="tried">
    ${picture && html`<figure><img src=${picture} alt=${name} /><figcaption><bdi>${name}</bdi></figcaption></figure>`}
    ${evidence && html`<figure><img src=${evidence} alt=${`Map of the evidence for ${shares[0][0]}`} />
      <figcaption>Orange: evidence for ${shares[0][0]}. Blue: against it.</figcaption></figure>`}
    <div>
      <h2>${label ?? status}</h2>
      ${reason && html`<p>${picture ? "" : `${name}: `}${reason}</p>`}
      ${shares.length > 0 && html`<table class="shares"><caption>Probabilities, by ${run}</caption><tbody>
        ${shares.slice(0, 5).map(([name, share]) => html`<tr><th scope="row"><bdi>${name}</bdi></th>
          <td><meter min="0" max="1" value=${share} aria-label=${name}></meter></td><td>${percent(share)}</td></tr>`)}
      </tbody></table>`}
      ${Object.entries(actions).map(([decision, action]) => html`<p>By ${decision}: <strong>${action}</strong></p>`)}
    </div>
  </article>`;
}

document.getElementById("without-scripts").remove();
form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
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
