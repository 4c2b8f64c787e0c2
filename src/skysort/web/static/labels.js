// Likely wrong labels of a run: a person says of each picture what it shows. Answers are recorded one by one.

import { html, percent, post, render, useState, word } from "./dom.js";

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
    <p role="status">${num ? word("%(num)s of %(all)s answered.", { num, all: data.pictures.length }) : ""}</p>
    ${failed && html`<p class="failed" role="alert">${word("Not recorded: %(why)s", { why: failed })}</p>`}
    <ul class="pictures suspects">
      ${data.pictures.map((one) => html`<${Suspect} key=${one.path} ...${one} answer=${answers[one.picture]} answered=${(label) => answer(one.picture, label)} />`)}
    </ul>
    ${num > 0 && html`<h2>${word("Learn from your answers")}</h2><pre tabindex="0"><code>${data.command}</code></pre>`}`;
}

function Suspect({ picture, path, label, probability, likelier, likelier_probability, answer, answered }) {
  return html`<li><figure>
    ${picture && html`<img src=${`/pictures/${picture}/small`} width="176" height="176" loading="lazy" alt=${path} />`}
    <figcaption><span>${word("label")} <b><bdi>${label}</bdi></b> ${percent(probability)}</span>
      <span>${word("likelier")} <b><bdi>${likelier}</bdi></b> ${percent(likelier_probability)}</span>
      <span class="quiet path"><bdi>${path}</bdi></span></figcaption>
    ${picture && canAnswer && (answer ? html`<p><strong>${word("It is %(label)s", { label: answer })}</strong></p>
      <button type="button" onClick=${() => answered("")}>${word("Take back")}</button>` : html`<div class="answers">
      <button type="button" onClick=${() => answered(label)}>${word("It is %(label)s", { label })}</button>
      <button type="button" class="main" onClick=${() => answered(likelier)}>${word("It is %(label)s", { label: likelier })}</button>
      ${data.classes.length > 2 && html`<label>${word("Another")} <select onChange=${(event) => answered(event.target.value)}><option value=""></option>
        ${data.classes.filter((name) => name !== label && name !== likelier).map((name) => html`<option key=${name}>${name}</option>`)}</select></label>`}
    </div>`)}
  </figure></li>`;
}

const place = document.getElementById("labels");
place.replaceChildren();
render(html`<${Labels} />`, place);
