// The page of a run: cells of the matrix open their pictures below it, and a slider finds a promise.
// The studio computes every figure. This page only shows them.

import { html, number, percent, post, render, useEffect, useRef, useState, word } from "./dom.js";

const data = JSON.parse(document.getElementById("trust").textContent);
const here = encodeURIComponent(data.run);
const SECONDS_BETWEEN_TRIES = 1.5;
const pause = () => new Promise((resolve) => setTimeout(resolve, 1000 * SECONDS_BETWEEN_TRIES));

// A cell's pictures have a page of their own. With scripts, it opens below the matrix.
const place = document.getElementById("pictures");
let wanted = "";

async function open(path) {
  wanted = path;
  const answer = await fetch(path);
  const cell = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("cell");
  if (wanted !== path) return;
  if (!cell) return location.assign(path); // an error, which has a page of its own
  const heading = document.createElement("h3");
  heading.append(...cell.querySelector("h1").childNodes);
  heading.id = "cell-name";
  heading.tabIndex = -1;
  cell.querySelector("h1").replaceWith(heading);
  const isAgain = cell.querySelector("[data-again]");
  place.replaceChildren(cell);
  heading.focus();
  if (isAgain) pause().then(() => wanted === path && open(path));
}

document.querySelector("[aria-labelledby='confusion']").addEventListener("click", (event) => {
  const link = event.target.closest("td a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(link.getAttribute("href"));
});

// The slider. Each position is the promise that `skysort decide` would make.
function Promises() {
  const [keep, setKeep] = useState(data.decisions.at(-1)?.keep ?? []);
  const [confidence, setConfidence] = useState(data.confidences[0]);
  const [steps, setSteps] = useState([]);
  const [at, setAt] = useState(0);
  const [looks, setLooks] = useState(0);
  const [said, setSaid] = useState("");
  const [failed, setFailed] = useState("");
  const [isDeciding, setDeciding] = useState(false);
  const last = useRef(0);

  useEffect(() => {
    const number = ++last.current;
    const isLast = () => number === last.current;
    setFailed("");
    setSteps([]);
    setSaid("");
    if (!keep.length) return;
    find(keep, confidence.value, isLast, setSaid)
      .then((found) => isLast() && (setSteps(found), setAt(0), setLooks((sum) => sum + 1), setSaid("")))
      .catch((error) => isLast() && (setFailed(error.message), setSaid("")));
  }, [keep.join("\n"), confidence]);

  async function decide() {
    setDeciding(true);
    setFailed("");
    try {
      await post(`/api/trust/${here}/decision`, { keep, confidence: confidence.value, lose_at_most: steps[at].lose_at_most });
      location.hash = "decisions";
      location.reload();
    } catch (error) {
      setDeciding(false);
      setFailed(error.message);
    }
  }

  const toggle = (name) => setKeep(keep.includes(name) ? keep.filter((other) => other !== name) : data.classes.filter((other) => other === name || keep.includes(other)));
  const step = steps[at];
  return html`<div class="promise">
    <fieldset><legend>${word("Classes that must not be lost")}</legend><div>
      ${data.classes.map((name) => html`<label key=${name}><input type="checkbox" checked=${keep.includes(name)} onChange=${() => toggle(name)} /><bdi>${name}</bdi></label>`)}
    </div></fieldset>
    <p><label>${word("How sure the promise must be")}
      <select onChange=${(event) => setConfidence(data.confidences[event.target.selectedIndex])}>
        ${data.confidences.map((one) => html`<option key=${one.value} selected=${one === confidence}>
          ${figure(one.value)}: ${one.looks === 1 ? word("a promise chosen before its result") : word("the best of up to %(num)s results", { num: one.looks })}</option>`)}
      </select></label></p>
    ${failed && html`<p class="failed" role="alert">${failed}</p>`}
    <p class="quiet" role="status">${said}</p>
    ${step && html`
      <p><label for="lose">${word("Largest share lost of %(kept)s:", { kept: list(keep) })} <strong>${figure(step.lose_at_most)}</strong></label>
        <input id="lose" type="range" min="0" max=${steps.length - 1} value=${at} aria-valuetext=${word("at most %(share)s", { share: figure(step.lose_at_most) })}
          onInput=${(event) => setAt(Number(event.target.value))} onChange=${() => setLooks(looks + 1)} /></p>
      <${Warning} looks=${looks} confidence=${confidence} />
      <${Consequences} step=${step} keep=${keep} />
      <${Tradeoff} steps=${steps} at=${at} />
      <details><summary>${word("In words")}</summary>${step.sentences.map((sentence) => html`<p>${sentence}</p>`)}</details>
      <p>${replaced(keep)}</p>
      <p><button type="button" class="main" disabled=${isDeciding} onClick=${decide}>${isDeciding ? word("Deciding, and measuring on the test split…") : word("Make this decision")}</button></p>
      <p class="quiet">${word("The same in a terminal:")}</p>
      <pre tabindex="0"><code>${step.command}</code></pre>`}
  </div>`;
}

async function find(keep, confidence, isLast, tell) {
  tell(word("Looking at the calibration pictures…"));
  for (;;) {
    try {
      return await post(`/api/trust/${here}/promises`, { keep, confidence });
    } catch (error) {
      if (error.code !== "busy" || !isLast()) throw error;
      tell(word("The pictures are being read…"));
      await pause();
    }
  }
}

function Warning({ looks, confidence }) {
  const enough = data.confidences.find((one) => one.looks >= looks);
  if (looks <= confidence.looks) {
    return html`<p class="quiet">${word("Choose the promise before you look at what it does. The best of several results, picked afterwards, is the luckiest, and a promise of 95 % confidence does not allow for that.")}</p>`;
  }
  return html`<p class="notice" role="status">${word("You have looked at %(num)s results. If you pick one of them because of its result, the promise holds less often than it says.", { num: looks })}${" "}
    ${enough ? word("Ask for %(share)s: it allows for the best of %(num)s.", { share: figure(enough.value), num: enough.looks }) : word("Choose it for another reason.")}</p>`;
}

function Consequences({ step, keep }) {
  const kept = list(keep);
  return html`<dl class="consequences">
    <div><dt>${word("Threshold")}</dt><dd>${step.threshold > 1 ? word("none") : step.threshold.toPrecision(4)}<small>${word("set aside if the probability that it is not %(kept)s is this or more", { kept })}</small></dd></div>
    <div><dt>${word("%(kept)s lost", { kept })}</dt><dd>${of(step.num_lost, step.num)}<small>${step.unit === "pictures" ? word("calibration pictures; by them, at most %(share)s (exact upper bound)", { share: figure(step.bound) }) : word("groups of calibration pictures; by them, at most %(share)s (exact upper bound)", { share: figure(step.bound) })}</small></dd></div>
    <div><dt>${word("Others set aside")}</dt><dd>${step.set_aside === null ? word("not known") : percent(step.set_aside)}<small>${step.interval95 && word("%(low)s to %(high)s, 95 % interval", { low: figure(step.interval95[0]), high: figure(step.interval95[1]) })}</small></dd></div>
    <div><dt>${word("Left to look at")}</dt><dd>${of(step.num_left, step.num_all)}<small>${word("calibration pictures, as they are mixed")}</small></dd></div>
  </dl>`;
}

const [WIDTH, HEIGHT, EDGE] = [640, 200, 36];

function Tradeoff({ steps, at }) {
  if (steps.length < 2 || steps[0].set_aside === null) return null;
  const most = steps.at(-1).lose_at_most;
  const x = (step) => EDGE + (WIDTH - 2 * EDGE) * (step.lose_at_most / most);
  const y = (step) => HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * step.set_aside;
  return html`<svg class="tradeoff" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${word("Share of others set aside, by the share that may be lost")}>
    <line x1=${EDGE} y1=${HEIGHT - EDGE} x2=${WIDTH - EDGE} y2=${HEIGHT - EDGE} /><line x1=${EDGE} y1=${EDGE} x2=${EDGE} y2=${HEIGHT - EDGE} />
    <text x=${EDGE} y=${EDGE - 10}>${word("all others set aside")}</text><text x=${WIDTH - EDGE} y=${HEIGHT - 12} text-anchor="end">${word("may be lost: %(share)s", { share: figure(most) })}</text>
    <polyline points=${steps.map((step) => `${x(step)},${y(step)}`).join(" ")} /><circle cx=${x(steps[at])} cy=${y(steps[at])} r="6" />
  </svg>`;
}

function replaced(keep) {
  const name = `keep-${keep.join("-and-")}`;
  const old = data.decisions.find((one) => one.name === name);
  return old ? word("This replaces the decision %(name)s of %(date)s.", { name, date: old.date }) : word("The decision will be called %(name)s.", { name });
}

function of(num, all) {
  return word("%(num)s of %(all)s", { num: number(num), all: number(all) });
}

function list(names) {
  return new Intl.ListFormat(document.documentElement.lang).format(names);
}

function figure(share) {
  return `${+(100 * share).toPrecision(3)} %`;
}

const slider = document.getElementById("slider");
if (slider) {
  slider.replaceChildren();
  render(html`<${Promises} />`, slider);
}
