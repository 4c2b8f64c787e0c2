// What the pages share: requests to the studio, and their errors as sentences.

export { html, render, useEffect, useRef, useState } from "./htm-preact.js";

export async function post(path, body) {
  const isForm = body instanceof FormData;
  const response = await fetch(path, {
    method: "POST",
    headers: isForm ? {} : { "Content-Type": "application/json" },
    body: isForm ? body : JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
  return answer;
}

const translated = JSON.parse(document.getElementById("words").textContent);

const language = document.documentElement.lang;

// A text in the person's language, with values in the places of %(name)s.
export function word(text, values = {}) {
  return filled((translated[text] ?? [text])[0], values);
}

// A text in the form that a number takes, with the number in the place of %(num)s.
export function words(one, many, num, values = {}) {
  const forms = translated[one] ?? [one, many];
  return filled(num === 1 ? forms[0] : forms.at(-1), { num: number(num), ...values });
}

function filled(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
}

export function number(value, digits = 0) {
  return value.toLocaleString(language, { maximumFractionDigits: digits });
}

export function percent(share) {
  const unit = language.startsWith("zh") ? "%" : " %";
  return `${(100 * share).toFixed(share > 0.995 || share < 0.005 ? 1 : 0)}${unit}`;
}
