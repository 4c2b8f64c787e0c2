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
  if (!response.ok) throw new Error(answer.error.message);
  return answer;
}

const translated = JSON.parse(document.getElementById("words").textContent);

// A text in the person's language, with values in the places of %(name)s. With a number, in the form that it takes.
export function word(text, values = {}, num = 1, many = text) {
  const forms = translated[text] ?? [text, many];
  const form = forms.length > 1 && num !== 1 ? forms[1] : forms[0]; // right for English, and for one form
  return form.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
}

export function percent(share) {
  return `${(100 * share).toFixed(share > 0.995 || share < 0.005 ? 1 : 0)} %`;
}
