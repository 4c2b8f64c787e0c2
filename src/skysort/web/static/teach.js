// The page Teach: a forecast for the chosen recipe and time, a check of the pictures, and the start.

import { number, post, word } from "./dom.js";

const form = document.getElementById("teach");
const [recipe, budget, name] = ["recipe", "budget", "name"].map((id) => document.getElementById(id));
const forecast = document.getElementById("forecast");
const why = document.getElementById("why");
const check = document.getElementById("check");
const refused = document.getElementById("refused");
let numAsked = 0;

async function foretell() {
  const at = ++numAsked;
  forecast.textContent = "";
  why.hidden = recipe.value !== why.dataset.recipe;
  let text;
  try {
    text = (await post("/api/teach/forecast", { recipe: recipe.value, budget: budget.value })).forecast;
  } catch (error) {
    text = error.message;
  }
  if (at === numAsked) forecast.textContent = text;
}

async function start(event) {
  event.preventDefault();
  refused.hidden = true;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const started = await post("/api/teach", { recipe: recipe.value, budget: budget.value, name: name.value.trim() });
    location.assign(`/teach/${encodeURIComponent(started.name)}`);
  } catch (error) {
    refused.textContent = error.message;
    refused.hidden = false;
    button.disabled = false;
  }
}

async function look() {
  check.textContent = word("Every picture is looked at…");
  try {
    const { findings } = await post("/api/teach/check", {});
    check.textContent = findings.length ? "" : word("No problems were found.");
    for (const { name, severity, count, advice } of findings) {
      const details = document.createElement("details");
      const summary = document.createElement("summary");
      summary.textContent = `${name} (${number(count)}): ${severity}`;
      const text = document.createElement("p");
      text.textContent = advice;
      details.append(summary, text);
      check.append(details);
    }
  } catch (error) {
    check.textContent = error.message;
  }
}

for (const element of document.querySelectorAll(".scripted")) element.hidden = false;
for (const element of document.querySelectorAll(".unscripted")) element.remove();
form.addEventListener("submit", start);
for (const select of [recipe, budget]) select.addEventListener("change", foretell);
check.querySelector("button").addEventListener("click", look);
foretell();
