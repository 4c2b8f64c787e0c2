// The page of one training: what the studio sends while it runs, its curves, and the buttons Stop and Go on.

import { number, post, word } from "./dom.js";

const { name } = JSON.parse(document.getElementById("training").textContent);
const path = `/api/teach/${encodeURIComponent(name)}`;
const now = document.getElementById("now");
const more = document.getElementById("more");
const curves = document.getElementById("curves");
const said = document.getElementById("said");
const refused = document.getElementById("refused");
const buttons = { stop: document.getElementById("stop"), "go-on": document.getElementById("go-on") };
const FIGURES = { losses: ["train_loss", "validation_loss"], accuracies: ["train_accuracy", "validation_accuracy"] };
let epochs = [];
let plots = {};
let stream = null;
let shown = "";

function follow() {
  stream?.close();
  stream = new EventSource(`${path}/events`);
  stream.onmessage = ({ data }) => show(JSON.parse(data));
  stream.addEventListener("failed", ({ data }) => {
    stream.close();
    refuse(JSON.parse(data));
  });
}

function show({ state, can_stop, first, epochs: added, ...html }) {
  replace(now, html.now);
  replace(more, html.more);
  if (state !== shown) said.textContent = shown && now.querySelector("h1").textContent;
  shown = state;
  buttons.stop.hidden = !can_stop;
  if (!can_stop) buttons.stop.disabled = false;
  buttons["go-on"].hidden = !["stopped", "failed"].includes(state) || now.querySelector("[data-begun]") === null;
  epochs = [...epochs.slice(0, first), ...added];
  if (added.length || plots.losses === undefined) draw();
  if (state !== "running") stream.close();
}

// Only parts that differ are replaced, so that a person who reads or has a key on the others is not disturbed.
function replace(place, html) {
  const next = document.createElement("div");
  next.innerHTML = html; // the studio's own, with every value escaped
  for (const element of next.querySelectorAll(".unscripted")) element.remove();
  const [before, after] = [[...place.children], [...next.children]];
  after.forEach((element, at) => {
    const old = before[at];
    if (!old) return place.append(element);
    if (old.innerHTML === element.innerHTML && old.tagName === element.tagName) return;
    const summary = element.querySelector("summary");
    if (summary && old.tagName === "DETAILS") element.open = old.open;
    const hadFocus = old.contains(document.activeElement);
    old.replaceWith(element);
    if (hadFocus) summary?.focus();
  });
  before.slice(after.length).forEach((element) => element.remove());
}

function draw() {
  curves.hidden = epochs.length < 2;
  if (curves.hidden) return;
  for (const [id, names] of Object.entries(FIGURES)) {
    const place = document.getElementById(id);
    const values = [epochs.map((epoch) => epoch.epoch), ...names.map((name) => epochs.map((epoch) => epoch[name]))];
    place.setAttribute("aria-label", summary(names[1], names[0]));
    if (plots[id]) plots[id].setData(values);
    else plots[id] = new uPlot(options(place), values, place);
  }
}

function summary(name, otherwise) {
  const measured = epochs.at(-1)[name] === null ? otherwise : name;
  const last = number(epochs.at(-1)[measured], 4);
  return word("%(last)s after epoch %(epoch)s", { last, epoch: number(epochs.at(-1).epoch) });
}

function options(place) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line") }, ticks: { stroke: colour("--line") } };
  const line = (label, stroke, dash) => ({ label, stroke, width: 2, dash, points: { show: false } });
  return {
    width: place.clientWidth, height: 240, legend: { live: false },
    scales: { x: { time: false }, y: { range: (_, low, high) => (place.id === "losses" ? [0, 1.05 * high] : [Math.min(low, 0.9), 1]) } },
    axes: [{ ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500] }, { ...axis, size: 56 }],
    series: [
      { label: word("Epoch") }, line(word("training"), colour("--orange"), [5, 4]), line(word("validation"), colour("--blue")),
    ],
  };
}

function drawAnew() {
  for (const plot of Object.values(plots)) plot.destroy();
  plots = {};
  draw();
}

function refuse(message) {
  refused.textContent = message;
  refused.hidden = message === "";
}

async function steer(action) {
  refuse("");
  buttons[action].disabled = true;
  try {
    await post(`${path}/${action}`, {});
    if (action === "stop") return; // it ends soon, and to ask twice would cut its checkpoint short
    follow();
  } catch (error) {
    refuse(error.message);
  }
  buttons[action].disabled = false;
}

for (const element of document.querySelectorAll(".scripted")) element.hidden = false;
for (const [action, button] of Object.entries(buttons)) button.addEventListener("click", () => steer(action));
// A browser has few connections to one address: a page that nobody sees gives its own back.
document.addEventListener("visibilitychange", () => (document.hidden ? stream.close() : follow()));
window.addEventListener("resize", drawAnew);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAnew);
follow();
