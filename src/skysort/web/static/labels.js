// Likely wrong labels of a run: a person says of each picture what it shows. Answers are recorded one by one.

import { html, percent, post, render, useState } from "./dom.js";

const data = JSON.parse(document.getElementById("suspects").textContent);
const canAnswer = !data.why_not && !data.is_opening;

function Labels() {
  const [answers, setAnswers] = useState(Object.fromEntries(data.pictures.map((one) => [one.picture, one.answer])));
  const [failed, setFailed] = useState("");
  const num = Object.values(answers).filter(Boolean).length;

  async function answer(picture, label) {
    const before = answers[picture];
    setAnswers((now) => ({ ...now, [picture]: label || null }));
    try {
      await post(`/api/trust/${encodeURIComponent(data.run)}/labels`, { picture, label });
      setFailed("");
    } catch (error) {
      setAnswers((now) => ({ ...now, [picture]: before }));
      setFailed(error.message);
    }
  }

  return html`
    <p role="status">${num ? `${num} of ${data.pictures.length} answered.` : ""}</p>
    ${failed && html`<p class="failed" role="alert">Not recorded: ${failed}</p>`}
    <ul class="pictures suspects">
      ${data.pictures.map((one) => html`<${Suspect} key=${one.path} ...${one} answer=${answers[one.picture]} answered=${(label) => answer(one.picture, label)} />`)}
    </ul>
    ${num > 0 && html`<h2>Learn from your answers</h2><pre tabindex="0"><code>${data.command}</code></pre>`}`;
}

function Suspect({ picture, path, label, probability, likelier, likelier_probability, answer, answered }) {
  return html`<li><figure>
    ${picture && html`<img src=${`/pictures/${picture}/small`} width="176" height="176" loading="lazy" alt=${path} />`}
    <figcaption><span>label <b><bdi>${label}</bdi></b> ${percent(probability)}</span>
      <span>likelier <b><bdi>${likelier}</bdi></b> ${percent(likelier_probability)}</span>
      <span class="quiet path"><bdi>${path}</bdi></span></figcaption>
    ${picture && canAnswer && (answer ? html`<p><strong>It is <bdi>${answer}</bdi></strong></p>
      <button type="button" onClick=${() => answered("")}>Take back</button>` : html`<div class="answers">
      <button type="button" onClick=${() => answered(label)}>It is <bdi>${label}</bdi></button>
      <button type="button" class="main" onClick=${() => answered(likelier)}>It is <bdi>${likelier}</bdi></button>
      ${data.classes.length > 2 && html`<label>Another <select onChange=${(event) => answered(event.target.value)}><option value=""></option>
        ${data.classes.filter((name) => name !== label && name !== likelier).map((name) => html`<option key=${name}>${name}</option>`)}</select></label>`}
    </div>`)}
  </figure></li>`;
}

const place = document.getElementById("labels");
place.replaceChildren();
render(html`<${Labels} />`, place);
